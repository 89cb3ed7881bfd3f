"""`damsel-preflight` beside cameras that publish and a server that answers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from rclpy.qos import qos_profile_sensor_data

from damsel.calibration import OBJECT_NAMES
from damsel.perception import rest_positions
from damsel_intera.wire import State, decode, encode
from damsel_ros.conversions import pose_to_message, time_of
from damsel_ros.preflight_cli import preflight
from tests.ros.intera_double import InteraDouble, free_addresses
from tests.ros.watcher import Watcher

Array = NDArray[np.float64]

PERIOD_S = 0.03
CHECKS = ("object pose rate", "object pose delay", "object pose spread", "robot's clock")


class Cameras:
    """See every object at its start; tests change how."""

    def __init__(self, watcher: Watcher) -> None:
        self.every = 1
        self.repeats = 1
        self.orientation = (0.0, 0.0, 0.0, 1.0)
        self.delay_s: Callable[[int], float] = lambda _: 0.0
        self.off: Callable[[int], Array] = lambda _: np.zeros(3)
        self._count = 0
        self._publishers = [
            watcher.node.create_publisher(
                PoseStamped, f"objects/{name}/pose", qos_profile_sensor_data
            )
            for name in OBJECT_NAMES
        ]
        watcher.node.create_timer(PERIOD_S, self._on_timer)

    def _on_timer(self) -> None:
        self._count += 1
        if self._count % self.every:
            return
        stamp = time_of(max(0.0, time.time() - self.delay_s(self._count)))
        seen = rest_positions().reshape(3, 3) + self.off(self._count)
        for publisher, at in zip(self._publishers, seen.tolist(), strict=True):
            for _ in range(self.repeats):
                publisher.publish(pose_to_message(at, self.orientation, stamp))


@pytest.fixture
def server() -> Iterator[InteraDouble]:
    with InteraDouble(free_addresses()) as server:
        yield server


Look = Callable[[], dict[str, str]]


@pytest.fixture
def look(
    server: InteraDouble,
    watcher: Watcher,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Look:
    """Run the command beside the watcher's ROS; returns its lines by the name of the check."""
    monkeypatch.setattr(rclpy, "init", lambda **_: None)
    monkeypatch.setattr("damsel_ros.set_up.try_shutdown", lambda: None)
    ports = ("state_port", "command_port", "operator_port")
    values = {f"sawyer.{port}": getattr(server.addresses, port) for port in ports}
    file = tmp_path / "mine.yaml"
    file.write_text(json.dumps({"/damsel/robot": {"ros__parameters": values}}), encoding="utf-8")

    def lines() -> dict[str, str]:
        capsys.readouterr()
        preflight(["--parameters", str(file)])
        said = capsys.readouterr().out.splitlines()
        return {line[6:26].strip(): line for line in said}

    return lines


def stamped_by(server: InteraDouble, behind_s: float) -> None:
    """Have the robot stamp its joints by a clock that is behind."""

    def stamp(data: bytes) -> list[bytes]:
        header, state = decode(data)
        assert isinstance(state, State)
        stamp_s = time.time() - state.robot_age_s - behind_s
        return [encode(header, replace(state, robot_stamp_s=stamp_s))]

    server.mangle = stamp


def test_eyes_and_clocks_that_are_well_pass(
    server: InteraDouble, watcher: Watcher, look: Look
) -> None:
    stamped_by(server, 0.0)
    Cameras(watcher)
    for _ in range(3):  # a busy machine delays poses, too
        found = look()
        failed = [name for name in CHECKS if not found[name].startswith("ok")]
        if not failed:
            break
    assert not failed, found


def test_eyes_are_judged_by_every_pose_not_by_the_last(
    server: InteraDouble, watcher: Watcher, look: Look
) -> None:
    stamped_by(server, 0.3)
    cameras = Cameras(watcher)
    cameras.every = 6
    cameras.delay_s = lambda count: 1.0 if count % 30 else 0.0
    cameras.off = lambda count: np.array([0.0, 0.3 if count % 30 == 0 else 0.0, 0.0])
    found = look()
    for name in CHECKS:
        assert found[name].startswith("FAIL"), found[name]
    assert "300.0 mm at most; allowed: 5 and 20 mm" in found["object pose spread"]
    assert "allowed: 20 ms; have the robot" in found["robot's clock"]


def test_what_a_camera_tells_again_is_no_pose(watcher: Watcher, look: Look) -> None:
    cameras = Cameras(watcher)
    cameras.every, cameras.repeats = 6, 5
    said = look()["object pose rate"]
    assert said.startswith("FAIL")
    assert " 5." in said


@pytest.mark.parametrize("what", ["stamp", "orientation"])
def test_a_pose_that_cannot_be_used_is_named_with_its_object(
    what: str, watcher: Watcher, look: Look
) -> None:
    cameras = Cameras(watcher)
    if what == "stamp":
        cameras.delay_s = lambda _: 1e12
    else:
        cameras.orientation = (0.0, 0.0, 0.0, 0.5)
    said = look()["object poses"]
    assert said.startswith("FAIL")
    why = "it carries no stamp; allowed" if what == "stamp" else "quaternion"
    assert "a pose of the door handle was refused: " in said
    assert why in said


def test_two_cameras_that_tell_of_one_object_are_one_too_many(watcher: Watcher, look: Look) -> None:
    for _ in range(2):
        Cameras(watcher)
    said = look()["object poses"]
    assert said.startswith("FAIL")
    assert "2 nodes publish /damsel/objects/door_handle/pose; allowed: one" in said


def test_the_bundle_of_the_parameter_file_is_the_one_that_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    values = {"/damsel/adapt": {"ros__parameters": {"bundle": "nowhere"}}}
    file.write_text(json.dumps(values), encoding="utf-8")
    preflight(["--parameters", str(file)])
    assert re.search(r"FAIL  bundle .*nowhere", capsys.readouterr().out)
