"""Meta-World's own virtual environment: its MuJoCo is another one than ours."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

from benchmarks.machine import REPOSITORY
from benchmarks.simulation.worker_process import plain_environment
from damsel.errors import DamselError

__all__ = ["metaworld_python"]

_FOLDER = REPOSITORY / ".venv-metaworld"
_REQUIREMENTS = Path(__file__).with_name("metaworld-requirements.txt")


def metaworld_python() -> Path:
    """Interpreter of an environment with Meta-World, which is made if it is not there.

    Raises:
        DamselError: If it cannot be installed.
    """
    python = _FOLDER / "bin" / "python"
    wanted = _REQUIREMENTS.read_text(encoding="utf-8")
    stamp = _FOLDER / "installed.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print("  installing Meta-World into .venv-metaworld ...", flush=True)
    venv.create(_FOLDER, clear=True, with_pip=True, symlinks=True)
    (_FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
    pip = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--requirement", _REQUIREMENTS],
        env=plain_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if pip.returncode:
        last = (pip.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise DamselError(f"Meta-World cannot be installed: {last}")
    stamp.write_text(wanted, encoding="utf-8")
    return python
