"""The server's log: one line an event, with the time, and no flood."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import TextIO

__all__ = ["Logbook"]

_QUIET_S = 1.0
_MOST_LINES = 1000
_PATIENCE_S = 1.0


class Logbook:
    """Writes lines to a stream, from a thread of its own.

    A terminal that is stopped, or a pipe that nobody reads, must not stop the loop that holds the
    arm: what it does not take is left out.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: dict[str, tuple[float, int]] = {}
        self._lines: queue.Queue[str | None] = queue.Queue(_MOST_LINES)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def note(self, text: str) -> None:
        """Write a line."""
        stamp = time.strftime("%H:%M:%S")
        self._put(f"{stamp} damsel_intera: {' '.join(text.split())}")

    def close(self) -> None:
        """Write what is left, if the stream takes it within a second."""
        self._put(None)
        self._thread.join(_PATIENCE_S)

    def _put(self, line: str | None) -> None:
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(line)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            with contextlib.suppress(OSError, ValueError):  # nobody there any more, or closed
                print(line, file=self._stream, flush=True)

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
