"""Wall clocks that are wrong, for the processes that are started with them."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from tests.support.preload import build_preload

__all__ = ["WallClock", "build_shim"]


def build_shim(folder: Path) -> Path | None:
    """Compile what is preloaded; None where there is no C compiler."""
    return build_preload(Path(__file__).with_suffix(".c"), folder)


class WallClock:
    """One wall clock, which may jump while processes go by it."""

    def __init__(self, shim: Path, file: Path, offset_s: float = 0.0) -> None:
        """Make one.

        Args:
            shim: What `build_shim` built.
            file: Where the offset is kept; made.
            offset_s: How far it is ahead of the true time, seconds.
        """
        self._shim = shim
        self._file = file
        file.write_bytes(struct.pack("d", offset_s))

    def set(self, offset_s: float) -> None:
        """Have it jump to so many seconds ahead of the true time."""
        with self._file.open("r+b", buffering=0) as file:
            file.write(struct.pack("d", offset_s))

    @contextlib.contextmanager
    def governs(self) -> Iterator[None]:
        """Processes that are started meanwhile go by it."""
        ours = {"LD_PRELOAD": str(self._shim), "WALL_CLOCK_OFFSET": str(self._file)}
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
