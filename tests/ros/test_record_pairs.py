"""Recording pairs for a camera: from a touch to a calibration."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
import yaml
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray

from damsel.calibration import load_calibration
from damsel.calibration.cli import fit_file
from damsel.control import joint_positions_for
from damsel.errors import InvalidConfigError, RobotError
from damsel.kinematics import end_effector_position
from damsel.rigid import RigidTransform
from damsel_ros.conversions import pose_to_message
from damsel_ros.record_pairs_cli import record_pairs
from tests.ros.intera_double import InteraDouble, free_addresses
from tests.ros.watcher import Watcher

Array = NDArray[np.float64]

CAMERA = RigidTransform.of([0.9, 0.1, 1.1], [np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])
PLACES = np.array(
    [[0.5, -0.2, 0.0], [0.7, -0.2, 0.05], [0.7, 0.2, 0.0], [0.5, 0.2, 0.1], [0.6, 0.0, 0.1]]
)


@pytest.fixture
def server() -> Iterator[InteraDouble]:
    with InteraDouble(free_addresses()) as server:
        yield server


class Camera:
    """Sees a marker between the finger tips, on a node of its own context."""

    def __init__(self, watcher: Watcher, server: InteraDouble) -> None:
        self.blind = False
        self.frozen: PoseStamped | None = None
        self.frame_id = "overhead"
        self.noise_m = 0.0
        self._rng = np.random.default_rng(0)
        self._server = server
        self._publisher = watcher.node.create_publisher(PoseStamped, "/tag/pose", 10)
        self._clock = watcher.node.get_clock()
        watcher.node.create_timer(0.02, self._on_timer)

    def _on_timer(self) -> None:
        if self.blind:
            return
        if self.frozen is not None:
            self._publisher.publish(self.frozen)
            return
        tip = end_effector_position(self._server.joints[None])[0]
        seen = CAMERA.inverse().apply(tip) + self._rng.normal(0.0, self.noise_m, 3)
        message = pose_to_message(seen.tolist(), (0.0, 0.0, 0.0, 1.0), self._clock.now().to_msg())
        message.header.frame_id = self.frame_id
        self.newest = message
        self._publisher.publish(message)

    def freeze(self) -> None:
        """Tell what was seen last, again and again, as some do once the hand covers the marker."""
        self.frozen = self.newest


def parameters(server: InteraDouble, tmp_path: Path) -> str:
    file = tmp_path / "mine.yaml"
    values = {
        "sawyer.state_port": server.addresses.state_port,
        "sawyer.command_port": server.addresses.command_port,
        "sawyer.operator_port": server.addresses.operator_port,
        # What the pairs are for, so not there yet.
        "sawyer.calibration": str(tmp_path / "calibration.yaml"),
    }
    file.write_text(json.dumps({"/damsel/robot": {"ros__parameters": values}}), encoding="utf-8")
    return str(file)


@pytest.fixture
def one_ros(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command starts and ends ROS itself, beside the watcher's."""
    monkeypatch.setattr(rclpy, "init", lambda **_: None)
    monkeypatch.setattr("damsel_ros.set_up.try_shutdown", lambda: None)


@pytest.mark.usefixtures("one_ros")
def test_touching_a_marker_here_and_there_calibrates_a_camera(
    server: InteraDouble,
    watcher: Watcher,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    camera = Camera(watcher, server)
    asked: list[str] = []

    def ask(text: str) -> str:
        asked.append(text)
        touched = len(asked) - 1
        camera.blind = touched == 0
        if touched > len(PLACES):
            return "q"
        joints = joint_positions_for(PLACES[None, max(0, touched - 1)])[0]
        server.change(joint_positions=tuple(joints.tolist()))
        time.sleep(0.2)
        return ""

    pairs, output = tmp_path / "pairs.yaml", tmp_path / "calibration.yaml"
    arguments = ["--topic", "/tag/pose", "--output", str(pairs)]
    assert record_pairs([*arguments, "--parameters", parameters(server, tmp_path)], ask) == 0
    assert "no poses with stamps of their own come on /tag/pose" in capsys.readouterr().out
    assert "4 more are needed" in asked[0]
    assert "enough to fit" in asked[-1]
    assert fit_file([str(pairs), "--frame", "overhead", "--output", str(output)]) == 0
    found = load_calibration(output).camera_to_base["overhead"]
    np.testing.assert_allclose(found.rotation, CAMERA.rotation, atol=1e-4)
    np.testing.assert_allclose(found.translation, CAMERA.translation, atol=1e-4)


@pytest.mark.usefixtures("one_ros")
def test_what_is_old_or_of_another_camera_is_not_taken(
    server: InteraDouble, watcher: Watcher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    camera = Camera(watcher, server)
    camera.noise_m = 0.001  # a still marker, whose poses are noisy

    def hide() -> None:
        time.sleep(0.5)  # so that poses wait in the subscription
        camera.blind = True
        time.sleep(0.2)

    def show_with_old_joints() -> None:
        camera.frozen = None
        server.change(robot_age_s=60.0)
        time.sleep(0.2)

    def show_in_another_frame() -> None:
        server.change(robot_age_s=0.002)
        camera.frame_id = "side"
        time.sleep(0.2)

    def tremble() -> None:
        camera.frame_id = "overhead"
        camera.noise_m = 0.01

    def freeze() -> None:
        camera.blind = False
        camera.freeze()

    steps = [
        lambda: time.sleep(0.5),
        hide,
        freeze,
        show_with_old_joints,
        show_in_another_frame,
        tremble,
    ]

    def ask(_: str) -> str:
        if not steps:
            return "q"
        steps.pop(0)()
        return ""

    pairs = tmp_path / "pairs.yaml"
    arguments = ["--topic", "/tag/pose", "--output", str(pairs)]
    assert record_pairs([*arguments, "--parameters", parameters(server, tmp_path)], ask) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("pair 1: ")
    assert said[1:5] == [
        "the marker is not seen; no poses with stamps of their own come on /tag/pose",
        "the marker is not seen; no poses with stamps of their own come on /tag/pose",
        "the arm is not heard; its joints are 60.0 s old",
        "poses on /tag/pose are in frame 'side'; allowed: one frame in all pairs, here 'overhead'",
    ]
    assert said[5].startswith("the marker moved ")
    assert said[6] == f"1 pairs in frame 'overhead': {pairs}"
    assert len(yaml.safe_load(pairs.read_text(encoding="utf-8"))) == 1


def test_a_file_that_cannot_be_written_is_refused_before_anybody_touches_anything() -> None:
    with pytest.raises(InvalidConfigError, match=r"--output '/proc/pairs\.yaml' cannot be written"):
        record_pairs(["--topic", "/t", "--output", "/proc/pairs.yaml"], lambda _: "")


def test_a_file_that_exists_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "pairs.yaml"
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(InvalidConfigError, match="exists; allowed: a new file"):
        record_pairs(["--topic", "/t", "--output", str(file)], lambda _: "")


def test_no_server_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.yaml"
    port = free_addresses().operator_port
    file.write_text(
        json.dumps({"/damsel/robot": {"ros__parameters": {"sawyer.operator_port": port}}}),
        encoding="utf-8",
    )
    arguments = ["--topic", "/t", "--output", str(tmp_path / "pairs.yaml")]
    with pytest.raises(RobotError, match="Intera server: no answer"):
        record_pairs([*arguments, "--parameters", str(file)], lambda _: "")
