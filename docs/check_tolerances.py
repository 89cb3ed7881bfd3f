"""How far a real table may differ from the drawing: success with one thing at a time changed.

    python docs/check_tolerances.py [--bundle DIR] [--tasks N]

A shifted part is where the observation does not say it is, as after a wrong measurement.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mujoco
import numpy as np

from damsel.bundle import Bundle
from damsel.cli import OneLineParser, run
from damsel.errors import InvalidConfigError
from damsel.families import FAMILIES
from damsel.tasks import is_solved, sample_tasks
from damsel_sim.adaptation import adapt_offline
from damsel_sim.physics import TabletopPhysics, load_model
from damsel_sim.robot import SimulatedRobot

Change = Callable[[mujoco.MjModel], None]


class Variant(NamedTuple):
    """One change of the scene, and the families that it concerns."""

    name: str
    change: Change
    families: tuple[str, ...]


class ChangedRobot(SimulatedRobot):
    """The arm at another table."""

    def __init__(self, model: mujoco.MjModel) -> None:
        super().__init__()
        self._physics = TabletopPhysics(1, self.cfg, model)


def unchanged(model: mujoco.MjModel) -> None:
    """Leave everything as it is."""


def shifted(body: str, axis: str, by_mm: float) -> Change:
    """Move a body along x, y or z."""

    def change(model: mujoco.MjModel) -> None:
        model.body(body).pos["xyz".index(axis)] += by_mm / 1000

    return change


def table_raised(by_mm: float) -> Change:
    """Lift the table top and the block on it; the furniture stays."""

    def change(model: mujoco.MjModel) -> None:
        model.geom("table").pos[2] += by_mm / 1000
        model.joint("block").qpos0[2] += by_mm / 1000

    return change


def rubbing(joint: str, friction: float, damping: float) -> Change:
    """Set dry friction and damping of a joint."""

    def change(model: mujoco.MjModel) -> None:
        model.joint(joint).frictionloss[0] = friction
        model.joint(joint).damping[0] = damping

    return change


def block_of(mass_kg: float, friction: float) -> Change:
    """Set mass of the block, and the friction between block and table."""

    def change(model: mujoco.MjModel) -> None:
        block = model.body("block")
        block.inertia[:] *= mass_kg / block.mass[0]
        block.mass[0] = mass_kg
        for name in ("block", "table"):
            model.geom(name).friction[0] = friction

    return change


VARIANTS = [
    Variant("as drawn", unchanged, tuple(FAMILIES)),
    Variant("table 3 mm higher", table_raised(3), ("push",)),
    Variant("table 3 mm lower", table_raised(-3), ("push",)),
    Variant("block 0.17 kg", block_of(0.17, 0.4), ("push",)),
    Variant("block 0.23 kg", block_of(0.23, 0.4), ("push",)),
    Variant("block and table, friction 0.3", block_of(0.2, 0.3), ("push",)),
    Variant("block and table, friction 0.5", block_of(0.2, 0.5), ("push",)),
    *(
        Variant(
            f"{family} {change:+d} mm in {axis}",
            shifted(family, axis, change),
            (family,),
        )
        for family in ("door", "drawer")
        for axis in "xyz"
        for change in (-3, 3)
    ),
    Variant("door, friction 0.1 N m, damping 0.1", rubbing("door", 0.1, 0.1), ("door",)),
    Variant("door, friction 0.3 N m, damping 0.6", rubbing("door", 0.3, 0.6), ("door",)),
    Variant("drawer, friction 1 N, damping 2", rubbing("drawer", 1.0, 2.0), ("drawer",)),
    Variant("drawer, friction 2 N, damping 8", rubbing("drawer", 2.0, 8.0), ("drawer",)),
]


def main() -> None:
    """Print a line a variant and family."""
    parser = OneLineParser(prog="check_tolerances.py", description="Success on a changed table.")
    parser.add_argument(
        "--bundle", type=Path, default=Path("models/default"), metavar="DIR", help="(%(default)s)"
    )
    parser.add_argument(
        "--tasks", type=int, default=20, metavar="N", help="tasks a family (%(default)s)"
    )
    options = parser.parse_args()
    if options.tasks < 1:
        raise InvalidConfigError(f"--tasks is {options.tasks}; allowed: from 1")
    bundle = Bundle.load(options.bundle)
    print(f"{'scene':<38} family   solved  strictly  peak force")
    for variant in VARIANTS:
        model = load_model()
        variant.change(model)
        mujoco.mj_setConst(model, mujoco.MjData(model))
        robot = ChangedRobot(model)
        for family in variant.families:
            tasks = sample_tasks(family, options.tasks, np.random.default_rng(0))
            runs = [adapt_offline(bundle, task, 4, robot) for task in tasks]
            ends = [
                (is_solved(one.final_distances[-1], task),
                 is_solved(one.final_distances[-1], task, strict=True))
                for one, task in zip(runs, tasks, strict=True)
            ]  # fmt: skip
            solved, strictly = np.mean(ends, axis=0)
            peak = max(one.peak_contact_force for one in runs)
            print(
                f"{variant.name:<38} {family:<7} {solved:>7.0%} {strictly:>9.0%} {peak:>9.1f} N",
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(run(main))
