"""The watchdog next to the robot, and the gauge for how far a target may jump.

Both are told the time by their caller, in seconds of a monotonic clock.
"""

from __future__ import annotations

import math
from typing import Sequence

from damsel_intera.errors import SettingError
from damsel_intera.limits import POSITION_HIGH, POSITION_LOW, VELOCITY
from damsel_intera.reasons import Refusal

__all__ = ["TargetGauge", "Watchdog"]

_CLOCK_TOLERANCE = 1.05  # a controller at full speed whose clock runs a little faster than ours


class Watchdog:
    """Says when whatever feeds it has gone silent."""

    def __init__(self, timeout_s: float) -> None:
        if not 0 < timeout_s <= 1:
            raise SettingError(f"a watchdog of {timeout_s} s; allowed: above 0, at most 1")
        self.timeout_s = timeout_s
        self._deadline_s: float | None = None

    @property
    def deadline_s(self) -> float | None:
        """When it will bite, or None while it is not running."""
        return self._deadline_s

    def feed(self, now_s: float, patience_s: float | None = None) -> None:
        """Start the time anew.

        Args:
            now_s: now.
            patience_s: the time until it bites, `timeout_s` by default.
        """
        self._deadline_s = now_s + (self.timeout_s if patience_s is None else patience_s)

    def stop(self) -> None:
        """Nothing to watch."""
        self._deadline_s = None

    def has_bitten(self, now_s: float) -> bool:
        """Whether it is running and was not fed in time."""
        return self._deadline_s is not None and now_s >= self._deadline_s


class TargetGauge:
    """Refuses targets that the joints could not follow.

    Each joint has an allowance of way that fills at its velocity limit, up to what it could move
    in `slack_s`, and that every accepted target uses up. So the targets may come in bursts or with
    gaps, but never run faster than the joints for longer than that.
    """

    def __init__(self, slack_s: float) -> None:
        if not 0 < slack_s <= 0.2:
            raise SettingError(f"a slack of {slack_s} s for targets; allowed: above 0, at most 0.2")
        self._slack_s = slack_s
        self._last: Sequence[float] = ()
        self._allowance: list[float] = []
        self._filled_s = 0.0

    def start(self, joint_positions: Sequence[float], now_s: float) -> None:
        """Measure from here: where the arm is, (7,), radians."""
        self._last = tuple(joint_positions)
        self._allowance = [limit * self._slack_s for limit in VELOCITY]
        self._filled_s = now_s

    def judge(self, targets: Sequence[float], now_s: float) -> Refusal:
        """NONE, and the targets count as accepted; or why they must not be sent on."""
        if not all(map(math.isfinite, targets)):
            return Refusal.NOT_FINITE
        # A joint that stands beyond its limit may come back.
        for target, last, low, high in zip(targets, self._last, POSITION_LOW, POSITION_HIGH):
            if not min(low, last) <= target <= max(high, last):
                return Refusal.JOINT_LIMIT
        elapsed_s = max(0.0, now_s - self._filled_s)
        allowance = [
            min(limit * self._slack_s, left + limit * elapsed_s * _CLOCK_TOLERANCE)
            - abs(target - last)
            for target, last, left, limit in zip(targets, self._last, self._allowance, VELOCITY)
        ]
        if min(allowance) < 0:
            return Refusal.JUMP
        self._allowance, self._last, self._filled_s = allowance, tuple(targets), now_s
        return Refusal.NONE
