"""Options that several of `damsel-train`'s commands share."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from damsel.errors import InvalidConfigError, brief
from damsel_sim.system_identification.arm_file import load_arm
from damsel_training.bounds import require_positive

if TYPE_CHECKING:
    from damsel_training.distribution import Workers
    from damsel_training.run import RunCfg, RunFolder

__all__ = [
    "PRESET_NAMES",
    "add_physics_option",
    "add_ray_option",
    "add_run_options",
    "check_writable",
    "count",
    "natural",
    "ray_workers",
    "run_of",
    "seed_number",
]

_LARGEST_SEED = 2**32 - 1  # of NumPy's older generator, which Stable-Baselines3 seeds

PRESET_NAMES = ("quick", "paper", "smoke")


def natural(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a whole number from 0")
    return int(text)


def count(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a whole number from 1")
    return int(text)


def seed_number(text: str) -> int:
    """A whole number that every generator of random numbers takes for a seed."""
    if not text.isdecimal() or int(text) > _LARGEST_SEED:
        raise argparse.ArgumentTypeError(
            f"{text!r}; allowed: a whole number from 0 to {_LARGEST_SEED}"
        )
    return int(text)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """The options that name a run: `--preset`, `--run` and `--seed`."""
    parser.add_argument(
        "--preset", choices=PRESET_NAMES, default="quick", help="configuration (%(default)s)"
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help="its folder (runs/PRESET)")
    parser.add_argument("--seed", type=seed_number, help="of the run (0)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change an entry of the preset, named as in the run's run.yaml; repeatable: "
        "--set damsel.network.pooling=mean",
    )
    parser.add_argument(
        "--expert-seed",
        action="append",
        default=[],
        metavar="FAMILY=SEED",
        help="of a family's expert, where it is not the run's; repeatable",
    )


def run_of(options: argparse.Namespace) -> tuple[RunCfg, RunFolder]:
    """The configuration and the folder that the options name."""
    from damsel_training.overrides import overridden
    from damsel_training.run import PRESETS, RunFolder

    cfg = overridden(PRESETS[options.preset], options.set)
    if cfg.collect.horizon != cfg.damsel.horizon:
        raise InvalidConfigError(
            f"collect.horizon is {cfg.collect.horizon} and damsel.horizon is {cfg.damsel.horizon}; "
            "allowed: the same"
        )
    # Only GMPS does without, which takes it away by itself.
    require_positive(cfg.damsel.network, "component_distance")
    cfg = _with_expert_seeds(dataclasses.replace(cfg, seed=options.seed or 0), options.expert_seed)
    if getattr(options, "physics", None):
        cfg = cfg.on_arm(load_arm(options.physics))
    return cfg, RunFolder(options.run or Path("runs") / options.preset)


def _with_expert_seeds(cfg: RunCfg, assignments: Sequence[str]) -> RunCfg:
    if not assignments:
        return cfg
    from damsel_training.run import TaskExpertsCfg

    if isinstance(cfg.experts, TaskExpertsCfg):
        raise InvalidConfigError(
            f"--expert-seed: the preset {cfg.preset} has an expert a task; allowed: presets with "
            "one a family"
        )
    experts = dict(cfg.experts)
    for assignment in assignments:
        family, _, seed = assignment.partition("=")
        try:
            number = seed_number(seed)
        except argparse.ArgumentTypeError as error:
            raise InvalidConfigError(f"--expert-seed {brief(assignment)}: {error}") from None
        if family not in experts:
            raise InvalidConfigError(
                f"--expert-seed {brief(assignment)}: there is no family {brief(family)}; allowed: "
                f"{', '.join(experts)}"
            )
        experts[family] = dataclasses.replace(experts[family], seed=number)
    return dataclasses.replace(cfg, experts=experts)


def add_physics_option(parser: argparse.ArgumentParser) -> None:
    """The option `--physics`: an arm that was fitted to a recording."""
    parser.add_argument(
        "--physics",
        type=Path,
        metavar="FILE",
        help="simulate the arm that damsel-fit wrote to this file (the nominal arm)",
    )


def add_ray_option(parser: argparse.ArgumentParser) -> None:
    """The option that lets a Ray cluster do the work."""
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="let the machines of a Ray cluster do it, a worker a processor: HOST:PORT of its "
        "head, or auto for that of this machine. Each has this project installed (extra `ray`) and "
        "needs no shared folder; results do not depend on it",
    )


def ray_workers(options: argparse.Namespace) -> Workers | None:
    """The workers of `--ray`, if it is given."""
    if getattr(options, "ray", None) is None:
        return None
    if importlib.util.find_spec("ray") is None:
        raise InvalidConfigError("--ray needs the package ray; install the extra `ray`")
    from damsel_training.ray_workers import RayWorkers

    return RayWorkers(options.ray)


def check_writable(folder: Path, option: str) -> None:
    """Make an option's folder where it is missing, and refuse one that nothing can be written to.

    Raises:
        InvalidConfigError: it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidConfigError(f"{option} {folder}: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise InvalidConfigError(f"{option} {folder} is not writable")
