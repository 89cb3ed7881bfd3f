"""Who looks after a physical arm: somebody at a terminal, or a stand-in at a rehearsal."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable
from typing import Protocol, TextIO

__all__ = ["Person", "StandIn", "TerminalPerson"]


class Person(Protocol):
    """Somebody who can be asked to do something and says when it is done. Nothing here waits."""

    @property
    def present(self) -> bool:
        """Whether anybody is there to agree; else it must be done through the services."""
        ...

    def ask(self, text: str) -> None:
        """Ask for something, in one line."""
        ...

    def tell(self, text: str) -> None:
        """Say something that needs no answer."""
        ...

    def has_agreed(self) -> bool:
        """Return whether what was asked for is done; true once for every question."""
        ...


class TerminalPerson:
    """Somebody at the terminal, who presses Enter. Without a terminal nobody ever agrees."""

    def __init__(self, tell: Callable[[str], None], stdin: TextIO | None = None) -> None:
        """Make one.

        Args:
            tell: Writes a line.
            stdin: Where Enter is pressed; the process's own by default.
        """
        stdin = sys.stdin if stdin is None else stdin
        self._stdin = stdin
        self._tell = tell
        self._present = stdin.isatty()

    @property
    def present(self) -> bool:
        """Whether there is a terminal."""
        return self._present

    def ask(self, text: str) -> None:
        """Write the question; what was typed before it does not count."""
        while self._typed():
            self._stdin.readline()
        how = "press Enter" if self._present else "no terminal here: call the robot node's service"
        self.tell(f"{text} [{how}]")

    def tell(self, text: str) -> None:
        """Write a line."""
        self._tell(text)

    def has_agreed(self) -> bool:
        """Return whether Enter was pressed."""
        return self._typed() and self._stdin.readline() != ""

    def _typed(self) -> bool:
        return self._present and bool(select.select([self._stdin], [], [], 0.0)[0])


class StandIn:
    """Does at once what is asked for, and agrees."""

    def __init__(self, do: Callable[[], None], tell: Callable[[str], None]) -> None:
        """Make one.

        Args:
            do: Does whatever is asked for, such as putting virtual objects back.
            tell: Takes what is said.
        """
        self._do = do
        self._tell = tell
        self._asked = False

    @property
    def present(self) -> bool:
        """Return True: it is always there."""
        return True

    def ask(self, text: str) -> None:
        """Do it."""
        self._tell(f"{text} [done by the rehearsal]")
        self._do()
        self._asked = True

    def tell(self, text: str) -> None:
        """Pass it on."""
        self._tell(text)

    def has_agreed(self) -> bool:
        """Agree once."""
        asked, self._asked = self._asked, False
        return asked
