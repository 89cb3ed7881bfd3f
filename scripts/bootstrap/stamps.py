"""What has been set up, from which inputs: a step is repeated only when an input has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

__all__ = ["Stamps", "digest_of_files", "digest_of_text"]

_IGNORED_FOLDERS = {"__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache"}


class Stamps:
    """Digests of the inputs of each finished step, kept in a JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            read = {}
        self._digests: dict[str, str] = read if isinstance(read, dict) else {}

    def is_current(self, step: str, digest: str) -> bool:
        """Whether a step was finished with these inputs."""
        return self._digests.get(step) == digest

    def set(self, step: str, digest: str) -> None:
        """Record that a step was finished."""
        self._digests[step] = digest
        self._write()

    def forget(self, step: str) -> None:
        """Record that a step is no longer as it was left."""
        if self._digests.pop(step, None) is not None:
            self._write()

    def _write(self) -> None:
        self._path.write_text(json.dumps(self._digests, indent=1) + "\n", encoding="utf-8")


def digest_of_text(*texts: str) -> str:
    """Return one digest of several texts."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def digest_of_files(paths: Iterable[Path]) -> str:
    """Return one digest of the names and contents of files and of all files below folders.

    Links to folders are followed; caches are left out; a missing path counts as such.
    """
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(_files_below(path)):
            digest.update(f"{file}\0".encode())
            digest.update(file.read_bytes())
            digest.update(b"\0")
        digest.update(b"\0")
    return digest.hexdigest()


def _files_below(path: Path) -> Iterable[Path]:
    if path.is_file():
        yield path
    elif path.is_dir() and path.name not in _IGNORED_FOLDERS:
        for child in path.iterdir():
            yield from _files_below(child)
