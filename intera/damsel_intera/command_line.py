"""What the command lines of this package share; `damsel.cli` is not where the server runs."""

from __future__ import annotations

import argparse
from typing import NoReturn

__all__ = ["OneLineParser", "priority"]

_HIGHEST_PRIORITY = 99


class OneLineParser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with 2."""
        self.exit(2, f"{self.prog}: error: {message}; see --help\n")


def priority(text: str) -> int:
    """A real-time priority, or 0 for none.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    if not (text.isascii() and text.isdigit() and int(text) <= _HIGHEST_PRIORITY):
        raise argparse.ArgumentTypeError(f"{text[:40]!r}; allowed: 0 to {_HIGHEST_PRIORITY}")
    return int(text)
