"""Who looks after a physical arm: somebody at a terminal, or a stand-in at a rehearsal."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from typing import Protocol, TextIO

__all__ = ["Person", "StandIn", "TerminalPerson"]

_CONFIRM = "/damsel/robot/confirm_reset"


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
    """Somebody at the terminal, who agrees by Enter alone; without one nobody ever agrees."""

    def __init__(self, tell: Callable[[str], None], stdin: TextIO | None = None) -> None:
        """Make one.

        Args:
            tell: Writes a line.
            stdin: Where Enter is pressed; the process's own by default.
        """
        # A process may have been started without any input at all.
        self._stdin: TextIO | None = sys.stdin if stdin is None else stdin
        self._tell = tell
        self._question = ""
        self._asked = False
        self._begun = b""
        self._present = self._stdin is not None and self._stdin.isatty()

    @property
    def present(self) -> bool:
        """Whether there is a terminal; not any more once it has ended."""
        return self._present

    def ask(self, text: str) -> None:
        """Write the question; what was typed before it does not count."""
        self._question, self._asked = text, True
        while self._typed():
            self._read()
        self._begun = b""
        how = "press Enter" if self._present else f"no terminal here: call service {_CONFIRM}"
        self.tell(f"{text} [{how}]")

    def tell(self, text: str) -> None:
        """Write a line."""
        self._tell(text)

    def has_agreed(self) -> bool:
        """Return whether Enter was pressed, and nothing else typed."""
        if not self._asked or not self._typed():
            return False
        line = self._read()
        if line is None:
            return False
        if line.strip():
            self.tell("this is not taken for a yes; allowed: Enter alone, or Ctrl-C to end")
            self.ask(self._question)
            return False
        self._asked = False
        return True

    def _typed(self) -> bool:
        if self._stdin is None or not self._present:
            return False
        return bool(select.select([self._stdin], [], [], 0.0)[0])

    def _read(self) -> str | None:
        """What was typed up to Enter; None before that, and at the end of the terminal.

        Not `readline`, which waits for an Enter that may never come after Ctrl-D.
        """
        assert self._stdin is not None, "something was typed"
        try:
            typed = os.read(self._stdin.fileno(), 4096)
        except OSError:
            typed = b""
        if not typed:
            self._present = False
            self.tell(f"the terminal has ended: call service {_CONFIRM} instead")
            return None
        lines, enter, begun = (self._begun + typed).rpartition(b"\n")
        self._begun = begun
        return lines.decode(errors="replace") if enter else None


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
