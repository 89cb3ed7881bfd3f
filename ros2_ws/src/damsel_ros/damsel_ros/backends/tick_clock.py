"""A steady beat with absolute deadlines, and how well it is kept."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np

__all__ = ["TickClock"]

_KEPT = 6000  # one minute at 100 Hz


class TickClock:
    """Says when the next tick is due. A late tick does not shift the ones after it.

    Attributes:
        missed: Ticks that were left out because their time had passed altogether.
    """

    def __init__(
        self,
        period_s: float,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Make a clock whose first tick is due now.

        Args:
            period_s: Time between ticks.
            now: Reads a monotonic clock, seconds.
            sleep: Waits for some seconds.
        """
        self._period_s = period_s
        self._now = now
        self._sleep = sleep
        self._due_s = now()
        self._lateness_s: deque[float] = deque(maxlen=_KEPT)
        self.missed = 0

    def wait(self) -> float:
        """Wait for the next tick and return the time."""
        left_s = self._due_s - self._now()
        if left_s > 0:
            self._sleep(left_s)
        now_s = self._now()
        if now_s - self._due_s > self._period_s:
            # Ticks are not made up for: two commands at once would be a jump.
            behind = int((now_s - self._due_s) / self._period_s)
            self.missed += behind
            self._due_s += behind * self._period_s
        self._due_s += self._period_s
        return now_s

    def restart(self) -> None:
        """Begin the beat anew, after a pause that was meant."""
        self._due_s = self._now()

    def sent(self) -> float:
        """Note that this tick's command has left now; return how late that is, seconds."""
        late_s = self._now() - (self._due_s - self._period_s)
        self._lateness_s.append(late_s)
        return late_s

    def jitter_s(self) -> tuple[float, float, float, float]:
        """How long after their tick commands left: median, 99th and 99.9th percentile, largest."""
        if not self._lateness_s:
            return 0.0, 0.0, 0.0, 0.0
        late = np.array(tuple(self._lateness_s))
        median, p99, p999 = np.quantile(late, (0.5, 0.99, 0.999)).tolist()
        return median, p99, p999, float(late.max())
