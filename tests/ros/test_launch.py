"""The launch files, where a ROS 2 installation brings `launch`; PyPI has none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import SystemRandom

import pytest

from damsel_ros.processes import free_domain_id

REASON = "needs a ROS 2 installation: PyPI has no launch"
pytest.importorskip("launch", reason=REASON)
pytest.importorskip("launch_ros", reason=REASON)

LAUNCH_FILE = Path(__file__).parents[2] / "launch" / "adapt.launch.py"

PROGRAM = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
arguments = dict(argument.split(":=") for argument in sys.argv[2:])
service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments.items())]))
sys.exit(service.run())
"""


def launch(**arguments: str) -> subprocess.CompletedProcess[str]:
    """Launch and wait until the launch is over, which it should be by itself."""
    given = [f"{name}:={value}" for name, value in arguments.items()]
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(LAUNCH_FILE), *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
        check=False,
        env={**os.environ, "ROS_DOMAIN_ID": str(free_domain_id(SystemRandom()))},
    )


def test_a_launch_adapts_prints_the_table_and_ends(tmp_path: Path, long_bundle: Path) -> None:
    file = tmp_path / "result.json"
    done = launch(
        robot="sim",
        family="push",
        goal="0.15,0.06",
        bundle=str(long_bundle),
        iterations="1",
        json=str(file),
    )
    assert "olved: the hidden task was push" in done.stdout
    assert json.loads(file.read_text(encoding="utf-8"))["family_true"] == "push"
    for node in ("robot", "task", "adapt", "damsel-adapt"):
        assert f"process has finished cleanly [pid {pid_of(node, done.stdout)}]" in done.stdout


def test_a_launch_with_a_bad_goal_says_so_and_ends(long_bundle: Path) -> None:
    done = launch(family="push", goal="9,9", bundle=str(long_bundle))
    assert "damsel-adapt: error: push goal (9.0, 9.0) is out of range" in done.stdout


def test_a_launch_for_an_arm_that_does_not_answer_says_so_and_ends(long_bundle: Path) -> None:
    done = launch(robot="sawyer", bundle=str(long_bundle))
    assert "Intera server: no answer from tcp://127.0.0.1:47103" in done.stdout


def pid_of(process: str, log: str) -> str:
    (line,) = [one for one in log.splitlines() if f"[{process}-" in one and "started" in one]
    return line.split("[")[-1].rstrip("]")
