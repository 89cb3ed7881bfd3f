"""Wall clocks that are wrong, for the processes that are started with them."""

from __future__ import annotations

from pathlib import Path

from tests.support.dial import Dial
from tests.support.preload import build_preload

__all__ = ["build_wall_clock", "wall_clock"]


def build_wall_clock(folder: Path) -> Path | None:
    """Compile what is preloaded; None where there is no C compiler."""
    return build_preload(Path(__file__).with_suffix(".c"), folder)


def wall_clock(library: Path, file: Path, ahead_s: float = 0.0) -> Dial:
    """A clock so many seconds ahead of the true time, which may be made to jump."""
    return Dial(library, "WALL_CLOCK_OFFSET", file, ahead_s)
