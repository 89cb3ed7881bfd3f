"""The control loop: which commands move the arm, and what ends a trajectory."""

from __future__ import annotations

import numpy as np
import pytest

from damsel.errors import RobotError
from damsel_ros.events import Applied, Observed, Status
from damsel_ros.robot_loop import Mode, Phase, RobotLoop
from tests.ros.doubles import DoubleRobot

FORWARD = np.array([0.004, 0.0, 0.0])
PERIOD_S = 0.05


def make_loop(mode: Mode, robot: DoubleRobot | None = None) -> tuple[RobotLoop, DoubleRobot]:
    robot = robot or DoubleRobot()
    return RobotLoop(robot, mode=mode, command_timeout_s=0.5, first_trajectory=7), robot


def test_reset_begins_a_trajectory_with_its_first_observation() -> None:
    loop, _ = make_loop(Mode.LOCKSTEP)
    (observed,) = loop.reset(0.0)
    assert isinstance(observed, Observed)
    assert (observed.trajectory, observed.step) == (7, 0)
    (again,) = loop.reset(1.0)
    assert again.trajectory == 8


def test_lockstep_steps_once_for_the_command_of_the_current_step() -> None:
    loop, robot = make_loop(Mode.LOCKSTEP)
    loop.reset(0.0)
    applied, observed = loop.command(7, 0, FORWARD, 0.1)
    assert isinstance(applied, Applied)
    assert isinstance(observed, Observed)
    assert (applied.step, observed.step) == (0, 1)
    np.testing.assert_array_equal(applied.applied.displacement_base, FORWARD)
    np.testing.assert_array_equal(observed.observation[:3], FORWARD)
    assert robot.calls == ["reset", "step"]


@pytest.mark.parametrize(("trajectory", "step"), [(7, 1), (6, 0), (8, 0)])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_command_for_another_observation_is_dropped(
    mode: Mode, trajectory: int, step: int
) -> None:
    loop, robot = make_loop(mode)
    loop.reset(0.0)
    assert loop.command(trajectory, step, FORWARD, 0.1) == []
    assert robot.calls == ["reset"]
    assert loop.ignored == 1


@pytest.mark.parametrize("mode", list(Mode))
def test_a_repeated_command_moves_the_arm_once(mode: Mode) -> None:
    loop, robot = make_loop(mode)
    loop.reset(0.0)
    loop.command(7, 0, FORWARD, 0.01)
    assert loop.command(7, 0, FORWARD, 0.02) == []
    assert robot.calls == ["reset", "step"]


@pytest.mark.parametrize("mode", list(Mode))
def test_nothing_moves_before_a_reset(mode: Mode) -> None:
    loop, robot = make_loop(mode)
    assert loop.command(0, 0, FORWARD, 0.0) == []
    assert loop.tick(10.0) == []
    assert robot.calls == []


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_command_that_is_not_finite_stops_the_trajectory(mode: Mode, bad: float) -> None:
    loop, robot = make_loop(mode)
    loop.reset(0.0)
    (stopped,) = loop.command(7, 0, np.array([bad, 0.0, 0.0]), 0.1)
    assert stopped.status is Status.STOPPED
    assert stopped.reason == "the command of step 0 is not finite"
    assert robot.calls == ["reset", "hold"]
    assert loop.command(7, 0, FORWARD, 0.2) == []


@pytest.mark.parametrize("mode", list(Mode))
def test_silence_ends_the_trajectory_with_the_arm_held(mode: Mode) -> None:
    loop, robot = make_loop(mode)
    loop.reset(0.0)
    loop.command(7, 0, FORWARD, 0.1)
    events = loop.tick(0.61)
    assert events[-1].status is Status.HELD
    assert events[-1].reason == "no command for 0.5 s, the arm holds"
    assert robot.calls[-1] == "hold"
    assert loop.phase is Phase.HOLDING
    assert loop.faulted
    assert loop.command(7, loop.step, FORWARD, 0.7) == []
    assert loop.tick(0.8) == []


def test_lockstep_time_stands_still_without_commands() -> None:
    loop, robot = make_loop(Mode.LOCKSTEP)
    loop.reset(0.0)
    assert loop.tick(0.4) == []
    assert robot.calls == ["reset"]


def test_realtime_applies_on_arrival_and_observes_at_the_tick() -> None:
    loop, _ = make_loop(Mode.REALTIME)
    loop.reset(0.0)
    (applied,) = loop.command(7, 0, FORWARD, 0.01)
    assert applied.status is Status.OK
    (observed,) = loop.tick(PERIOD_S)
    assert observed.step == 1
    np.testing.assert_array_equal(observed.observation[:3], FORWARD)


def test_realtime_holds_over_a_step_without_a_command() -> None:
    loop, robot = make_loop(Mode.REALTIME)
    loop.reset(0.0)
    held, observed = loop.tick(PERIOD_S)
    assert held.status is Status.HELD
    assert held.reason == "no command for step 0"
    np.testing.assert_array_equal(robot.position, np.zeros(3))
    assert observed.step == 1
    assert loop.command(7, 0, FORWARD, 0.06) == []  # too late


@pytest.mark.parametrize("mode", list(Mode))
def test_a_hold_on_request_is_no_fault(mode: Mode) -> None:
    loop, robot = make_loop(mode)
    loop.reset(0.0)
    (stopped,) = loop.hold("asked to")
    assert (stopped.status, stopped.reason) == (Status.STOPPED, "asked to")
    assert loop.phase is Phase.HOLDING
    assert not loop.faulted
    assert robot.calls == ["reset", "hold"]
    # Whoever means to go on has to hear of it.
    (again,) = loop.hold("again")
    assert (again.status, again.reason) == (Status.STOPPED, "again")
    assert loop.reason == "asked to"
    assert robot.calls == ["reset", "hold"]


@pytest.mark.parametrize("mode", list(Mode))
def test_a_failing_robot_stops_the_trajectory_and_says_why(mode: Mode) -> None:
    loop, robot = make_loop(mode)
    loop.reset(0.0)
    robot.fail_with = "emergency stop pressed"
    (stopped,) = loop.command(7, 0, FORWARD, 0.1)
    assert (stopped.status, stopped.reason) == (Status.STOPPED, "emergency stop pressed")
    assert loop.phase is Phase.HOLDING


def test_a_failing_reset_leaves_the_arm_held() -> None:
    loop, robot = make_loop(Mode.LOCKSTEP)
    robot.fail_with = "no arm"
    with pytest.raises(RobotError, match=r"^no arm$"):
        loop.reset(0.0)
    assert loop.phase is Phase.HOLDING
    assert loop.command(7, 0, FORWARD, 0.1) == []


@pytest.mark.parametrize("mode", list(Mode))
def test_a_fault_that_somebody_has_looked_into_is_over_and_the_arm_holds(mode: Mode) -> None:
    loop, robot = make_loop(mode)
    loop.recover("enabled")
    assert loop.phase is Phase.IDLE
    loop.reset(0.0)
    loop.recover("enabled")
    assert (loop.phase, loop.reason) == (Phase.RUNNING, "")
    robot.fail_with = "emergency stop pressed"
    loop.command(7, 0, FORWARD, 0.1)
    assert loop.faulted
    loop.recover("enabled")
    assert (loop.phase, loop.reason, loop.faulted) == (Phase.HOLDING, "enabled", False)
    assert loop.command(7, 0, FORWARD, 0.2) == []


def test_trajectory_ids_stay_in_uint32() -> None:
    loop = RobotLoop(
        DoubleRobot(), mode=Mode.LOCKSTEP, command_timeout_s=0.5, first_trajectory=0xFFFFFFFF
    )
    assert loop.reset(0.0)[0].trajectory == 0xFFFFFFFF
    assert loop.reset(0.0)[0].trajectory == 1


# A reset that takes its time


def test_a_reset_that_takes_time_begins_the_trajectory_when_it_is_done() -> None:
    loop, robot = make_loop(Mode.REALTIME)
    robot.pending = "somebody puts the objects back"
    assert loop.reset(0.0) == []
    assert (loop.phase, loop.reason) == (Phase.RESETTING, robot.pending)
    # However long it takes, nobody is late with a command.
    assert loop.tick(60.0) == []
    robot.pending = ""
    (observed,) = loop.tick(60.05)
    assert isinstance(observed, Observed)
    assert (loop.phase, loop.reason) == (Phase.RUNNING, "")
    assert loop.command(observed.trajectory, 0, FORWARD, 60.1)


def test_a_reset_that_fails_later_leaves_the_arm_held() -> None:
    loop, robot = make_loop(Mode.REALTIME)
    robot.pending = "somebody puts the objects back"
    loop.reset(0.0)
    robot.fail_with = "nobody confirmed"
    assert loop.tick(1.0) == []
    assert (loop.phase, loop.reason, loop.faulted) == (Phase.HOLDING, "nobody confirmed", True)
    assert robot.calls[-1] == "hold"


def test_a_hold_ends_a_reset() -> None:
    loop, robot = make_loop(Mode.REALTIME)
    robot.pending = "somebody puts the objects back"
    loop.reset(0.0)
    assert loop.hold("canceled") == []
    assert (loop.phase, loop.reason) == (Phase.HOLDING, "canceled")
    robot.pending = ""
    assert loop.tick(1.0) == []
    assert loop.phase is Phase.HOLDING


def test_commands_do_nothing_during_a_reset() -> None:
    loop, robot = make_loop(Mode.REALTIME)
    robot.pending = "somebody puts the objects back"
    loop.reset(0.0)
    assert loop.command(7, 0, FORWARD, 0.1) == []
    assert "step" not in robot.calls


def test_lost_objects_hold_the_arm_and_have_the_trajectory_made_again() -> None:
    loop, robot = make_loop(Mode.REALTIME)
    loop.reset(0.0)
    loop.command(7, 0, FORWARD, 0.01)
    robot.lose_objects = "no pose of the block for 0.31 s"
    (held,) = loop.tick(0.05)
    assert (held.status, held.reason) == (Status.HELD, robot.lose_objects)
    assert loop.phase is Phase.HOLDING
    assert robot.calls[-1] == "hold"


@pytest.mark.parametrize("lost_at", [1, 2, 3])
def test_objects_that_are_lost_are_missed_in_the_step_that_led_there(lost_at: int) -> None:
    """Not in the one after: nobody would heed what becomes of a step after the last."""
    loop, robot = make_loop(Mode.REALTIME)
    loop.reset(0.0)
    for step in range(lost_at):
        loop.command(7, step, FORWARD, PERIOD_S * step + 0.01)
        robot.lose_objects = "no pose of the block" if step == lost_at - 1 else ""
        event = loop.tick(PERIOD_S * (step + 1))[-1]
    assert isinstance(event, Applied)
    assert (event.status, event.step) == (Status.HELD, lost_at - 1)


def test_objects_lost_as_the_trajectory_begins_are_asked_for_once_more() -> None:
    loop, robot = make_loop(Mode.REALTIME)
    robot.pending = "somebody puts the objects back"
    loop.reset(0.0)
    robot.pending, robot.lose_objects = "", "no pose of the block for 0.21 s"
    assert loop.tick(0.05) == []
    assert (loop.phase, loop.faulted) == (Phase.RESETTING, False)
    assert loop.reason == f"the reset begins once more because {robot.lose_objects}"
    assert robot.calls == ["reset", "reset"]
    robot.pending = "somebody puts the objects back"
    assert loop.tick(0.1) == []
    assert loop.reason == f"{robot.pending}, once more because {robot.lose_objects}"
    assert loop.command(7, 0, FORWARD, 0.12) == []
    robot.pending, robot.lose_objects = "", ""
    (observed,) = loop.tick(0.15)
    assert (observed.trajectory, observed.step) == (7, 0)
    assert (loop.phase, loop.reason) == (Phase.RUNNING, "")


def test_an_arm_that_may_not_be_reset_once_more_ends_the_reset() -> None:
    loop, robot = make_loop(Mode.REALTIME)
    robot.pending = "somebody puts the objects back"
    loop.reset(0.0)
    robot.pending, robot.lose_objects = "", "no pose of the block for 0.21 s"
    loop.tick(0.05)
    robot.fail_with = "emergency stop pressed"
    assert loop.tick(0.1) == []
    assert (loop.phase, loop.faulted, loop.reason) == (Phase.HOLDING, True, robot.fail_with)
    assert robot.calls[-1] == "hold"
