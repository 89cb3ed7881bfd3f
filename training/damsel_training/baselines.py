"""The learning baselines as stages of a run: PEARL, and DAMSEL without its structure (GMPS).

    <run>/gmps    as <run>/meta
    <run>/pearl   pearl.yaml, checkpoint.pt, metrics.csv, tensorboard/

Both go on from their last checkpoint, as DAMSEL does.
"""

from __future__ import annotations

import copy
import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from damsel.errors import InvalidConfigError, brief
from damsel.families import FAMILIES
from damsel.safe_yaml import read_yaml
from damsel.tasks import training_tasks
from damsel_sim.arm_parameters import ArmParameters
from damsel_training import stages
from damsel_training.checkpoints import resume, save_checkpoint
from damsel_training.errors import DivergedError
from damsel_training.files import written_whole
from damsel_training.gmps import GmpsLearner, without_structure
from damsel_training.metrics import Board, append_csv, rewind_csv
from damsel_training.pearl import Pearl
from damsel_training.pearl_cfg import PearlCfg
from damsel_training.pearl_networks import PearlNetworkCfg
from damsel_training.progress import Progress
from damsel_training.run import RunCfg, RunFolder, other_configuration, plain
from damsel_training.workers import cores

__all__ = [
    "PEARL_PRESETS",
    "gmps",
    "gmps_folder",
    "new_pearl",
    "pearl",
    "pearl_cfg",
    "trained_pearl_cfg",
    "without_structure",
]

PEARL_PRESETS = {
    "smoke": PearlCfg(
        environment_steps=20_000,
        first_trajectories=1,
        updates=5,
        meta_batch=4,
        batch_size=16,
        evaluate_every=1,
        network=PearlNetworkCfg(encoder_width=32, width=32),
    ),
}
"""By the run's preset; any other has the defaults of `PearlCfg`."""


def pearl_cfg(preset: str) -> PearlCfg:
    """PEARL's hyper-parameters in a preset."""
    return PEARL_PRESETS.get(preset, PearlCfg())


def trained_pearl_cfg(folder: Path) -> PearlCfg:
    """The hyper-parameters that a folder of `pearl` was begun with.

    Raises:
        InvalidConfigError: the folder does not say which.
    """
    path = folder / "pearl.yaml"
    found = read_yaml(path, "configuration of PEARL", InvalidConfigError)
    try:
        cfg: PearlCfg = _filled(PearlCfg(), found["pearl"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidConfigError(f"{path} is no configuration of PEARL: {brief(error)}") from None
    return cfg


def _filled(default: Any, found: Any) -> Any:
    """A configuration with the values that `plain` made of it."""
    if not dataclasses.is_dataclass(default):
        kind: type = type(default)
        return kind(found)
    names = [field.name for field in dataclasses.fields(default)]
    values = {name: _filled(getattr(default, name), found[name]) for name in names}
    return dataclasses.replace(default, **values)  # type: ignore[type-var]


def gmps_folder(folder: RunFolder) -> RunFolder:
    """The run's folder as the stages of GMPS see it: experts and data set are the same."""
    seen = copy.copy(folder)
    seen.meta = folder.root / "gmps"
    return seen


def gmps(cfg: RunCfg, folder: RunFolder, progress: Progress) -> None:
    """Meta-train without structure in the latent, on the same experts and data."""
    variant = dataclasses.replace(cfg, damsel=without_structure(cfg.damsel))
    stages.meta(variant, gmps_folder(folder), progress, GmpsLearner)


def pearl(
    cfg: PearlCfg,
    seed: int,
    folder: Path,
    progress: Progress,
    arm: ArmParameters | None = None,
) -> Pearl:
    """Train PEARL in a folder until its budget is spent, or go on from its last checkpoint.

    Args:
        cfg: hyper-parameters and budget.
        seed: of networks, latents and exploration.
        folder: where everything lies.
        progress: told after every iteration.
        arm: the arm that is simulated; the nominal one by default.

    Raises:
        DivergedError: a loss is not finite.
        InvalidConfigError: the folder was begun with another configuration.
    """
    if "OMP_NUM_THREADS" not in os.environ:  # which torch has followed already
        torch.set_num_threads(cores())
    folder.mkdir(parents=True, exist_ok=True)
    _hold_to(cfg, seed, folder / "pearl.yaml")
    learner = new_pearl(cfg, seed, arm)
    checkpoint, table = folder / "checkpoint.pt", folder / "metrics.csv"
    resume(learner, checkpoint)
    rewind_csv(table, "iteration", learner.iteration)
    bar = progress.bar("PEARL", cfg.environment_steps)
    bar(min(learner.environment_steps, cfg.environment_steps), "")
    with Board(folder / "tensorboard", learner.environment_steps) as board:
        while not learner.finished:
            metrics = _iterate(learner, folder)
            board.write(learner.environment_steps, metrics)
            append_csv(table, _complete(metrics, learner))
            save_checkpoint(learner.state_dict(), checkpoint)
            bar(min(learner.environment_steps, cfg.environment_steps), _note(metrics))
    return learner


def new_pearl(cfg: PearlCfg, seed: int, arm: ArmParameters | None = None) -> Pearl:
    """An untrained PEARL on the training tasks."""
    torch.manual_seed(seed)
    return Pearl(cfg, training_tasks(), np.random.default_rng([seed, *b"pearl"]), arm)


def _iterate(learner: Pearl, folder: Path) -> dict[str, float]:
    started = time.perf_counter()
    learner.collect()
    try:
        losses = learner.train()
    except DivergedError as error:
        # Everything since the last checkpoint follows from it.
        raise DivergedError(f"{error}; going on from {folder} replays it") from None
    metrics = {f"loss/{name}": value for name, value in losses.items()}
    if learner.iteration % learner.cfg.evaluate_every == 0 or learner.iteration == 1:
        metrics |= learner.measure()
    learner.wall_seconds += time.perf_counter() - started
    return metrics


def _complete(metrics: dict[str, float], learner: Pearl) -> dict[str, float]:
    """A row of the table, whose columns are the same whether there was a measurement or not."""
    row = {
        "iteration": float(learner.iteration),
        "environment_steps": float(learner.environment_steps),
        "wall_seconds": learner.wall_seconds,
    }
    names = [f"final_distance/{name}" for name in FAMILIES]
    return row | {name: metrics.get(name, float("nan")) for name in [*names, *metrics]}


def _note(metrics: dict[str, float]) -> str:
    distances = [
        f"{name} {metrics[f'final_distance/{name}']:.3f} {family.unit}"
        for name, family in FAMILIES.items()
        if f"final_distance/{name}" in metrics
    ]
    return ", ".join([f"critic {metrics['loss/critic']:.2f}", *distances])


def _hold_to(cfg: PearlCfg, seed: int, path: Path) -> None:
    wanted = {"seed": seed, "pearl": plain(cfg)}
    if not path.exists():
        with written_whole(path) as file:
            file.write(yaml.safe_dump(wanted, sort_keys=False).encode())
        return
    found = read_yaml(path, "configuration of PEARL", InvalidConfigError)
    if found != wanted:
        raise other_configuration(path.parent, found, wanted)
