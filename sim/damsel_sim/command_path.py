"""What happens to joint targets between whoever sends them and the joints' servos.

Targets are late by a delay, and the arm's own controller approaches them smoothly within its
limits of speed and acceleration. An arm without either takes them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from damsel.kinematics import NUM_JOINTS, SAWYER
from damsel_sim.arm_parameters import ArmParameters

__all__ = ["CommandPath", "approach"]

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def approach(
    way: Array,
    velocity: Array,
    *,
    smoothing_s: Array | float,
    period_s: float,
    velocity_limit: Array = SAWYER.velocity_limit,
    acceleration_limit: Array = SAWYER.acceleration_limit,
) -> Array:
    """Velocity (..., 7), rad/s, of the next period of a set point that approaches a target.

    Args:
        way: (..., 7), radians, from the set point to the target.
        velocity: (..., 7), radians per second, of the period before.
        smoothing_s: time constant, (..., 1) or one for all, seconds.
        period_s: duration of a period.
        velocity_limit: (7,), radians per second.
        acceleration_limit: (7,), radians per second squared.
    """
    # Never faster than what can still be braked before the target.
    fastest = np.minimum(velocity_limit, np.sqrt(2 * acceleration_limit * np.abs(way)))
    wanted = np.clip(way / smoothing_s, -fastest, fastest)
    change = acceleration_limit * period_s
    following: Array = velocity + np.clip(wanted - velocity, -change, change)
    return following


class CommandPath:
    """Delays and smooths the targets of `rows` arms, in turn those of `arms`."""

    def __init__(self, arms: Sequence[ArmParameters], rows: int, tick_period_s: float) -> None:
        own = [arms[row % len(arms)] for row in range(rows)]
        late = np.array([max(arm.delay_s, 0.0) for arm in own]) / tick_period_s
        self._ticks = np.floor(late).astype(int)
        self._part = (late - self._ticks)[:, None, None]
        smoothing_s = np.array([arm.smoothing_s for arm in own])
        # A set point that is nearer than a tick would overshoot.
        self._smoothing_s = np.maximum(smoothing_s, tick_period_s)[:, None]
        self._smooth = smoothing_s > 0
        self._period_s = tick_period_s
        self.is_direct = not self._smooth.any() and not late.any()
        self._sent = np.zeros((rows, int(self._ticks.max()) + 1, NUM_JOINTS))
        self._position = np.zeros((rows, NUM_JOINTS))
        self._velocity = np.zeros((rows, NUM_JOINTS))

    def reset(self, positions: Array, rows: BoolArray | None = None) -> None:
        """Forget earlier targets: the arms are told to be at (n, 7) radians, and are at rest."""
        chosen: BoolArray = np.ones(len(self._position), np.bool_) if rows is None else rows
        self._sent[chosen] = positions[chosen, None]
        self._position[chosen] = positions[chosen]
        self._velocity[chosen] = 0.0

    def follow(self, targets: Array) -> tuple[Array, Array, Array]:
        """What the servos are told in the next ticks.

        Args:
            targets: (n, ticks, 7), radians, to be reached at the end of each tick.

        Returns:
            Positions (n, ticks, 7) in radians at the end of each tick, velocities (n, ticks, 7)
            throughout it, and the velocity (n, 7) before the first.
        """
        before = self._velocity
        known = np.concatenate([self._sent, targets], axis=1)
        late = self._delayed(known, targets.shape[1])
        self._sent = known[:, known.shape[1] - self._sent.shape[1] :]
        if self._smooth.any():
            late = np.where(self._smooth[:, None, None], self._smoothed(late), late)
        starts = np.concatenate([self._position[:, None], late[:, :-1]], axis=1)
        velocities = (late - starts) / self._period_s
        self._position, self._velocity = late[:, -1], velocities[:, -1]
        return late, velocities, before

    def _delayed(self, known: Array, count: int) -> Array:
        """Between two ticks, targets move evenly from one to the next."""
        newer = np.arange(count)[None] + known.shape[1] - count - self._ticks[:, None]
        rows = np.arange(len(known))[:, None]
        late: Array = (1 - self._part) * known[rows, newer] + self._part * known[rows, newer - 1]
        return late

    def _smoothed(self, targets: Array) -> Array:
        smoothed = np.empty_like(targets)
        position, velocity = self._position, self._velocity
        for tick in range(targets.shape[1]):
            velocity = approach(
                targets[:, tick] - position,
                velocity,
                smoothing_s=self._smoothing_s,
                period_s=self._period_s,
            )
            position = position + velocity * self._period_s
            smoothed[:, tick] = position
        return smoothed
