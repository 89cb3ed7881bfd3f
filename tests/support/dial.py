"""A number that processes which were started with it go by, and that may be turned as they run."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Dial"]


class Dial:
    """What a preloaded library reads at every call."""

    def __init__(self, library: Path, variable: str, file: Path, value: float = 0.0) -> None:
        """Make one.

        Args:
            library: What `build_preload` built.
            variable: Environment variable that names the file to the library.
            file: Where the number is kept; made.
            value: What it is at first.
        """
        self._library = str(library)
        self._variable = variable
        self._file = file
        file.write_bytes(struct.pack("d", value))

    def set(self, value: float) -> None:
        """Turn it."""
        with self._file.open("r+b", buffering=0) as file:
            file.write(struct.pack("d", value))

    @contextlib.contextmanager
    def governs(self) -> Iterator[None]:
        """Processes that are started meanwhile go by it."""
        others = os.environ.get("LD_PRELOAD", "").split()
        ours = {
            "LD_PRELOAD": " ".join([*others, self._library]),
            self._variable: str(self._file),
        }
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
