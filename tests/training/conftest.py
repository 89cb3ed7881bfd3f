"""One run of the smoke preset for every test that looks at one; those that change it copy it."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest


class SmokeRun(NamedTuple):
    """A finished run of the smoke preset, baselines included.

    Attributes:
        folder: of the run.
        printed: what the commands wrote to standard output.
    """

    folder: Path
    printed: str

    @property
    def options(self) -> list[str]:
        """The options that name it."""
        return ["--preset", "smoke", "--run", str(self.folder)]


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> SmokeRun:
    """From the experts to an evaluated bundle, and both learning baselines."""
    from damsel_training.cli import main

    printed = io.StringIO()
    run = tmp_path_factory.mktemp("smoke") / "run"
    with redirect_stdout(printed):
        for command in ("all", "gmps", "pearl"):
            assert main([command, "--preset", "smoke", "--run", str(run)]) == 0
    return SmokeRun(run, printed.getvalue())
