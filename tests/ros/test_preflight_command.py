"""`damsel-preflight` beside cameras that publish and a server that answers."""

from __future__ import annotations

import json
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
        stamp = time_of(time.time() - self.delay_s(self._count))
        seen = rest_positions().reshape(3, 3) + self.off(self._count)
        for publisher, at in zip(self._publishers, seen.tolist(), strict=True):
            publisher.publish(pose_to_message(at, (0.0, 0.0, 0.0, 1.0), stamp))


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
