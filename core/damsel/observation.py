"""What the robot sees and does: the observation layout and the record of one trajectory.

An observation is float64[12]: four positions in frame `base`, in metres. An action is
float64[3]: an end-effector displacement in frame `base` divided by the step size, so that each
coordinate lies in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from damsel.errors import InvalidTrajectoryError

__all__ = [
    "ACTION_DIM",
    "ACTION_LAYOUT",
    "BLOCK",
    "CONTEXT_LAYOUT",
    "DOOR_HANDLE",
    "DRAWER_HANDLE",
    "END_EFFECTOR",
    "OBJECTS",
    "OBSERVATION_DIM",
    "OBSERVATION_LAYOUT",
    "TRANSITION_DIM",
    "Trajectory",
    "transition",
]

END_EFFECTOR = slice(0, 3)
BLOCK = slice(3, 6)
DOOR_HANDLE = slice(6, 9)
DRAWER_HANDLE = slice(9, 12)

OBJECTS: Mapping[str, slice] = MappingProxyType(
    {"block": BLOCK, "door_handle": DOOR_HANDLE, "drawer_handle": DRAWER_HANDLE}
)
"""What is perceived, by name: where it is in an observation, behind the end effector."""

OBSERVATION_DIM = 3 * (1 + len(OBJECTS))
ACTION_DIM = 3
TRANSITION_DIM = 2 * OBSERVATION_DIM + ACTION_DIM + 1

OBSERVATION_LAYOUT: tuple[str, ...] = tuple(
    f"{point}.{axis}" for point in ("end_effector", *OBJECTS) for axis in "xyz"
)
"""Names of the observation's coordinates, each a position in frame `base` in metres."""

ACTION_LAYOUT: tuple[str, ...] = ("displacement.x", "displacement.y", "displacement.z")
"""Names of the action's coordinates, each a displacement in frame `base` in step sizes."""

CONTEXT_LAYOUT: tuple[str, ...] = (
    *OBSERVATION_LAYOUT,
    *ACTION_LAYOUT,
    "reward",
    *(f"next.{name}" for name in OBSERVATION_LAYOUT),
)
"""Names of the coordinates of one transition (s, a, r, s')."""

# An applied displacement is measured and divided by the step size; both round.
_ACTION_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One trajectory of T control steps, T at least 1.

    The arrays are copied on construction and cannot be written afterwards.

    Attributes:
        observations: (T+1, 12) float64, positions in frame `base`, metres.
        actions: (T, 3) float64 in [-1, 1], as applied by the safety layer, in step sizes.
        rewards: (T,) float64; `rewards[t]` belongs to `observations[t + 1]`.
    """

    observations: NDArray[np.float64]
    actions: NDArray[np.float64]
    rewards: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays.

        Raises:
            InvalidTrajectoryError: On a wrong shape, a value that is not finite, or an action
                outside [-1, 1].
        """
        for name in ("observations", "actions", "rewards"):
            object.__setattr__(self, name, _frozen_copy(name, getattr(self, name)))
        steps = self.rewards.shape[0] if self.rewards.ndim == 1 else 0
        if steps == 0:
            raise InvalidTrajectoryError(
                f"rewards of a trajectory have shape {self.rewards.shape}, not (T,) with T > 0"
            )
        _check_shape("observations", self.observations, (steps + 1, OBSERVATION_DIM))
        _check_shape("actions", self.actions, (steps, ACTION_DIM))
        largest = float(np.abs(self.actions).max())
        if largest > 1.0 + _ACTION_TOLERANCE:
            raise InvalidTrajectoryError(
                f"actions of a trajectory reach {largest:.6g}, outside [-1, 1]"
            )

    def __len__(self) -> int:
        """Return the number of control steps T."""
        return len(self.rewards)

    @property
    def transitions(self) -> NDArray[np.float64]:
        """Transitions [s, a, r, s'] in `CONTEXT_LAYOUT`, shape (T, 28)."""
        return np.concatenate(
            [self.observations[:-1], self.actions, self.rewards[:, None], self.observations[1:]],
            axis=1,
        )

    @property
    def total_return(self) -> float:
        """Sum of the rewards over the trajectory."""
        return float(self.rewards.sum())

    @property
    def average_return(self) -> float:
        """Mean reward over the steps, comparable between trajectories of different length."""
        return float(self.rewards.mean())

    @property
    def last_reward(self) -> float:
        """Reward of the last observation."""
        return float(self.rewards[-1])


def transition(
    observation: NDArray[np.float64],
    action: NDArray[np.float64],
    reward: float,
    next_observation: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return one transition (28,) in `CONTEXT_LAYOUT`.

    Args:
        observation: (12,), before the step, metres.
        action: (3,), as applied, in step sizes.
        reward: Of the next observation.
        next_observation: (12,).
    """
    return np.concatenate([observation, action, [reward], next_observation])


def _frozen_copy(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return a read-only float64 copy of finite values."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidTrajectoryError(
            f"{name} of a trajectory are not an array of numbers"
        ) from None
    if not np.isfinite(array).all():
        raise InvalidTrajectoryError(f"{name} of a trajectory are not finite")
    array.setflags(write=False)
    return array


def _check_shape(name: str, array: NDArray[np.float64], expected: tuple[int, ...]) -> None:
    if array.shape != expected:
        raise InvalidTrajectoryError(
            f"{name} of a trajectory have shape {array.shape}, not {expected}"
        )
