"""Distance to the goal and the reward that the robot receives; pure functions.

The reward is r = max(0, 1 - d / d0): d is the distance of the task's object to its goal, d0 that
distance at rest. It is on one scale for every family, exactly 0 until the right object moves and
1 at the goal. d0 is floored at the success threshold, so that a goal next to the rest state does
not turn a millimetre into the whole scale.
"""

from __future__ import annotations

from typing import overload

import numpy as np
from numpy.typing import NDArray

from damsel.families import Family, family
from damsel.tasks.task import Task

__all__ = ["distance", "goal_reward", "is_solved", "reward"]


def distance(observation: NDArray[np.float64], task: Task) -> NDArray[np.float64]:
    """Return how far the task's object is from its goal.

    Args:
        observation: (..., 12), positions in frame `base`, metres. Not-finite coordinates of the
            task's object give a distance that is not finite.
        task: The task.

    Returns:
        Euclidean distance, shape (...), in the family's unit.
    """
    offset = family(task.family).state(observation) - np.array(task.goal, dtype=np.float64)
    return np.asarray(np.linalg.norm(offset, axis=-1))


def reward(observation: NDArray[np.float64], task: Task) -> NDArray[np.float64]:
    """Return the reward of an observation under a task.

    Args:
        observation: (..., 12), positions in frame `base`, metres.
        task: The task.

    Returns:
        Reward in [0, 1], shape (...); NaN where the observation of the object is NaN.
    """
    return goal_reward(family(task.family), observation, np.array(task.goal, dtype=np.float64))


def goal_reward(
    its_family: Family, observation: NDArray[np.float64], goal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the reward of observations under goals of one family, many at a time.

    Args:
        its_family: The family.
        observation: (..., 12), positions in frame `base`, metres.
        goal: (..., goal_dim), in the family's unit; broadcast against the observations.

    Returns:
        As `reward` does.
    """
    state = its_family.state(observation)
    scale = np.maximum(np.linalg.norm(goal, axis=-1), its_family.success_threshold)
    moved = np.linalg.norm(state, axis=-1)
    progress = np.maximum(0.0, 1.0 - np.linalg.norm(state - goal, axis=-1) / scale)
    return np.where(moved <= its_family.rest_tolerance, 0.0, progress)


@overload
def is_solved(distance: float, task: Task, *, strict: bool = False) -> bool: ...
@overload
def is_solved(
    distance: NDArray[np.float64], task: Task, *, strict: bool = False
) -> NDArray[np.bool_]: ...
def is_solved(
    distance: float | NDArray[np.float64], task: Task, *, strict: bool = False
) -> bool | NDArray[np.bool_]:
    """Return whether a final distance solves the task.

    Args:
        distance: Distance at the end of a trajectory, in the family's unit; any shape.
        task: The task.
        strict: Use the strict threshold instead of the paper's.

    Returns:
        Of the shape of `distance`; False where the distance is NaN.
    """
    its_family = family(task.family)
    threshold = its_family.strict_threshold if strict else its_family.success_threshold
    solved = np.asarray(distance) <= threshold
    return bool(solved) if solved.ndim == 0 else solved
