"""The messages made at run time are the robot's own: their sums say so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from damsel_intera.messages import MESSAGES, SERVICES
from damsel_intera.virtual.rehearsal import SYSTEM_PYTHON

PACKAGE_FOLDER = Path(__file__).parents[2] / "intera"

# Of the vendor's intera_common; test_the_sums_are_the_sdks compares them with an installed one.
SUMS = {
    "JointCommand": "c8c85922d297da6209a089a906207e5d",
    "RobotAssemblyState": "df79ce5f75a6b23626e9fcdf1cc4d298",
    "EndpointState": "ec04f0f9bc02b3e335181c07d68c2c98",
    "EndpointStates": "d7b5ea85d8388c002e6c6d800ba697bc",
    "CollisionDetectionState": "7bde38c182b4d08fdc0635b116f65d04",
    "CollisionAvoidanceState": "30f5cb8ae019f1ffe8b599e6d2e589c7",
    "JointLimits": "c4c445eb2c9324525a704c84ca1e7598",
    "SolvePositionFKRequest": "14c88cbabc4e4d6c183969e91f5e56ca",
    "SolvePositionFKResponse": "907cf9ee4b255127ce59627076bd1e85",
    "SolvePositionIKRequest": "b09dd99695bb18639bfea7c92d0a89ca",
    "SolvePositionIKResponse": "d47b4ca70898ba1b2f99ffdf9b81d911",
    "SolvePositionFK": "6db8c7b904dcebec9a59022cd894ef68",
    "SolvePositionIK": "7ae4607244c30c6c631f3693cd280e45",
}


def printed(code: list[str], *folders: Path) -> dict[str, str]:
    """The sums that a program prints, by name."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    out = subprocess.run(
        [SYSTEM_PYTHON, *code],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    ).stdout
    return {line.split()[1]: line.split()[0] for line in out.splitlines()}


@pytest.mark.ros1
def test_the_sums_are_the_robots() -> None:
    assert printed(["-m", "damsel_intera.messages"], PACKAGE_FOLDER) == SUMS


@pytest.mark.ros1
def test_ros_1_comes_first_where_ros_2_is_installed(tmp_path: Path) -> None:
    for name in ("rclpy", "std_msgs", "sensor_msgs", "geometry_msgs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('this is ROS 2')")
    assert printed(["-m", "damsel_intera.messages"], tmp_path, PACKAGE_FOLDER) == SUMS


@pytest.mark.sdk
def test_the_sums_are_the_sdks() -> None:
    code = """
from intera_core_msgs import msg, srv
for name in dir(srv):
    if hasattr(getattr(srv, name), "_request_class"):
        print(getattr(srv, name)._md5sum, name)
for module in (msg, srv):
    for name in dir(module):
        if hasattr(getattr(module, name), "_full_text"):
            print(getattr(module, name)._md5sum, name)
"""
    theirs = printed(["-c", code], Path(os.environ["DAMSEL_INTERA_SDK"]))
    assert {name: theirs[name] for name in (*MESSAGES, *SERVICES)} == SUMS
