"""Text files that are whole or not there, whatever ends the program that writes them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: str | Path, text: str) -> None:
    """Write all of a regular file or nothing; what was there stays until the new one is complete.

    Args:
        path: The file, or a symbolic link to it. A device or a pipe is written into.
        text: What it shall hold.

    Raises:
        OSError: If it cannot be written.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        target.write_text(text, encoding="utf-8")
        return
    target = target.resolve()
    # The temporary folder keeps the new file's permissions those of any file written here.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as staging:
        staged = Path(staging, target.name)
        with staged.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(target)
