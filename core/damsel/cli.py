"""What every command line of the project shares: one line and exit code 2 for bad input."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from damsel.errors import DamselError, InvalidConfigError

__all__ = ["EXIT_BAD_INPUT", "EXIT_INTERRUPTED", "EXIT_UNREAD", "OneLineParser", "run"]

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_UNREAD = 141

_NEGATIVE = re.compile(r"-\.?[0-9]")
_LONG_OPTION = re.compile(r"--[a-z][a-z-]*")


class OneLineParser(argparse.ArgumentParser):
    """`argparse.ArgumentParser` whose errors are one line, through `run`."""

    def parse_known_args(  # `parse_args` and subcommands come through here too
        self, args: Iterable[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse, taking what begins like a negative number for a value and never for an option.

        `argparse` alone takes `-0.1,0.2` in `--goal -0.1,0.2` for an unknown option.
        """
        given = sys.argv[1:] if args is None else args
        return super().parse_known_args(_with_values_joined(given), namespace)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and exiting.

        Raises:
            InvalidConfigError: Always.
        """
        raise InvalidConfigError(f"{message}; see {self.prog} --help")


def _with_values_joined(args: Iterable[str]) -> list[str]:
    """Turn `--option -1` into `--option=-1`."""
    joined: list[str] = []
    for argument in args:
        last = joined[-1] if joined else ""
        if _NEGATIVE.match(argument) and _LONG_OPTION.fullmatch(last):
            joined[-1] = f"{last}={argument}"
        else:
            joined.append(argument)
    return joined


def _check_working_directory() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise InvalidConfigError(
            f"the working directory cannot be used: {error.strerror}"
        ) from None


def run(main: Callable[[], int | None], program: str | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        main: The command; its exit code, or None for 0.
        program: Its name in messages; by default that of the running script.

    Returns:
        What `main` returned; 2 after a `DamselError`, whose one line goes to stderr; 130 after an
        interrupt from the keyboard; 141 once nobody reads the output, such as `head` that has
        seen enough.
    """
    name = program if program is not None else Path(sys.argv[0]).name
    try:
        _check_working_directory()
        code = main() or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # What is still to be written at exit must go somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_UNREAD
    except DamselError as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
