"""Every check of the pre-flight list, on sightings made by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rclpy

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
from damsel_ros.preflight import Check, Sighting, checklist
from damsel_ros.preflight_cli import preflight
from tests.ros.intera_double import RESTING

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
        pose_ages_s={"block": 0.03, "door_handle": 0.02, "drawer_handle": 0.03},
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
        sighting(pose_ages_s={"block": 0.02, "door_handle": -7200.0}),
        "object pose delay",
        "-7200000 ms by the stamps of door_handle; allowed: -50 to 100 ms; run chrony",
    ),
    "clocks apart": (sighting(clock_offset_s=0.4), "clock offset", "400 ms; allowed: 50 ms"),
    "emergency stop": (
        sighting(replace(WELL, estop_button=1)),
        "emergency stop",
        "is pressed",
    ),
    "not enabled": (
        sighting(replace(WELL, enabled=False)),
        "enabled",
        "the robot is not enabled; call service robot/enable",
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


def test_a_parameter_out_of_range_is_refused(tmp_path: Path, domain_id: int) -> None:
    rclpy.shutdown()  # the command starts ROS itself
    file = tmp_path / "mine.yaml"
    file.write_text(
        "/damsel/robot: {ros__parameters: {sawyer.state_timeout_s: 9.0}}", encoding="utf-8"
    )
    with pytest.raises(InvalidConfigError, match=r"sawyer\.state_timeout_s is 9\.0; allowed"):
        preflight(["--parameters", str(file)])
