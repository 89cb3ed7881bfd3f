"""Ctrl-C and SIGTERM, taken when they can be handled."""

from __future__ import annotations

import signal
from types import FrameType

__all__ = ["Interrupt", "RunInterruptedError"]


class RunInterruptedError(Exception):
    """Somebody pressed Ctrl-C or asked this process to end."""


class Interrupt:
    """Turns SIGINT and SIGTERM into `RunInterruptedError` at the next poll.

    Attributes:
        aftermath: What became of the arm.
    """

    def __init__(self) -> None:
        self.aftermath = "nothing was moving"
        self._asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def check(self) -> None:
        """Raise `RunInterruptedError` if a signal has come."""
        if self._asked:
            raise RunInterruptedError

    def _on_signal(self, _: int, __: FrameType | None) -> None:
        self._asked = True
