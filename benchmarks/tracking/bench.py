"""`tracking`: the joints as shipped beside stiffer ones, under the same commands."""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import versions
from benchmarks.options import Options
from benchmarks.report import Report, percentile, text_table
from damsel.control import joint_positions_for
from damsel.kinematics import end_effector_position
from damsel.scene import WORKSPACE_HIGH_BASE, WORKSPACE_LOW_BASE
from damsel_sim.physics import TabletopPhysics, load_model

__all__ = ["measure"]

Array = NDArray[np.float64]

# Stiffness of the large joints, N m/rad; the first is the shipped one. The others' follow in
# proportion, and damping with the square root, which keeps the damping ratio.
STIFFNESSES = (None, 1000.0, 1600.0)

# Starts of the end effector, metres in `base`, and a direction in which something stands still.
OBSTACLES = {
    "closed drawer": ((0.70, -0.28, -0.055), (1, 0, 0)),
    "closed door": ((0.70, 0.29, -0.055), (1, 0, 0)),
    "cabinet, from the side": ((0.85, -0.10, -0.05), (0, -1, 0)),
}

_SEED = 0
_TRAVEL_STEPS, _REST_STEPS, _RANDOM_STEPS, _PRESS_STEPS = 120, 20, 100, 60
_MOVED_M = 1e-3
_FIELDS = ("stiffness_nm_per_rad", "what", "unit", "count", "mean", "p99", "max")

Measured = dict[str, list[float]]


def measure(options: Options) -> Report:
    """Run every motion with every stiffness.

    Args:
        options: 16 arms a round take part in the motions in free space.
    """
    rows, samples = [], []
    for stiffness in STIFFNESSES:
        model = _model(stiffness)
        shown = f"{model.actuator_gainprm[0, 0]:.0f}"
        for what, values in _motions(model, 16 * options.rounds).items():
            unit = "N" if "pressing" in what else "mm"
            figures = [np.mean(values), percentile(values, 99), max(values)]
            cells = [f"{figure:.2f}" for figure in figures]
            rows.append([f"{shown} N m/rad: {what}", unit, *cells])
            samples.append((shown, what, unit, len(values), *cells))
    table = text_table(["joint stiffness: what", "unit", "mean", "p99", "max"], rows)
    return Report("tracking", table, _FIELDS, samples, versions(["mujoco", "numpy"]))


def _model(stiffness: float | None) -> mujoco.MjModel:
    model = load_model()
    factor = 1.0 if stiffness is None else stiffness / model.actuator_gainprm[0, 0]
    model.actuator_gainprm[:, 0] *= factor
    model.actuator_biasprm[:, 1] *= factor
    model.actuator_biasprm[:, 2] *= np.sqrt(factor)
    return model


def _motions(model: mujoco.MjModel, rows: int) -> Measured:
    rng = np.random.default_rng(_SEED)
    starts, goals = _free_positions(rows, rng), _free_positions(rows, rng)
    physics = TabletopPhysics(rows, model=model)
    step_size_m = physics.cfg.step_size_m

    def toward_goals() -> Array:
        missing = goals - physics.controller.set_point_base
        return np.clip(missing, -step_size_m, step_size_m)

    def anywhere() -> Array:
        return rng.uniform(-step_size_m, step_size_m, (rows, 3))

    physics.reset(joint_positions=joint_positions_for(starts))
    on_the_way = _errors(physics, toward_goals, _TRAVEL_STEPS)
    _errors(physics, toward_goals, _REST_STEPS)
    at_rest = 1e3 * np.linalg.norm(_tool(physics) - goals, axis=1)
    physics.reset(joint_positions=joint_positions_for(starts))
    random = _errors(physics, anywhere, _RANDOM_STEPS)
    measured = {
        "at rest, from the set point": at_rest.tolist(),
        "straight on, from the joint commands": on_the_way[0],
        "straight on, from the set point": on_the_way[1],
        "random, from the joint commands": random[0],
        "random, from the set point": random[1],
    }
    for name, (start, direction) in OBSTACLES.items():
        measured[f"pressing on {name}"] = _press(model, start, direction)
    return measured


def _errors(
    physics: TabletopPhysics, command: Callable[[], Array], steps: int
) -> tuple[list[float], list[float]]:
    """Distances of the measured tool after each step that moved it, millimetres.

    Returns:
        From where the joints are commanded to be, which is the servos' lag, and from the set
        point, to which the limits on joint velocity and acceleration add.
    """
    from_joints: list[float] = []
    from_set_point: list[float] = []
    for _ in range(steps):
        moved = np.abs(physics.step(command()).applied).max(axis=1) > _MOVED_M
        tool, controller = _tool(physics)[moved], physics.controller
        joints = end_effector_position(controller.commanded_positions[moved])
        from_joints += (1e3 * np.linalg.norm(tool - joints, axis=1)).tolist()
        set_point = controller.set_point_base[moved]
        from_set_point += (1e3 * np.linalg.norm(tool - set_point, axis=1)).tolist()
    return from_joints, from_set_point


def _press(
    model: mujoco.MjModel, start: tuple[float, ...], direction: tuple[int, ...]
) -> list[float]:
    """Contact force of every step under a full command into an obstacle, newtons."""
    physics = TabletopPhysics(1, model=model)
    physics.reset(joint_positions=joint_positions_for(np.array([start])))
    command = physics.cfg.step_size_m * np.array([direction], np.float64)
    forces = [float(physics.step(command).peak_contact_force[0]) for _ in range(_PRESS_STEPS)]
    return forces[_PRESS_STEPS // 2 :]


def _tool(physics: TabletopPhysics) -> Array:
    return physics.observation()[:, :3]


def _free_positions(rows: int, rng: np.random.Generator) -> Array:
    """Positions (n, 3) above block, door and drawer, so that nothing is touched on the way."""
    low, high = WORKSPACE_LOW_BASE + 0.01, WORKSPACE_HIGH_BASE - 0.01
    low[2] = 0.04
    return rng.uniform(low, high, (rows, 3))
