"""The virtual robot serves what ROS 1 programs and the vendor's SDK expect of a Sawyer."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from damsel_intera.limits import VELOCITY
from damsel_intera.virtual.rehearsal import SYSTEM_PYTHON, Rehearsal
from damsel_intera.wire import JOINT_NAMES

SCRIPTS = Path(__file__).parent / "robot_scripts"
PACKAGE_FOLDER = Path(__file__).parents[2] / "intera"
NEUTRAL = (0.0, -1.18, 0.0, 2.18, 0.0, 0.57, 3.3161)


@pytest.fixture(name="rehearsal", scope="module")
def robot_without_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with Rehearsal(tmp_path_factory.mktemp("robot")) as rehearsal:
        rehearsal.start_master()
        rehearsal.start_robot()
        yield rehearsal


def run_script(rehearsal: Rehearsal, name: str, *folders: Path) -> dict[str, Any]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (PACKAGE_FOLDER, *folders))),
        "ROS_MASTER_URI": rehearsal.master_uri,
        "ROS_IP": "127.0.0.1",
        "ROS_LOG_DIR": str(rehearsal.logs),
    }
    ended = subprocess.run(
        [SYSTEM_PYTHON, str(SCRIPTS / name)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env=environment,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@pytest.mark.ros1
def test_ros_1_programs_find_a_sawyer(rehearsal: Rehearsal) -> None:
    found = run_script(rehearsal, "by_topics.py")
    before, after = map(np.array, found["velocity"])
    assert 0.05 < after[0] - before[0] < 0.12
    assert after[1:] == pytest.approx(before[1:], abs=0.01)
    before, after = map(np.array, found["after_timeout"])
    assert after == pytest.approx(before, abs=1e-3), "a velocity ends with the command timeout"
    before, after = map(np.array, found["one_joint"])
    assert after - before == pytest.approx(np.array([0, 0, 0, 0, 0, 0, 0.1]), abs=0.01)
    for nonsense in ("nan", "wrong_name", "wrong_length", "trajectory"):
        before, after = found[nonsense]
        assert after == pytest.approx(before, abs=2e-3), nonsense
    assert found["fk_valid"] == [True, False]
    assert found["ik_results"] == [1, -3]
    assert found["hand_again"] == pytest.approx(found["hand"], abs=1e-3)
    assert found["limits"] == {"joint_names": list(JOINT_NAMES), "velocity": list(VELOCITY)}
    assert found["parameters"]["/robot_config/right_config/joint_names"] == list(JOINT_NAMES)
    assert found["parameters"]["/manifest/robot_class"] == "sawyer"
    assert found["others"] == ["head_pan", "torso_t0"]


@pytest.mark.sdk
def test_the_vendors_sdk_finds_a_sawyer(rehearsal: Rehearsal) -> None:
    found = run_script(rehearsal, "by_sdk.py", Path(os.environ["DAMSEL_INTERA_SDK"]))
    assert found["sdk"] == "5.3.0"
    assert found["robot_name"] == "sawyer"
    assert (found["stopped"], found["enabled"], found["disabled"]) == (True, True, True)
    assert found["joint_names"] == list(JOINT_NAMES)
    assert found["neutral"] == pytest.approx(NEUTRAL, abs=0.009)
    assert found["hand"] == pytest.approx((0.450, 0.160, 0.216), abs=0.005)
    assert found["tips"] == [True, False]
    assert found["moving"] == pytest.approx(-0.2, abs=0.03)
    assert found["after_timeout"] == pytest.approx(0.0, abs=0.01)
    assert found["ik"] == pytest.approx(found["angles"], abs=0.01)
    assert found["collided"] is False
    assert found["velocity_limits"] == dict(zip(JOINT_NAMES, VELOCITY, strict=True))
