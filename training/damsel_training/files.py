"""Files that are whole or not there: what a killed run or a full disk may leave behind."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from damsel_training.errors import StorageError

__all__ = ["archive_fault", "written_whole"]


@contextmanager
def written_whole(path: Path, previous: Path | None = None) -> Iterator[BinaryIO]:
    """Write all of a file or nothing; what was there before stays until the new one is complete.

    Args:
        path: of the file; it is written beside it, under the suffix `.partial`.
        previous: where the file that was there is kept.

    Raises:
        StorageError: it cannot be written, such as when the disk is full.
    """
    staged = path.with_name(f"{path.name}.partial")
    try:
        with staged.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if previous is not None and path.exists():
            path.replace(previous)
        staged.replace(path)
    except BaseException as error:
        staged.unlink(missing_ok=True)
        # torch wraps the system's error in one of its own.
        for cause in (error, error.__context__):
            if isinstance(cause, OSError):
                raise StorageError.of(path, cause) from None
        raise


def archive_fault(path: Path) -> str:
    """What is wrong with a `.zip`, `.npz` or `.pt` file by its own checksums; empty if nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (
        OSError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        struct.error,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        return str(error) or type(error).__name__
    return f"wrong checksum of {broken}" if broken else ""
