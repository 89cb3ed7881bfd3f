"""A slow move from one joint position to another, as a function of time."""

from __future__ import annotations

from typing import Sequence

from damsel_intera.errors import SettingError
from damsel_intera.limits import POSITION_HIGH, POSITION_LOW, VELOCITY

__all__ = ["SlowMove"]

# Of 10 u^3 - 15 u^4 + 6 u^5, which starts and ends at rest without a jolt.
_PEAK_SPEED = 1.875
_SHORTEST_S = 0.5


class SlowMove:
    """All joints start and end together; none is faster than its part of the limit.

    Attributes:
        target: (7,), radians, where it ends.
        duration_s: how long it takes, seconds.
    """

    def __init__(self, start: Sequence[float], target: Sequence[float], speed_ratio: float) -> None:
        for number, (value, low, high) in enumerate(zip(target, POSITION_LOW, POSITION_HIGH)):
            if not low <= value <= high:
                raise SettingError(f"right_j{number} to {value:.4f} rad; allowed: {low} to {high}")
        if not 0 < speed_ratio <= 1:
            raise SettingError(f"speed ratio {speed_ratio}; allowed: (0, 1]")
        self.target = tuple(target)
        self._start = tuple(start)
        self.duration_s = max(
            _SHORTEST_S,
            *(
                _PEAK_SPEED * abs(end - begin) / (speed_ratio * limit)
                for begin, end, limit in zip(start, target, VELOCITY)
            ),
        )

    def at(self, elapsed_s: float) -> tuple[float, ...]:
        """Where the joints shall be, (7,), radians, so long after the start."""
        part = min(1.0, max(0.0, elapsed_s / self.duration_s))
        share = part**3 * (10 + part * (6 * part - 15))
        return tuple(begin + share * (end - begin) for begin, end in zip(self._start, self.target))
