"""Small libraries in C that change what a process is told by its system; preloaded by tests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

__all__ = ["build_preload"]


def build_preload(source: Path, folder: Path) -> Path | None:
    """Compile a library into a folder; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    library = folder / source.with_suffix(".so").name
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-lm", "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return library
