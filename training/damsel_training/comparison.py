"""Every method of a run on the same tasks and worlds: the tables that figures are made from.

<output>/<task set>-<method>-seed<seed>[-<disturbance>].csv    one row a trajectory
<output>/provenance.csv        what made each of them: see `damsel_training.comparison_record`
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from damsel.bundle import Bundle
from damsel.control import ControllerCfg
from damsel.families import FAMILIES
from damsel.observation import OBSERVATION_LAYOUT
from damsel.tasks import Task, training_tasks
from damsel_sim.arm_parameters import NOMINAL_ARM
from damsel_training.baselines import gmps_folder, new_pearl, trained_pearl_cfg
from damsel_training.checkpoints import has_checkpoint, resume
from damsel_training.comparison_record import note_origin
from damsel_training.context_methods import Gmps, Pearl
from damsel_training.disturbances import DISTURBANCES
from damsel_training.errors import MissingStageError
from damsel_training.evaluation import best_constant_outcome
from damsel_training.gmps import without_structure
from damsel_training.methods import Damsel, Method, Still, Told
from damsel_training.networks import Encoder, NetworkCfg, Policy
from damsel_training.progress import Progress
from damsel_training.protocol import Setting, evaluate_method
from damsel_training.run import RunCfg, RunFolder
from damsel_training.stages import check_trained
from damsel_training.task_expert_stages import goal_experts
from damsel_training.trajectory_table import write_rows

__all__ = ["METHODS", "Comparison", "compare", "table_name"]

Array = NDArray[np.float64]

PEARL_PRIOR_TRAJECTORIES = 2
"""Trajectories under latents of PEARL's prior before its posterior is used, as its authors do."""


@dataclass(frozen=True)
class Comparison:
    """What to compare.

    Attributes:
        methods: names, of `METHODS`.
        task_set: name of the tasks, for the tables.
        tasks: hidden tasks.
        disturbances: names of worlds, of `DISTURBANCES`.
        iterations: adaptation trajectories of DAMSEL at most. The others may sample as many
            trajectories as its probes and these together.
        bundle: DAMSEL's; that of the run if None.
        output: folder of the tables.
        command: that asked for it.
    """

    methods: Sequence[str]
    task_set: str
    tasks: Sequence[Task]
    disturbances: Sequence[str]
    iterations: int
    bundle: Path | None
    output: Path
    command: str

    @property
    def trajectories(self) -> int:
        """Trajectories that a method may sample on a task."""
        return len(FAMILIES) + self.iterations


def compare(wanted: Comparison, cfg: RunCfg, folder: RunFolder, progress: Progress) -> list[Path]:
    """Evaluate every method in every world; returns the tables, one each."""
    # What a method or a world lacks is said before the first of them has taken its time.
    for name in wanted.methods:
        METHODS[name](wanted, cfg, folder)
    for disturbance in wanted.disturbances:
        DISTURBANCES[disturbance].arm(cfg.arm or NOMINAL_ARM)
    written = []
    for name in wanted.methods:
        for disturbance in wanted.disturbances:
            # Anew for every world, so that what it draws depends on no world before.
            method = METHODS[name](wanted, cfg, folder)
            horizon = _horizon(name, wanted, cfg, folder)
            setting = Setting(name, cfg.seed, wanted.task_set, disturbance, horizon)
            label = name if disturbance == "none" else f"{name}, {disturbance}"
            bar = progress.bar(label, wanted.trajectories)
            started = time.perf_counter()
            rng = np.random.default_rng([cfg.seed, *f"{name} {disturbance}".encode()])
            rows = evaluate_method(method, setting, wanted.tasks, rng, _counting(bar), cfg.arm)
            bar(wanted.trajectories, "")
            path = wanted.output / table_name(wanted.task_set, name, cfg.seed, disturbance)
            write_rows(rows, path)
            seconds = time.perf_counter() - started
            note_origin(path, wanted.command, name, cfg, folder, wanted.bundle, seconds)
            written.append(path)
    return written


def _counting(bar: Callable[[int, str], object]) -> Callable[[int], object]:
    return lambda made: bar(made, "")


def table_name(task_set: str, method: str, seed: int, disturbance: str) -> str:
    """The file of a table."""
    world = "" if disturbance == "none" else f"-{disturbance}"
    return f"{task_set}-{method}-seed{seed}{world}.csv"


def _horizon(name: str, wanted: Comparison, cfg: RunCfg, folder: RunFolder) -> int:
    """Control steps of the trajectories that a method was trained on."""
    if name == "damsel":
        return Bundle.load(wanted.bundle or folder.bundle).horizon
    if name == "pearl":
        return trained_pearl_cfg(folder.root / "pearl").horizon
    return cfg.damsel.horizon


def _damsel(wanted: Comparison, _cfg: RunCfg, folder: RunFolder) -> Method:
    bundle = Bundle.load(wanted.bundle or folder.bundle)
    robot = ControllerCfg()
    bundle.check_robot(
        control_rate_hz=1.0 / robot.control_period_s,
        step_size_m=robot.step_size_m,
        observation_layout=OBSERVATION_LAYOUT,
    )
    return Damsel(bundle, wanted.iterations)


def _gmps(wanted: Comparison, cfg: RunCfg, folder: RunFolder) -> Method:
    path = gmps_folder(folder).meta / "checkpoint.pt"
    trained = _TrainedGmps(without_structure(cfg.damsel).network)
    resume(trained, _required(path, "gmps"))
    check_trained(trained.iteration, cfg, path, "gmps")
    rng = np.random.default_rng([cfg.seed, *b"latents of GMPS"])
    return Gmps(
        trained.encoder,
        trained.policy,
        wanted.trajectories,
        _horizon("gmps", wanted, cfg, folder),
        trained.prior_mean,
        trained.prior_std,
        rng,
    )


class _TrainedGmps:
    """What a checkpoint of GMPS says of the method."""

    def __init__(self, network: NetworkCfg) -> None:
        self.encoder, self.policy = Encoder(network), Policy(network)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.encoder.load_state_dict(state["encoder"])
        self.policy.load_state_dict(state["policy"])
        self.prior_mean: Array = state["prior_mean"].double().numpy()
        self.prior_std: Array = state["prior_std"].double().numpy()
        self.iteration: int = state["iteration"]


def _pearl(wanted: Comparison, cfg: RunCfg, folder: RunFolder) -> Method:
    path = _required(folder.root / "pearl" / "checkpoint.pt", "pearl")
    learner = new_pearl(trained_pearl_cfg(path.parent), cfg.seed, cfg.arm)
    resume(learner, path)
    if not learner.finished:
        raise MissingStageError(
            f"{path} is at step {learner.environment_steps} of {learner.cfg.environment_steps}; "
            "run `damsel-train pearl` to finish it"
        )
    return Pearl(
        learner.encoder,
        learner.actor,
        wanted.trajectories,
        PEARL_PRIOR_TRAJECTORIES,
        np.random.default_rng([cfg.seed, *b"latents of PEARL"]),
    )


def _still(_wanted: Comparison, _cfg: RunCfg, _folder: RunFolder) -> Method:
    return Still()


def _constant(wanted: Comparison, _cfg: RunCfg, folder: RunFolder) -> Method:
    best = {
        name: best_constant_outcome(family, training_tasks()) for name, family in FAMILIES.items()
    }
    told = [
        Task(task.family, tuple(np.maximum(best[task.family], _LEAST[task.family]).tolist()))
        for task in wanted.tasks
    ]
    return Told(told, goal_experts(folder))


def _oracle(wanted: Comparison, _cfg: RunCfg, folder: RunFolder) -> Method:
    return Told(wanted.tasks, goal_experts(folder))


METHODS: Mapping[str, Callable[[Comparison, RunCfg, RunFolder], Method]] = {
    "damsel": _damsel,
    "gmps": _gmps,
    "pearl": _pearl,
    "nothing": _still,
    "constant": _constant,
    "oracle": _oracle,
}
"""How each method is made from a run. `constant` is told the family, `oracle` the goal."""

# A goal may not be the rest state itself.
_LEAST = {
    name: np.array(family.low) + (0.0 if family.low_inclusive else family.rest_tolerance)
    for name, family in FAMILIES.items()
}


def _required(path: Path, command: str) -> Path:
    if not has_checkpoint(path):
        raise MissingStageError(f"no checkpoint at {path}; run `damsel-train {command}` first")
    return path
