"""What must hold before a physical arm makes its first motion, check by check.

Each check is a function of what was seen; nothing here moves anything or waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damsel.bundle import Bundle
from damsel.errors import DamselError
from damsel.kinematics import JOINT_NAMES, end_effector_pose
from damsel.perception import ObjectPoses, misplaced
from damsel.return_motion import ReturnCfg, refusal
from damsel.scene import BLOCK_HALF_SIZE_M, TABLE_HEIGHT_M, WORKSPACE_LOW_BASE
from damsel_intera.wire import JOINT_NAMES as WIRE_JOINT_NAMES
from damsel_intera.wire import PROTOCOL_VERSION, EndpointFrame, OperatorReply, State
from damsel_ros.backends.base import RobotDescription
from damsel_ros.backends.state_guard import StateGuard
from damsel_ros.check import Check
from damsel_ros.pose_log import PoseLog, pose_checks

__all__ = ["Check", "Sighting", "checklist"]

Array = NDArray[np.float64]

SDK_VERSIONS = ("5.3.0", "5.3.1", "5.3.2")
"""Robot software that version 5.3.0 of the SDK accepts."""

_LEAST_RATE_HZ = 90.0
_CLOCK_OFFSET_LIMIT_S = 0.05
# A recording compares the robot's stamps with ours; beyond this no arm can be fitted to it.
_ROBOT_CLOCK_LIMIT_S = 0.02
_KINEMATICS_LIMIT_M = 0.01
_TABLE_LIMIT_M = 0.004
_LONGEST_WATCHDOG_S = 0.2
_GRIPPER_TIP_FROM_HAND_M = 0.1356


@dataclass(frozen=True, eq=False)
class Sighting:
    """What was heard of the robot's side during a few seconds, without moving anything.

    Attributes:
        address: Where the server is.
        reply: Its answer to a greeting; None if there was none.
        error: Why there was none, in one line.
        guard: Has taken every state that came.
        states: How many came.
        duration_s: In how much time.
        clock_offset_s: Smallest difference of the two machines' wall clocks; NaN if unknown.
        robot_clock_offset_s: How far this machine's wall clock is ahead of the robot's, less the
            shortest way of a state; NaN if unknown.
        poses: Has taken every object pose that came.
        refused_pose: Why a pose could not be used; empty if none.
        pose_logs: The same poses, by object.
        now_s: When the listening ended.
    """

    address: str
    reply: OperatorReply | None
    error: str
    guard: StateGuard
    states: int
    duration_s: float
    clock_offset_s: float
    robot_clock_offset_s: float
    poses: ObjectPoses
    refused_pose: str
    pose_logs: Mapping[str, PoseLog]
    now_s: float


def checklist(
    seen: Sighting,
    *,
    description: RobotDescription,
    bundle: Bundle | DamselError,
    placement_tolerance_m: float,
    return_cfg: ReturnCfg,
) -> Iterator[Check]:
    """Every check, in the order in which one would put things right.

    Args:
        seen: What was heard.
        description: What the robot node will say of itself.
        bundle: The bundle, or why it cannot be loaded.
        placement_tolerance_m: How far from its start an object may be.
        return_cfg: The way back to the start.
    """
    yield _bundle(bundle, description)
    yield from _server(seen)
    if seen.reply is None:
        return
    yield _rate(seen)
    state = seen.guard.state
    if state is not None:
        yield from _arm(seen, state, return_cfg)
    yield from _scene(seen, placement_tolerance_m)


def _bundle(bundle: Bundle | DamselError, description: RobotDescription) -> Check:
    if isinstance(bundle, DamselError):
        return Check("bundle", False, str(bundle))
    try:
        description.check_fits(bundle)
    except DamselError as error:
        return Check("bundle", False, str(error))
    return Check("bundle", True, f"{bundle.path}, {bundle.control_rate_hz:g} Hz")


def _server(seen: Sighting) -> Iterator[Check]:
    reply = seen.reply
    if reply is None:
        yield Check("server", False, seen.error)
        return
    yield Check("server", True, f"answers at {seen.address}, reaches the robot by {reply.robot}")
    yield Check("protocol", True, f"version {PROTOCOL_VERSION} on both sides")
    version = reply.sdk_version
    known = any(version.startswith(one) for one in SDK_VERSIONS)
    yield Check(
        "robot software",
        known,
        version if known else f"is {version or 'unknown'}; allowed: {', '.join(SDK_VERSIONS)}",
    )
    short = 0 < reply.watchdog_s <= _LONGEST_WATCHDOG_S
    yield Check(
        "watchdog",
        short and reply.command_timeout_s > 0,
        f"{1000 * reply.watchdog_s:.0f} ms at the server, {1000 * reply.command_timeout_s:.0f} ms "
        f"on the robot{'' if short else f'; allowed: at most {1000 * _LONGEST_WATCHDOG_S:.0f} ms'}",
    )
    same = tuple(WIRE_JOINT_NAMES) == tuple(JOINT_NAMES)
    yield Check("joint names", same, " ".join(WIRE_JOINT_NAMES))


def _rate(seen: Sighting) -> Check:
    rate_hz = seen.states / seen.duration_s
    enough = rate_hz >= _LEAST_RATE_HZ
    detail = f"{rate_hz:.0f} states a second"
    return Check(
        "control rate", enough, detail if enough else f"{detail}; allowed: {_LEAST_RATE_HZ:g} Hz"
    )


def _arm(seen: Sighting, state: State, return_cfg: ReturnCfg) -> Iterator[Check]:
    problem = seen.guard.stream_problem(seen.now_s)
    age_ms = 1000 * seen.guard.age_s(seen.now_s)
    yield Check("joint states", not problem, problem or f"{age_ms:.0f} ms old")
    offset_s = seen.clock_offset_s
    near = abs(offset_s) <= _CLOCK_OFFSET_LIMIT_S
    yield Check(
        "clock offset",
        near,
        f"{1000 * offset_s:.0f} ms"
        + ("" if near else f"; allowed: {1000 * _CLOCK_OFFSET_LIMIT_S:.0f} ms; run chrony on both"),
    )
    yield _robot_clock(seen.robot_clock_offset_s)
    unpressed = state.estop_button == 0
    yield Check(
        "emergency stop",
        unpressed,
        "released" if unpressed else "is pressed, or the robot is still stopped by it; release it",
    )
    told = state.collision_told
    yield Check(
        "collisions",
        told,
        "the robot says whether it feels one"
        if told
        else "the robot does not say whether it feels one; look at its topic "
        "/robot/limb/right/collision_detection_state",
    )
    problem = seen.guard.arm_problem()
    yield Check(
        "enabled", not problem, f"{problem}; damsel-adapt asks to enable it" if problem else "yes"
    )
    yield _kinematics(state)
    reason = refusal(np.array(state.joint_positions), return_cfg)
    yield Check("way to the start", not reason, reason or "free, as far as the arm's pose tells")


def _robot_clock(offset_s: float) -> Check:
    """No motion depends on it, but recordings do."""
    near = abs(offset_s) <= _ROBOT_CLOCK_LIMIT_S
    detail = f"{1000 * offset_s:.0f} ms behind this computer's"
    wrong = (
        f"{detail}; allowed: {1000 * _ROBOT_CLOCK_LIMIT_S:.0f} ms; have the robot and this "
        "computer follow one NTP server, or nothing can be fitted to recordings"
    )
    return Check("robot's clock", near, detail if near else wrong)


def _kinematics(state: State) -> Check:
    """Whether the arm is where our kinematics says, so that the safety box is where it should."""
    name = "kinematics"
    if state.endpoint_frame is EndpointFrame.NONE:
        return Check(name, False, "the robot does not tell where its hand is; restart the server")
    pose = end_effector_pose(np.array([state.joint_positions]))
    expected = pose.position_base[0]
    if state.endpoint_frame is EndpointFrame.RIGHT_HAND:
        expected = expected - _GRIPPER_TIP_FROM_HAND_M * pose.rotation_base[0][:, 2]
    off_m = float(np.linalg.norm(expected - state.endpoint_position))
    near = off_m <= _KINEMATICS_LIMIT_M
    detail = f"{1000 * off_m:.1f} mm from where the robot says that its hand is"
    return Check(
        name, near, detail if near else f"{detail}; allowed: {1000 * _KINEMATICS_LIMIT_M:.0f} mm"
    )


def _scene(seen: Sighting, placement_tolerance_m: float) -> Iterator[Check]:
    problem = seen.refused_pose or seen.poses.problem(seen.now_s)
    yield Check("object poses", not problem, problem or "live, of every object")
    if all(log.heard_s for log in seen.pose_logs.values()):
        yield from pose_checks(seen.pose_logs, seen.now_s, placement_tolerance_m)
    if problem:
        return
    positions = seen.poses.positions(seen.now_s)
    wrong = misplaced(positions, placement_tolerance_m)
    yield Check("objects", not wrong, "; ".join(wrong) or "at their start")
    # The block stands on the table, so its height tells the table's.
    table_m = float(positions[2]) - BLOCK_HALF_SIZE_M
    clear_mm = 1000 * (float(WORKSPACE_LOW_BASE[2]) - table_m)
    level = abs(table_m - TABLE_HEIGHT_M) <= _TABLE_LIMIT_M
    yield Check(
        "workspace and table",
        level,
        f"the table is at z = {1000 * table_m:.1f} mm, the workspace ends {clear_mm:.1f} mm above"
        + (
            "" if level else f"; allowed: {1000 * TABLE_HEIGHT_M:.0f} ± {1000 * _TABLE_LIMIT_M:.0f}"
        ),
    )
