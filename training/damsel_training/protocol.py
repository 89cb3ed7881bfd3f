"""One evaluation for every method: the same tasks, horizon and measures, a row a task.

All tasks of a set run side by side in one batched scene. What the robot is given goes through the
scene's disturbance; what is recorded is the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel.families import FAMILIES
from damsel.observation import Trajectory
from damsel.tasks import Task, distance, is_solved, reward
from damsel_sim.arm_parameters import ArmParameters
from damsel_training.disturbances import DISTURBANCES, DisturbedTabletop
from damsel_training.methods import Method, Plan
from damsel_training.trajectory_table import TrajectoryRow

__all__ = ["Setting", "evaluate_method"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """What an evaluation is of; the first columns of its table.

    Attributes:
        method: name of the method.
        seed: of its training.
        task_set: name of the set of tasks.
        disturbance: one of `DISTURBANCES`.
        horizon: control steps of a trajectory.
    """

    method: str
    seed: int
    task_set: str
    disturbance: str = "none"
    horizon: int = 100


def evaluate_method(
    method: Method,
    setting: Setting,
    tasks: Sequence[Task],
    rng: np.random.Generator,
    progress: Callable[[int], object] = int,
    arm: ArmParameters | None = None,
) -> list[TrajectoryRow]:
    """Let a method adapt to every task until it is done with all of them.

    Args:
        method: at its beginning or not; it begins anew.
        setting: what is written beside the results.
        tasks: hidden tasks, a row each.
        rng: source of the disturbance's noise.
        progress: told how many trajectories each task has seen at most.
        arm: the arm that is simulated; the nominal one by default.

    Returns:
        One row a trajectory, by trajectory and task. Tasks that a method is done with early have
        fewer.
    """
    scene = DisturbedTabletop(len(tasks), DISTURBANCES[setting.disturbance], rng, arm)
    method.begin(len(tasks))
    rows: list[TrajectoryRow] = []
    made = 0
    while any(method.plans()):
        running = [plan is not None for plan in method.plans()]
        made_now = _roll_out(method, running, scene, tasks, setting.horizon)
        # The plans as they are at the end: latents may change on the way.
        for index, (plan, done) in enumerate(zip(method.plans(), made_now, strict=True)):
            if plan is not None and done is not None:
                rows.append(_row(setting, index, tasks[index], made, plan, done))
        method.receive([done.trajectory if done else None for done in made_now])
        made += 1
        progress(made)
    return rows


class _Made(NamedTuple):
    """One trajectory.

    Attributes:
        trajectory: as the robot is given it.
        final: true last observation (12,).
        peak_force: newtons.
    """

    trajectory: Trajectory
    final: Array
    peak_force: float


def _roll_out(
    method: Method,
    running: Sequence[bool],
    scene: DisturbedTabletop,
    tasks: Sequence[Task],
    horizon: int,
) -> list[_Made | None]:
    """One trajectory of every running row. A row that has enough early waits for the others."""
    count = len(tasks)
    observations, actions = [scene.reset()], []
    rewards = np.zeros((count, horizon))
    going = np.array(running)
    length, peak = np.zeros(count, np.int64), np.zeros(count)
    final = scene.true_observation
    for index in range(horizon):
        action = np.where(going[:, None], method.act(observations[-1]), 0.0)
        step = scene.step(action)
        measured = scene.measured_observation
        rewards[:, index] = [
            float(reward(seen, task)) for seen, task in zip(measured, tasks, strict=True)
        ]
        length[going] += 1
        peak[going] = np.maximum(peak, step.peak_contact_force)[going]
        final[going] = scene.true_observation[going]
        gain = rewards[:, index, None]
        parts = [observations[-1], step.applied, gain, step.observation]
        observations.append(step.observation)
        actions.append(step.applied)
        going &= ~method.watch(np.concatenate(parts, axis=1))
        if not going.any():
            break
    seen, applied = np.stack(observations, axis=1), np.stack(actions, axis=1)
    return [
        _Made(
            Trajectory(seen[row, : end + 1], applied[row, :end], rewards[row, :end]),
            final[row],
            float(peak[row]),
        )
        if running[row]
        else None
        for row, end in enumerate(length)
    ]


def _row(
    setting: Setting, index: int, task: Task, number: int, plan: Plan, made: _Made
) -> TrajectoryRow:
    gap = float(distance(made.final, task))
    return TrajectoryRow(
        method=setting.method,
        seed=setting.seed,
        task_set=setting.task_set,
        disturbance=setting.disturbance,
        family=task.family,
        task=index,
        goal=task.goal,
        trajectory=number,
        stage=plan.stage,
        inferred=plan.family,
        steps=len(made.trajectory),
        state=tuple(FAMILIES[task.family].state(made.final).tolist()),
        distance=gap,
        success=is_solved(gap, task),
        strict_success=is_solved(gap, task, strict=True),
        return_sum=made.trajectory.total_return,
        peak_force=made.peak_force,
        latent=tuple(plan.latent.tolist()),
    )
