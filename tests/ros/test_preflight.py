"""Every check of the pre-flight list, on sightings made by hand."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rclpy
from numpy.typing import NDArray

from damsel.bundle import Bundle
from damsel.calibration import OBJECT_NAMES
from damsel.control import joint_positions_for
from damsel.errors import InvalidBundleError, InvalidConfigError
from damsel.kinematics import end_effector_position
from damsel.perception import ObjectPoses, PerceptionCfg, rest_positions
from damsel.return_motion import ReturnCfg
from damsel_intera.wire import EndpointFrame, Header, Operation, OperatorReply, State
from damsel_ros.backends import make_robot
from damsel_ros.backends.state_guard import GuardCfg, StateGuard
from damsel_ros.pose_log import PoseLog
from damsel_ros.preflight import Check, Sighting, checklist
from damsel_ros.preflight_cli import preflight
from tests.ros.intera_double import RESTING

Array = NDArray[np.float64]

NOW_S = 100.0
REPLY = OperatorReply(
    Operation.HELLO,
    accepted=True,
    text="",
    sdk_version="5.3.0",
    robot="sdk",
    watchdog_s=0.1,
    command_timeout_s=0.2,
)
TIP = end_effector_position(np.array([RESTING.joint_positions]))[0]
WELL = replace(
    RESTING,
    endpoint_frame=EndpointFrame.RIGHT_GRIPPER_TIP,
    endpoint_position=tuple(TIP.tolist()),
)


def log(at: Array, rate_hz: float = 20.0, **changes: object) -> PoseLog:
    """Two seconds of poses at rest, 30 ms under way."""
    count = round(2.0 * rate_hz)
    made = PoseLog(
        heard_s=(NOW_S - np.arange(count)[::-1] / rate_hz).tolist(),
        delays_s=[0.03] * count,
        positions_base=[at] * count,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def logs(at: Array | None = None, **block: object) -> dict[str, PoseLog]:
    """The same of all objects, but for what is said of the block."""
    at = rest_positions() if at is None else at
    made = {name: log(one) for name, one in zip(OBJECT_NAMES, at.reshape(3, 3), strict=True)}
    return made | {"block": log(at[:3], **block)}  # type: ignore[arg-type]


def sighting(state: State = WELL, **fields: object) -> Sighting:
    guard = StateGuard(GuardCfg())
    guard.take(state, Header(1, 0, 1, NOW_S, 0.0), NOW_S)
    poses = ObjectPoses(PerceptionCfg())
    at = fields.pop("positions", rest_positions())
    assert isinstance(at, np.ndarray)
    for name, position in zip(OBJECT_NAMES, at.reshape(3, 3), strict=True):
        poses.see(name, position, NOW_S, NOW_S)
    seen = Sighting(
        address="127.0.0.1:47103",
        reply=REPLY,
        error="",
        guard=guard,
        states=200,
        duration_s=2.0,
        clock_offset_s=0.001,
        poses=poses,
        refused_pose="",
        robot_clock_offset_s=0.004,
        pose_logs=logs(at),
        now_s=NOW_S + 0.01,
    )
    return replace(seen, **fields)  # type: ignore[arg-type]


def failed(seen: Sighting, bundle: Bundle | InvalidBundleError) -> list[Check]:
    checks = checklist(
        seen,
        description=make_robot("sawyer").description,
        bundle=bundle,
        placement_tolerance_m=0.005,
        return_cfg=ReturnCfg(),
    )
    return [check for check in checks if not check.passed]


def test_all_is_well(bundle: Bundle) -> None:
    assert failed(sighting(), bundle) == []


def tilted() -> State:
    joints = list(WELL.joint_positions)
    joints[5] += 0.5
    return replace(WELL, joint_positions=tuple(joints))


CASES: dict[str, tuple[Sighting, str, str]] = {
    "old software": (
        sighting(reply=replace(REPLY, sdk_version="5.2.1")),
        "robot software",
        "is 5.2.1; allowed: 5.3.0, 5.3.1, 5.3.2",
    ),
    "long watchdog": (sighting(reply=replace(REPLY, watchdog_s=0.5)), "watchdog", "at most 200 ms"),
    "slow states": (sighting(states=100), "control rate", "50 states a second; allowed: 90 Hz"),
    "camera clock apart": (
        sighting(pose_logs=logs(delays_s=[-7200.0] * 40)),
        "object pose delay",
        "-7200000 ms, .* by the stamps of block; allowed: -50 to 100 ms, a few up to 200 ms; run",
    ),
    "slow poses": (
        sighting(pose_logs=logs(rate_hz=5.5)),
        "object pose rate",
        r"5\.\d poses a second of block; allowed: 20",
    ),
    "one pose late": (
        sighting(pose_logs=logs(delays_s=[0.03] * 20 + [1.03] + [0.03] * 19)),
        "object pose delay",
        "30 ms, 30 to 1030 ms, by the stamps of block; allowed",
    ),
    "most poses late": (
        sighting(pose_logs=logs(delays_s=[0.12] * 25 + [0.03] * 15)),
        "object pose delay",
        "120 ms, 30 to 120 ms, by the stamps of block; allowed",
    ),
    "a marker that flickers now and then": (
        sighting(
            pose_logs=logs(
                positions_base=[
                    rest_positions()[:3] + np.array([0.0, 0.03 if n == 7 else 0.0, 0.0])
                    for n in range(40)
                ]
            )
        ),
        "object pose spread",
        r"of block in 19 of 20, 30\.0 mm at most; allowed: 5 and 20 mm at rest; look at",
    ),
    "a marker that flickers": (
        sighting(
            pose_logs=logs(
                positions_base=[
                    rest_positions()[:3] + np.array([0.0, 0.3 if n % 5 == 0 else 0.0, 0.0])
                    for n in range(40)
                ]
            )
        ),
        "object pose spread",
        r"of block in 19 of 20, 300\.0 mm at most; allowed: 5 and 20 mm at rest; look at",
    ),
    "the robot's clock behind": (
        sighting(robot_clock_offset_s=0.05),
        "robot's clock",
        "50 ms behind this computer's; allowed: 20 ms; have the robot and this computer follow",
    ),
    "the robot's clock unknown": (
        sighting(robot_clock_offset_s=math.nan),
        "robot's clock",
        "allowed: 20 ms",
    ),
    "clocks apart": (sighting(clock_offset_s=0.4), "clock offset", "400 ms; allowed: 50 ms"),
    "emergency stop": (
        sighting(replace(WELL, estop_button=1)),
        "emergency stop",
        "is pressed",
    ),
    "silent about collisions": (
        sighting(replace(WELL, collision_told=False)),
        "collisions",
        "does not say whether it feels one; look at its topic",
    ),
    "not enabled": (
        sighting(replace(WELL, enabled=False)),
        "enabled",
        "the robot is not enabled; damsel-adapt asks to enable it",
    ),
    "unknown hand": (
        sighting(replace(WELL, endpoint_frame=EndpointFrame.NONE)),
        "kinematics",
        "does not tell where its hand is",
    ),
    "wrong hand": (
        sighting(
            replace(WELL, endpoint_position=tuple((TIP + np.array([0.0, 0.0, 0.03])).tolist()))
        ),
        "kinematics",
        "30.0 mm from where the robot says",
    ),
    "tilted": (sighting(tilted()), "way to the start", "tilted by 0.50 rad|outside its workspace"),
    "a frame unknown": (
        sighting(refused_pose="the pose of the block is in frame 'x'"),
        "object poses",
        "in frame 'x'",
    ),
    "a block elsewhere": (
        sighting(positions=rest_positions() + np.eye(9)[0] * 0.05),
        "objects",
        "the block is 0.050 m from its start",
    ),
    "a low table": (
        sighting(positions=rest_positions() - np.eye(9)[2] * 0.0045),
        "workspace and table",
        "the table is at z = -104.5 mm, the workspace ends 16.5 mm above",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_well_is_one_failed_check_that_says_what(name: str, bundle: Bundle) -> None:
    seen, check, says = CASES[name]
    found = {one.name: one for one in failed(seen, bundle)}
    assert check in found
    assert re.search(says, found[check].detail)
    assert found[check].line().startswith(f"FAIL  {check}")
    assert "\n" not in found[check].line()


def test_the_hand_itself_is_compared_where_the_robot_knows_no_tip(bundle: Bundle) -> None:
    hand = TIP + np.array([0.0, 0.0, 0.1356])
    state = replace(
        WELL,
        endpoint_frame=EndpointFrame.RIGHT_HAND,
        endpoint_position=tuple(hand.tolist()),
    )
    assert failed(sighting(state), bundle) == []


def test_the_hand_is_compared_elsewhere_than_at_the_start_too(bundle: Bundle) -> None:
    joints = joint_positions_for(np.array([[0.6, -0.2, 0.05]]))
    state = replace(
        WELL,
        joint_positions=tuple(joints[0].tolist()),
        endpoint_position=tuple(end_effector_position(joints)[0].tolist()),
    )
    assert failed(sighting(state), bundle) == []


def test_without_a_server_the_rest_is_not_guessed(bundle: Bundle) -> None:
    (check,) = failed(sighting(reply=None, error="no answer from tcp://x"), bundle)
    assert (check.name, check.detail) == ("server", "no answer from tcp://x")


def test_a_bundle_that_does_not_load_is_a_failed_check() -> None:
    (check,) = failed(sighting(), InvalidBundleError("bundle 'x' is damaged"))
    assert (check.name, check.detail) == ("bundle", "bundle 'x' is damaged")


def test_a_parameter_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidConfigError, match=r"--parameters 'no/such\.yaml' is not there"):
        preflight(["--parameters", "no/such.yaml"])


def test_a_domain_that_there_is_none_of_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "300")
    with pytest.raises(InvalidConfigError, match=r"ROS_DOMAIN_ID is '300'; allowed"):
        preflight([])


def test_a_parameter_out_of_range_is_refused(tmp_path: Path, domain_id: int) -> None:
    rclpy.shutdown()  # the command starts ROS itself
    file = tmp_path / "mine.yaml"
    file.write_text(
        "/damsel/robot: {ros__parameters: {sawyer.state_timeout_s: 9.0}}", encoding="utf-8"
    )
    with pytest.raises(InvalidConfigError, match=r"sawyer\.state_timeout_s is 9\.0; allowed"):
        preflight(["--parameters", str(file)])
