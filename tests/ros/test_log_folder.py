"""Where ROS 2 writes its logs, on machines where it cannot write into the home folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from damsel_ros.node_main import prepare_logs


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOME", "ROS_HOME", "ROS_LOG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    # So that what the code sets is taken back afterwards.
    monkeypatch.setenv("ROS_LOG_DIR", "")
    del os.environ["ROS_LOG_DIR"]


@pytest.mark.parametrize("variable", ["HOME", "ROS_HOME"])
def test_a_home_that_can_be_written_is_left_to_ros(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable, str(tmp_path))
    prepare_logs()
    assert "ROS_LOG_DIR" not in os.environ


@pytest.mark.parametrize("home", [None, "/proc", "/dev/null"])
def test_without_one_logs_are_temporary_files(
    home: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if home is not None:
        monkeypatch.setenv("HOME", home)
    prepare_logs()
    assert Path(os.environ["ROS_LOG_DIR"]).parent == tmp_path


def test_a_folder_that_the_user_has_named_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_LOG_DIR", "/somewhere")
    prepare_logs()
    assert os.environ["ROS_LOG_DIR"] == "/somewhere"
