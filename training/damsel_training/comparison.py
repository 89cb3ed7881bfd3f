"""Every method of a run on the same tasks and worlds: the tables that figures are made from.

<output>/<task set>-<method>-seed<seed>[-<disturbance>].csv    one row a trajectory
<output>/provenance.csv                                        what made each of them
"""

from __future__ import annotations

import csv
import io
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from damsel.bundle import Bundle
from damsel.families import FAMILIES
from damsel.tasks import Task, training_tasks
from damsel_training.baselines import gmps_folder, new_pearl, trained_pearl_cfg
from damsel_training.checkpoints import has_checkpoint, load_checkpoint, resume
from damsel_training.context_methods import Gmps, Pearl
from damsel_training.errors import MissingStageError
from damsel_training.evaluation import best_constant_outcome
from damsel_training.files import written_whole
from damsel_training.gmps import without_structure
from damsel_training.methods import Damsel, Method, Still, Told
from damsel_training.networks import Encoder, Policy
from damsel_training.progress import Progress
from damsel_training.protocol import Setting, evaluate_method
from damsel_training.run import RunCfg, RunFolder
from damsel_training.stage_times import seconds_by_stage
from damsel_training.stages import check_trained
from damsel_training.task_expert_stages import expert_steps, goal_experts
from damsel_training.trajectory_table import write_rows
from damsel_training.workers import cores

__all__ = ["METHODS", "Comparison", "compare"]

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
    written = []
    for name in wanted.methods:
        method = METHODS[name](wanted, cfg, folder)
        for disturbance in wanted.disturbances:
            setting = Setting(name, cfg.seed, wanted.task_set, disturbance)
            label = name if disturbance == "none" else f"{name}, {disturbance}"
            bar = progress.bar(label, wanted.trajectories)
            started = time.perf_counter()
            rng = np.random.default_rng([cfg.seed, *f"{name} {disturbance}".encode()])
            rows = evaluate_method(method, setting, wanted.tasks, rng, _counting(bar))
            bar(wanted.trajectories, "")
            path = wanted.output / f"{_stem(setting)}.csv"
            write_rows(rows, path)
            _note_origin(wanted, cfg, folder, name, path, time.perf_counter() - started)
            written.append(path)
    return written


def _counting(bar: Callable[[int, str], object]) -> Callable[[int], object]:
    return lambda made: bar(made, "")


def _stem(setting: Setting) -> str:
    stem = f"{setting.task_set}-{setting.method}-seed{setting.seed}"
    return stem if setting.disturbance == "none" else f"{stem}-{setting.disturbance}"


def _damsel(wanted: Comparison, _cfg: RunCfg, folder: RunFolder) -> Method:
    return Damsel(Bundle.load(wanted.bundle or folder.bundle), wanted.iterations)


def _gmps(wanted: Comparison, cfg: RunCfg, folder: RunFolder) -> Method:
    path = gmps_folder(folder).meta / "checkpoint.pt"
    state = load_checkpoint(_required(path, "gmps"))
    check_trained(state["iteration"], cfg, path, "gmps")
    network = without_structure(cfg.damsel).network
    encoder, policy = Encoder(network), Policy(network)
    encoder.load_state_dict(state["encoder"])
    policy.load_state_dict(state["policy"])
    rng = np.random.default_rng([cfg.seed, *b"latents of GMPS"])
    mean, std = state["prior_mean"].double().numpy(), state["prior_std"].double().numpy()
    return Gmps(encoder, policy, wanted.trajectories, len(FAMILIES), mean, std, rng)


def _pearl(wanted: Comparison, cfg: RunCfg, folder: RunFolder) -> Method:
    path = _required(folder.root / "pearl" / "checkpoint.pt", "pearl")
    learner = new_pearl(trained_pearl_cfg(path.parent), cfg.seed)
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


_TRAINED_BY = {
    "damsel": ("experts", "distillation", "collect", "meta"),
    "gmps": ("experts", "distillation", "collect", "gmps"),
    "pearl": ("pearl",),
    "constant": ("experts", "distillation"),
    "oracle": ("experts", "distillation"),
}


def _note_origin(
    wanted: Comparison, cfg: RunCfg, folder: RunFolder, method: str, table: Path, seconds: float
) -> None:
    """Add or replace the table's line in `provenance.csv`."""
    spent = seconds_by_stage(folder.root)
    training = sum(spent.get(stage, 0.0) for stage in _TRAINED_BY.get(method, ()))
    own = wanted.bundle if method == "damsel" else None
    line = {
        "table": table.name,
        "command": wanted.command,
        "commit": str(Bundle.load(own).provenance["commit"]) if own else folder.commit,
        "hardware": _hardware(),
        "environment_steps": "" if own else str(_environment_steps(method, cfg, folder)),
        "training_seconds": "" if own or not training else f"{training:.0f}",
        "evaluation_seconds": f"{seconds:.0f}",
    }
    path = wanted.output / "provenance.csv"
    lines = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            lines = [row for row in csv.DictReader(file) if row["table"] != table.name]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(line), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(sorted([*lines, line], key=lambda row: row["table"]))
    with written_whole(path) as file:
        file.write(text.getvalue().encode())


def _environment_steps(method: str, cfg: RunCfg, folder: RunFolder) -> int:
    """Control steps of simulation that a method's training took, those of its experts included.

    Measurements that choose nothing, such as PEARL's on its training tasks, are left out.
    """
    experts = expert_steps(cfg, folder)
    a_trajectory = len(training_tasks()) * cfg.damsel.horizon
    collected = 2 * cfg.collect.rollouts * a_trajectory
    meta = cfg.damsel.iterations * cfg.damsel.collect_rounds * a_trajectory
    if method == "pearl":
        state = load_checkpoint(folder.root / "pearl" / "checkpoint.pt")
        return int(state["environment_steps"])
    by_method = {"damsel": experts + collected + meta, "gmps": experts + collected + meta}
    by_method |= {"constant": experts, "oracle": experts}
    return by_method.get(method, 0)


def _hardware() -> str:
    """Processor and cores, in words."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip()
            for line in info.read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    return f"{model}, {cores()} cores"
