"""Standard streams of a command that are closed, or whose reader goes away."""

from __future__ import annotations

import os
import sys

__all__ = ["end_output", "open_missing_streams"]


def open_missing_streams() -> None:
    """Open stdin, stdout and stderr on the null device where they are closed.

    Otherwise the next file or socket gets their number, and what others print.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Not by its number: what a library has opened in its place may not be for writing.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def end_output() -> None:
    """Write what stdout still holds, and drop it if nobody reads it any more.

    Python would try once more at its end, and complain at length.
    """
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
