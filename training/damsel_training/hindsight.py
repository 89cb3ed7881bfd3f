"""Goals other than a task's own, and what the robot would have been paid under them.

The reward follows from where the objects are, so every transition can be seen as that of any task
of its family.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from damsel.families import FAMILIES
from damsel.tasks import goal_reward
from damsel_training.buffers import GOAL_DIM

__all__ = ["padded", "random_goals", "robot_rewards"]

Array = NDArray[np.float64]


def padded(goal: Sequence[float]) -> Array:
    """A goal (GOAL_DIM,), zero beyond what its family needs."""
    return np.pad(np.asarray(goal, np.float64), (0, GOAL_DIM - len(goal)))


def random_goals(family: NDArray[np.str_], rng: np.random.Generator) -> Array:
    """Goals (M, GOAL_DIM) from all over the ranges of the families (M,)."""
    share = rng.random((len(family), GOAL_DIM))
    low = np.stack([padded(FAMILIES[name].low) for name in family])
    high = np.stack([padded(FAMILIES[name].high) for name in family])
    goals: Array = low + (high - low) * share
    return goals


def robot_rewards(family: NDArray[np.str_], after: NDArray[np.floating], goals: Array) -> Array:
    """What the robot is paid (M, N) for arriving at observations (M, N, 12).

    Args:
        family: (M,), names.
        after: observations.
        goals: (M, GOAL_DIM).
    """
    rewards = np.empty(after.shape[:2])
    for name in np.unique(family):
        rows, kind = family == name, FAMILIES[str(name)]
        rewards[rows] = goal_reward(kind, after[rows], goals[rows, None, : kind.goal_dim])
    return rewards
