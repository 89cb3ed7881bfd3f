"""Which bundle is used when none is named, and what loading it leaves behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from damsel.bundle_path import DEFAULT_BUNDLE, default_bundle

CLONE = Path(__file__).resolve().parents[2]


def test_it_is_this_clones_wherever_one_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / DEFAULT_BUNDLE
    other.mkdir(parents=True)
    (other / "bundle.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert default_bundle() == CLONE / DEFAULT_BUNDLE


def test_loading_it_tells_nobody_and_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    code = (
        "from damsel.bundle import Bundle; from damsel.bundle_path import default_bundle\n"
        "import pathlib\n"
        "Bundle.load(default_bundle())\n"
        "print(len(list(pathlib.Path('/proc/self/task').iterdir())))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"HOME": str(tmp_path), "OPENBLAS_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1\n", "one thread, which is ours"
    assert not list(tmp_path.iterdir())
