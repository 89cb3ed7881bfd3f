"""The benchmark's end of a worker."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.machine import REPOSITORY
from benchmarks.simulation.case import Turn
from damsel.errors import DamselError

__all__ = ["Worker", "plain_environment"]

# One core means one thread, whatever the linear algebra would like to have.
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1"
)


def plain_environment() -> dict[str, str]:
    """Environment variables without what ROS 2 has added to them."""
    paths = ("PYTHONPATH", "LD_LIBRARY_PATH", "AMENT_PREFIX_PATH", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in paths} | _ONE_THREAD


class Worker:
    """A process with one case; a context manager that ends it.

    Attributes:
        name: of the case.
        rows: environments at once.
        step_s: simulated time of one environment step, seconds.
        substeps: physics steps in one environment step.
        versions: of the libraries that do the work, by name.
    """

    def __init__(self, name: str, python: Path, core: int) -> None:
        """Start the worker and wait until it is ready.

        Args:
            name: of the case, see `benchmarks.simulation.worker`.
            python: interpreter.
            core: the core that it may run on.

        Raises:
            DamselError: If it does not start.
        """
        self.name = name
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.simulation.worker", name, str(core)],
            cwd=REPOSITORY,
            env=plain_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        about = self._hear()
        self.rows: int = about["rows"]
        self.step_s: float = about["step_s"]
        self.substeps: int = about["substeps"]
        self.versions: dict[str, str] = about["versions"]

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def take_turn(self, at_least_s: float) -> Turn:
        """Let the case simulate for so many seconds of processor time.

        Raises:
            DamselError: If the worker has died.
        """
        assert self._process.stdin is not None, "asked for above"
        self._process.stdin.write(f"{at_least_s}\n")
        self._process.stdin.flush()
        return Turn(**self._hear())

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None, "asked for above"
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            raise DamselError(f"the worker of case {self.name} ended with exit code {code}")
        message: dict[str, Any] = json.loads(line)
        return message
