"""What every command line of the project shares: one line and exit code 2 for bad input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from damsel.errors import DamselError, InvalidConfigError

__all__ = ["EXIT_BAD_INPUT", "EXIT_INTERRUPTED", "OneLineParser", "run"]

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


class OneLineParser(argparse.ArgumentParser):
    """`argparse.ArgumentParser` whose errors are one line, through `run`."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and exiting.

        Raises:
            InvalidConfigError: Always.
        """
        raise InvalidConfigError(f"{message}; see {self.prog} --help")


def run(main: Callable[[], int | None], program: str | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        main: The command; its exit code, or None for 0.
        program: Its name in messages; by default that of the running script.

    Returns:
        What `main` returned; 2 after a `DamselError`, whose one line goes to stderr; 130 after an
        interrupt from the keyboard.
    """
    name = program if program is not None else Path(sys.argv[0]).name
    try:
        return main() or 0
    except DamselError as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
