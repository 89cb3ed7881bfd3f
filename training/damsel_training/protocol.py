"""One evaluation for every method: the same tasks, horizon and measures, a row a task.

All tasks of a set run side by side in one batched scene. What the robot is given goes through the
scene's disturbance; what is recorded is the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damsel.families import FAMILIES
from damsel.observation import Trajectory
from damsel.tasks import Task, distance, is_solved, reward
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
) -> list[TrajectoryRow]:
    """Let a method adapt to every task until it is done with all of them.

    Args:
        method: at its beginning or not; it begins anew.
        setting: what is written beside the results.
        tasks: hidden tasks, a row each.
        rng: source of the disturbance's noise.
        progress: told how many trajectories each task has seen at most.

    Returns:
        One row a trajectory, by trajectory and task. Tasks that a method is done with early have
        fewer.
    """
    scene = DisturbedTabletop(len(tasks), DISTURBANCES[setting.disturbance], rng)
    method.begin(len(tasks))
    rows: list[TrajectoryRow] = []
    made = 0
    while (plans := method.plans()) and any(plans):
        trajectories, final, peak = _roll_out(method, plans, scene, tasks, setting.horizon)
        rows += [
            _row(setting, index, task, made, plan, trajectory, final[index], peak[index])
            for index, (task, plan, trajectory) in enumerate(
                zip(tasks, plans, trajectories, strict=True)
            )
            if plan is not None and trajectory is not None
        ]
        method.receive(trajectories)
        made += 1
        progress(made)
    return rows


def _roll_out(
    method: Method,
    plans: Sequence[Plan | None],
    scene: DisturbedTabletop,
    tasks: Sequence[Task],
    horizon: int,
) -> tuple[list[Trajectory | None], Array, Array]:
    """Trajectories as the robot is given them, true last observations (n, 12), peak forces (n,)."""
    observation = scene.reset()
    observations, actions, measured = [observation], [], []
    peak = np.zeros(len(tasks))
    for _ in range(horizon):
        step = scene.step(method.act(observation))
        observation = step.observation
        observations.append(observation)
        actions.append(step.applied)
        measured.append(scene.measured_observation)
        peak = np.maximum(peak, step.peak_contact_force)
    seen, done = np.stack(observations, axis=1), np.stack(actions, axis=1)
    for_reward = np.stack(measured, axis=1)
    trajectories = [
        Trajectory(seen[row], done[row], reward(for_reward[row], task)) if plans[row] else None
        for row, task in enumerate(tasks)
    ]
    return trajectories, scene.true_observation, peak


def _row(
    setting: Setting,
    index: int,
    task: Task,
    made: int,
    plan: Plan,
    trajectory: Trajectory,
    final: Array,
    peak_force: float,
) -> TrajectoryRow:
    gap = float(distance(final, task))
    return TrajectoryRow(
        method=setting.method,
        seed=setting.seed,
        task_set=setting.task_set,
        disturbance=setting.disturbance,
        family=task.family,
        task=index,
        goal=task.goal,
        trajectory=made,
        stage=plan.stage,
        inferred=plan.family,
        state=tuple(FAMILIES[task.family].state(final).tolist()),
        distance=gap,
        success=is_solved(gap, task),
        strict_success=is_solved(gap, task, strict=True),
        return_sum=trajectory.total_return,
        peak_force=float(peak_force),
        latent=tuple(plan.latent.tolist()),
    )
