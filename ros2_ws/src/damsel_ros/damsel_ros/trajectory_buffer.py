"""Puts a trajectory together from observations, applied displacements and rewards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from damsel.observation import Trajectory, transition

__all__ = ["TrajectoryBuffer"]

Array = NDArray[np.float64]


class TrajectoryBuffer:
    """What has arrived of one trajectory; topics may run ahead of one another.

    Attributes:
        trajectory: Id of the trajectory.
    """

    def __init__(self, trajectory: int) -> None:
        self.trajectory = trajectory
        self._observations: list[Array] = []
        self._actions: list[Array] = []
        self._rewards: list[float] = []

    @property
    def observations(self) -> int:
        """Observations that arrived, in order from step 0."""
        return len(self._observations)

    @property
    def rewards(self) -> list[float]:
        """Rewards that arrived of steps 1, 2, ..."""
        return self._rewards

    @property
    def complete_steps(self) -> int:
        """Control steps of which everything has arrived."""
        return min(len(self._actions), len(self._rewards), max(len(self._observations) - 1, 0))

    def add_observation(self, step: int, observation: Array) -> bool:
        """Add the observation (12,) of a step; return whether it was the next one."""
        expected = step == len(self._observations)
        if expected:
            self._observations.append(observation)
        return expected

    def add_action(self, step: int, action: Array) -> bool:
        """Add the action (3,) applied in a step; return whether it was the next one."""
        expected = step == len(self._actions)
        if expected:
            self._actions.append(action)
        return expected

    def add_reward(self, step: int, value: float) -> bool:
        """Add the reward of the observation of a step; return whether it was the next one.

        The observation of step 0 is nobody's doing; its reward belongs to no transition.
        """
        expected = step == len(self._rewards) + 1
        if expected:
            self._rewards.append(value)
        return expected

    def observation(self, step: int) -> Array:
        """Return the observation (12,) of a step that has arrived."""
        return self._observations[step]

    def transition(self, step: int) -> Array:
        """Return the transition (28,) of a complete step."""
        return transition(
            self._observations[step],
            self._actions[step],
            self._rewards[step],
            self._observations[step + 1],
        )

    def build(self, steps: int) -> Trajectory:
        """Return the trajectory of the first `steps` control steps.

        Raises:
            InvalidTrajectoryError: If a value is not finite.
        """
        return Trajectory(
            observations=np.stack(self._observations[: steps + 1]),
            actions=np.stack(self._actions[:steps]),
            rewards=np.array(self._rewards[:steps]),
        )
