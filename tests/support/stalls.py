"""Whether this machine stood still: nothing that keeps time to 0.1 s can be tested meanwhile."""

from __future__ import annotations

import threading
import time

__all__ = ["StallWatch"]

_PERIOD_S = 0.01


class StallWatch:
    """A thread that wakes up a hundred times a second and takes note of when it did not."""

    def __init__(self, limit_s: float) -> None:
        """Begin to watch.

        Args:
            limit_s: how late it must wake up for that to be a stall.
        """
        self.limit_s = limit_s
        self.longest_s = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def restart(self) -> None:
        """Forget what was."""
        self.longest_s = 0.0

    def stood_still(self) -> bool:
        """Whether there was a stall since the last `restart`."""
        return self.longest_s > self.limit_s

    def _watch(self) -> None:
        before_s = time.monotonic()
        while True:
            time.sleep(_PERIOD_S)
            now_s = time.monotonic()
            self.longest_s = max(self.longest_s, now_s - before_s - _PERIOD_S)
            before_s = now_s
