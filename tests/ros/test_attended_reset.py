"""An arm that hands have moved while the objects were put back: no trajectory begins there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from damsel.calibration import OBJECT_NAMES, Calibration
from damsel.errors import RobotError
from damsel.kinematics import JOINT_NAMES
from damsel.perception import rest_positions
from damsel.rigid import RigidTransform
from damsel.scene import HOME_JOINT_POSITIONS
from damsel_intera.wire import HoldReason
from damsel_ros.backends.arm_motion import start_problem
from damsel_ros.backends.sawyer import SawyerBackend
from damsel_ros.backends.sawyer_cfg import SawyerCfg
from damsel_ros.robot_loop import Mode, Phase, RobotLoop
from tests.ros.intera_double import InteraDouble, free_addresses

Array = NDArray[np.float64]

WRIST_TURNED = HOME_JOINT_POSITIONS + 0.3 * np.eye(7)[5]
SAYS = (
    r"^the arm is not at its start: right_j5 is 0\.300 rad off \(allowed: 0\.03 rad\); put it back "
    r"or ask for another reset$"
)


@pytest.fixture
def server() -> Iterator[InteraDouble]:
    with InteraDouble(free_addresses()) as server:
        yield server


@pytest.fixture
def robot(server: InteraDouble) -> Iterator[SawyerBackend]:
    robot = SawyerBackend(SawyerCfg(addresses=server.addresses), Calibration())
    robot.connect()
    yield robot
    robot.close()


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen"
        time.sleep(0.01)


def ask(robot: SawyerBackend, server: InteraDouble) -> int:
    """Go through a reset until a person is asked, and return how many targets that took."""
    robot.reset()
    until(lambda: bool(robot.pending_reset() and robot.prompt))
    until(lambda: server.state.hold_reason is HoldReason.RELEASED)
    return len(server.targets)


def lead(robot: SawyerBackend, server: InteraDouble, joints: Array) -> None:
    """Move the arm by hand; the robot has heard of it afterwards."""
    server.change(joint_positions=tuple(joints.tolist()))
    until(lambda: np.array_equal(robot.joint_states().positions, joints))


def confirm(robot: SawyerBackend) -> None:
    """Confirm with all objects at their start."""
    for name, position in zip(OBJECT_NAMES, rest_positions().reshape(3, 3), strict=True):
        robot.see_object(name, "base", RigidTransform(np.eye(3), position), time.monotonic())
    robot.confirm_reset()


@pytest.mark.parametrize("joint", range(7))
def test_a_start_is_what_a_return_leaves_and_not_what_hands_leave(joint: int) -> None:
    off = np.eye(7)[joint]
    assert start_problem(HOME_JOINT_POSITIONS) == ""
    for sign in (-1, 1):
        # Where the way back may end, and as much sag.
        assert start_problem(HOME_JOINT_POSITIONS + sign * 0.02 * off) == ""
        says = f"{JOINT_NAMES[joint]} is 0.040 rad off (allowed: 0.03 rad)"
        assert says in start_problem(HOME_JOINT_POSITIONS + sign * 0.04 * off)
    assert "nan rad off" in start_problem(np.where(off, np.nan, HOME_JOINT_POSITIONS))


def test_an_arm_that_was_moved_is_not_confirmed_until_it_is_put_back(
    robot: SawyerBackend, server: InteraDouble
) -> None:
    count = ask(robot, server)
    lead(robot, server, WRIST_TURNED)
    for _ in range(2):
        with pytest.raises(RobotError, match=SAYS):
            confirm(robot)
        time.sleep(0.2)
        assert robot.pending_reset()
        assert robot.prompt
    assert len(server.targets) == count
    lead(robot, server, HOME_JOINT_POSITIONS)
    confirm(robot)
    until(lambda: robot.pending_reset() == "")


def test_whoever_stops_the_robot_before_reaching_in_ends_the_reset(
    robot: SawyerBackend, server: InteraDouble
) -> None:
    count = ask(robot, server)
    server.change(estop_button=1, stopped=True, enabled=False, hold_reason=HoldReason.ESTOP)
    with pytest.raises(RobotError, match=r"^the emergency stop is pressed$"):
        until(lambda: robot.pending_reset() == "")
    with pytest.raises(RobotError, match="nothing is to be confirmed now"):
        confirm(robot)
    assert robot.prompt == ""
    assert len(server.targets) == count


def test_nobody_confirms_while_another_has_the_arm(
    robot: SawyerBackend, server: InteraDouble
) -> None:
    ask(robot, server)
    server.change(lease_number=server.state.lease_number + 7)
    with pytest.raises(RobotError, match="another controller has taken control of the arm"):
        until(lambda: robot.pending_reset() == "")


def test_nothing_is_confirmed_on_states_that_are_late(
    robot: SawyerBackend, server: InteraDouble
) -> None:
    ask(robot, server)
    server.mangle = lambda _: []
    time.sleep(0.3)
    with pytest.raises(RobotError, match="the newest state of the arm is"):
        confirm(robot)
    assert robot.pending_reset()
    server.mangle = lambda data: [data]
    until(lambda: server.state.lease_number == 0 and not robot.fault)
    confirm(robot)
    until(lambda: robot.pending_reset() == "")


def test_a_person_who_leaves_the_arm_elsewhere_is_told_so_when_time_is_up(
    server: InteraDouble,
) -> None:
    cfg = SawyerCfg(addresses=server.addresses, confirm_timeout_s=0.5)
    robot = SawyerBackend(cfg, Calibration())
    robot.connect()
    count = ask(robot, server)
    lead(robot, server, WRIST_TURNED)
    with pytest.raises(RobotError, match=SAYS):
        confirm(robot)
    with pytest.raises(RobotError, match=r"nobody confirmed .* was told: the arm is not at its"):
        until(lambda: robot.pending_reset() == "")
    assert len(server.targets) == count
    robot.close()


def test_an_arm_that_is_moved_after_the_confirmation_takes_no_step(
    robot: SawyerBackend, server: InteraDouble
) -> None:
    count = ask(robot, server)
    # Control is taken once a state says so; those wait until the arm is elsewhere.
    server.mangle = lambda data: [] if server.state.lease_number else [data]
    confirm(robot)
    until(lambda: bool(server.state.lease_number))
    server.change(joint_positions=tuple(WRIST_TURNED.tolist()))
    server.mangle = lambda data: [data]
    with pytest.raises(RobotError, match=SAYS):
        until(lambda: robot.pending_reset() == "")
    until(lambda: server.state.hold_reason is HoldReason.RELEASED)
    time.sleep(0.2)
    assert len(server.targets) == count
    assert robot.fault == ""
    # Another reset is all that it takes.
    ask(robot, server)
    confirm(robot)
    until(lambda: robot.pending_reset() == "")


def test_objects_lost_as_the_trajectory_begins_give_control_back_and_are_asked_for_again(
    robot: SawyerBackend, server: InteraDouble
) -> None:
    loop = RobotLoop(robot, mode=Mode.REALTIME, command_timeout_s=0.5, first_trajectory=7)

    def prompted() -> bool:
        loop.tick(time.monotonic())
        return bool(robot.prompt) and server.state.hold_reason is HoldReason.RELEASED

    loop.reset(time.monotonic())
    until(prompted)
    confirm(robot)
    # Control is taken meanwhile, and no pose comes.
    until(lambda: bool(server.state.lease_number))
    time.sleep(0.3)
    loop.tick(time.monotonic())
    assert (loop.phase, loop.faulted) == (Phase.RESETTING, False)
    assert not robot.prompt
    until(prompted)
    assert "once more because no pose of the block for" in loop.reason
    confirm(robot)
    until(lambda: bool(loop.tick(time.monotonic())))
    assert (loop.phase, loop.trajectory) == (Phase.RUNNING, 7)
