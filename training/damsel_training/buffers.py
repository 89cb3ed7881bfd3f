"""What meta-training remembers: trajectories by task, in groups, with the goal they were made for.

All tasks are rolled out together, so every task always holds equally much and one array serves
all; sampling is one indexing operation. Rewards are not stored: they follow from observations and
a goal, which need not be the goal that the trajectory was made for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel.families import FAMILIES
from damsel.observation import ACTION_DIM, OBSERVATION_DIM

__all__ = ["GOAL_DIM", "Steps", "TrajectoryBuffer"]

Array = NDArray[np.float64]
Array32 = NDArray[np.float32]
IntArray = NDArray[np.int64]

GOAL_DIM = max(family.goal_dim for family in FAMILIES.values())
"""Coordinates of a stored goal; those that a family does not have are 0."""

_WHOLE = 0.5
"""Part of the contexts that end with a trajectory."""


class Steps(NamedTuple):
    """Control steps without their rewards.

    Attributes:
        before: (..., 12), observations.
        action: (..., 3).
        after: (..., 12), the observation that followed.
    """

    before: NDArray[np.floating[Any]]
    action: NDArray[np.floating[Any]]
    after: NDArray[np.floating[Any]]


class TrajectoryBuffer:
    """Groups of trajectories by task, of which the oldest groups are dropped.

    A group is what one adaptation leaves, the probe and the attempts after it, or one trajectory.
    """

    def __init__(self, tasks: int, groups: int, trajectories: int, horizon: int) -> None:
        shape = (tasks, groups, trajectories)
        self._observations = np.zeros((*shape, horizon + 1, OBSERVATION_DIM), np.float32)
        self._actions = np.zeros((*shape, horizon, ACTION_DIM), np.float32)
        self._goals = np.zeros((tasks, groups, GOAL_DIM))
        self._lengths = np.zeros(groups, np.int64)
        self._begun = 0

    def begin(self, goals: Array) -> None:
        """Open a new group, over the oldest if all are in use; goals are (tasks, GOAL_DIM)."""
        group = self._begun % len(self._lengths)
        self._lengths[group] = 0
        self._goals[:, group] = goals
        self._begun += 1

    def append(self, observations: Array, actions: Array) -> None:
        """Add a trajectory a task, (tasks, T + 1, 12) and (tasks, T, 3), to the newest group."""
        group = self._newest
        index = self._lengths[group]
        self._observations[:, group, index] = observations
        self._actions[:, group, index] = actions
        self._lengths[group] += 1

    def newest(self) -> Steps:
        """All steps (tasks, N, ...) of the newest group."""
        group = self._newest
        observations = self._observations[:, group, : self._lengths[group]]
        actions = self._actions[:, group, : self._lengths[group]]
        tasks = len(actions)
        return Steps(
            observations[:, :, :-1].reshape(tasks, -1, OBSERVATION_DIM),
            actions.reshape(tasks, -1, ACTION_DIM),
            observations[:, :, 1:].reshape(tasks, -1, OBSERVATION_DIM),
        )

    def sample_contexts(
        self, tasks: IntArray, size: int, rng: np.random.Generator
    ) -> tuple[Steps, Array]:
        """Draw contexts of `size` steps and the goals they were made for.

        Each is drawn from the beginning of one group: what the robot has when it infers, the probe
        and what it has tried since, to the end of a trajectory or to the middle of one.

        Args:
            tasks: (M,), whose.
            size: steps a context.
            rng: source of randomness.

        Returns:
            Steps (M, size, ...), and goals (M, GOAL_DIM).
        """
        group = rng.integers(self._filled, size=len(tasks))
        horizon = self._actions.shape[3]
        whole = rng.random(len(tasks)) < _WHOLE
        share, most = rng.random(len(tasks)), self._lengths[group]
        length = horizon * np.where(whole, 1 + np.floor(share * most), 1 + share * (most - 1))
        step = (rng.random((len(tasks), size)) * length[:, None]).astype(np.int64)
        index = (tasks[:, None], group[:, None], step // horizon)
        inner = step % horizon
        steps = Steps(
            self._observations[(*index, inner)],
            self._actions[(*index, inner)],
            self._observations[(*index, inner + 1)],
        )
        return steps, self._goals[tasks, group]

    def sample_states(self, tasks: IntArray, size: int, rng: np.random.Generator) -> Array32:
        """Draw states (M, size, 12) that were acted in, from tasks (M,)."""
        rows = np.repeat(tasks[:, None], size, axis=1)
        return self._states(rows, rng.integers(self._filled, size=rows.shape), rng)

    def sample_states_near(
        self,
        relatives: IntArray,
        goals: Array,
        size: int,
        candidates: int,
        rng: np.random.Generator,
    ) -> Array32:
        """Draw states of trajectories whose goals are near other goals.

        Args:
            relatives: (M, R), tasks to draw from for each goal.
            goals: (M, GOAL_DIM).
            size: states a goal.
            candidates: trajectories drawn for each state, of which the one with the nearest goal
                is taken: 1 ignores goals.
            rng: source of randomness.

        Returns:
            (M, size, 12).
        """
        count = len(goals)
        shape = (count, size, candidates)
        rows = relatives[
            np.arange(count)[:, None, None], rng.integers(relatives.shape[1], size=shape)
        ]
        groups = rng.integers(self._filled, size=shape)
        gap = np.linalg.norm(self._goals[rows, groups] - goals[:, None, None], axis=-1)
        best = gap.argmin(axis=-1)[..., None]
        return self._states(
            np.take_along_axis(rows, best, -1)[..., 0],
            np.take_along_axis(groups, best, -1)[..., 0],
            rng,
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything, for a checkpoint."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        vars(self).update(state)

    @property
    def _newest(self) -> int:
        return (self._begun - 1) % len(self._lengths)

    @property
    def _filled(self) -> int:
        return min(self._begun, len(self._lengths))

    def _states(self, rows: IntArray, groups: IntArray, rng: np.random.Generator) -> Array32:
        trajectory = rng.integers(self._lengths[groups])
        step = rng.integers(self._actions.shape[3], size=rows.shape)
        states: Array32 = self._observations[rows, groups, trajectory, step]
        return states
