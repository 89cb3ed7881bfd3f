"""Ctrl-C, Ctrl-Z, SIGTERM and the loss of the terminal, taken when they can be handled."""

from __future__ import annotations

import signal
from types import FrameType

__all__ = ["Interrupt", "RunInterruptedError"]


class RunInterruptedError(Exception):
    """Somebody pressed Ctrl-C or Ctrl-Z, closed the terminal or asked this process to end."""


class Interrupt:
    """Turns SIGINT, SIGTSTP, SIGTERM and SIGHUP into `RunInterruptedError` at the next poll.

    Ctrl-Z, too, ends a run: a command that stood still could no longer stop an arm that moves on.

    Attributes:
        aftermath: What became of the arm.
    """

    def __init__(self) -> None:
        self.aftermath = "this command had moved nothing"
        self._asked = False
        for number in (signal.SIGINT, signal.SIGTSTP, signal.SIGTERM, signal.SIGHUP):
            # `nohup` has a command ignore that its terminal is closed.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def check(self) -> None:
        """Raise `RunInterruptedError` if a signal has come."""
        if self._asked:
            raise RunInterruptedError

    def _on_signal(self, _: int, __: FrameType | None) -> None:
        self._asked = True
