"""Options that several of `damsel-train`'s commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["PRESET_NAMES", "add_physics_option", "add_run_options", "natural"]

PRESET_NAMES = ("quick", "smoke")


def natural(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a whole number from 0")
    return int(text)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """The options that name a run: `--preset`, `--run` and `--seed`."""
    parser.add_argument(
        "--preset", choices=PRESET_NAMES, default="quick", help="configuration (%(default)s)"
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder (runs/PRESET); resumed")
    parser.add_argument("--seed", type=natural, default=0, help="of every stage (%(default)s)")


def add_physics_option(parser: argparse.ArgumentParser) -> None:
    """The option `--physics`: an arm that was fitted to a recording."""
    parser.add_argument(
        "--physics",
        type=Path,
        metavar="FILE",
        help="simulate the arm that damsel-fit wrote to this file (the nominal arm)",
    )
