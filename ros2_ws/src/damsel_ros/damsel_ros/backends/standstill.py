"""Whether this process stood still a moment ago, as when it was stopped or its machine swapped.

What somebody asked for before a standstill is not done after it: nobody expects the arm to move by
then, and hands may be there.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

__all__ = ["Standstill"]

_ALLOWED_S = 0.5
# For so long requests may come in that waited meanwhile.
_AFTERMATH_S = 0.5


def _boot_time_s() -> float:
    """A monotonic clock that goes on while the computer is suspended, seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Standstill:
    """Notices a standstill by a beat that does not come; for use from any thread.

    The beat must come from the thread that takes requests, and from nothing that ever waits.
    """

    def __init__(self, *, now: Callable[[], float] = _boot_time_s) -> None:
        """Make one that nothing has been heard of yet, which is no standstill.

        Args:
            now: Reads a monotonic clock, seconds.
        """
        self._now = now
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Begin anew with the next beat, after a wait that was meant."""
        with self._lock:
            self._beat_s = math.inf
            self._ended_s, self._lasted_s = -math.inf, 0.0

    def beat(self) -> None:
        """Say that this process is alive; many times in half a second."""
        with self._lock:
            now_s = self._now()
            if now_s - self._beat_s > _ALLOWED_S:
                self._ended_s, self._lasted_s = now_s, now_s - self._beat_s
            self._beat_s = now_s

    def problem(self) -> str:
        """Why nothing may be begun now that was asked for before, in one line; empty if it may."""
        with self._lock:
            now_s = self._now()
            lasted_s = now_s - self._beat_s
            if now_s - self._ended_s <= _AFTERMATH_S:
                lasted_s = max(lasted_s, self._lasted_s)
        if lasted_s <= _ALLOWED_S:
            return ""
        return (
            f"the robot node stood still for {lasted_s:.1f} s; allowed: {_ALLOWED_S} s; ask again"
        )
