"""The server's log: one line an event, with the time, and no flood."""

from __future__ import annotations

import time
from typing import TextIO

__all__ = ["Logbook"]

_QUIET_S = 1.0


class Logbook:
    """Writes lines to a stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: dict[str, tuple[float, int]] = {}

    def note(self, text: str) -> None:
        """Write a line."""
        stamp = time.strftime("%H:%M:%S")
        print(f"{stamp} damsel_intera: {' '.join(text.split())}", file=self._stream, flush=True)

    def rarely(self, kind: str, text: str) -> None:
        """Write a line unless one of its kind was written within the last second.

        Args:
            kind: what to count together.
            text: the line; the number of lines that were left out is added.
        """
        now_s = time.monotonic()
        last_s, left_out = self._last.get(kind, (float("-inf"), 0))
        if now_s - last_s < _QUIET_S:
            self._last[kind] = (last_s, left_out + 1)
            return
        self._last[kind] = (now_s, 0)
        self.note(f"{text} (and {left_out} more like this)" if left_out else text)
