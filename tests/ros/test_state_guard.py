"""What the guard says of states, without sockets and without waiting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from damsel_intera.wire import Activity, Header, HoldReason, State
from damsel_ros.backends.state_guard import GuardCfg, StateGuard
from tests.ros.intera_double import RESTING

CFG = GuardCfg()


def header(sequence: int, stamp_s: float) -> Header:
    return Header(session=5, lease=0, sequence=sequence, monotonic_s=stamp_s, wall_s=0.0)


def guard(state: State = RESTING, at_s: float = 100.0) -> StateGuard:
    guard = StateGuard(CFG)
    guard.take(state, header(1, at_s), now_s=at_s)
    return guard


def test_before_the_first_state_there_is_a_problem() -> None:
    empty = StateGuard(CFG)
    assert empty.stream_problem(0.0) == "no state has come from the Intera server"
    assert np.isnan(empty.joint_positions).all()
    assert empty.age_s(0.0) == np.inf


def test_age_counts_from_the_robots_measurement() -> None:
    old = guard(replace(RESTING, robot_age_s=0.03))
    assert old.age_s(100.05) == pytest.approx(0.08)
    assert old.stream_problem(100.05) == ""
    assert "0.11 s old (allowed: 0.1 s)" in old.stream_problem(100.08)


def test_a_delay_that_grows_is_told_from_clocks_that_differ() -> None:
    # The server's clock is 1000 s ahead of ours, and its states take 2 ms.
    delayed = StateGuard(CFG)
    for step in range(100):
        delayed.take(RESTING, header(step, 1100.0 + 0.01 * step), 100.002 + 0.01 * step)
    assert delayed.stream_problem(101.0) == ""
    delayed.take(RESTING, header(100, 1101.0), 101.2)
    assert "states arrive late" in delayed.stream_problem(101.2)


def test_clocks_that_drift_are_followed() -> None:
    drifting = StateGuard(CFG)
    for step in range(12_000):
        drifting.take(RESTING, header(step, 0.01 * step * (1 - 1e-4)), 0.01 * step)
    # 12 ms in these two minutes; only what half a minute makes of it counts as a delay.
    assert drifting.age_s(0.01 * 11_999) < 0.006


def test_our_own_clock_that_jumps_back_is_named() -> None:
    assert guard().stream_problem(99.0) == "the clock of this machine jumped back by 1.00 s"


def test_a_gap_followed_by_a_catching_up_is_no_jump_of_the_clock() -> None:
    late = guard()
    late.take(RESTING, header(2, 100.01), 100.71)
    late.take(RESTING, header(3, 100.72), 100.72)
    assert late.stream_problem(100.72) == ""


def test_after_a_long_gap_an_old_state_is_old_and_a_new_one_no_jump_of_the_clock() -> None:
    late = guard()
    late.take(RESTING, header(2, 102.0), 134.0)  # read by a process that stood still
    assert late.age_s(134.0) == pytest.approx(32.0 + RESTING.robot_age_s)
    assert "states arrive late" in late.stream_problem(134.0)
    late.take(RESTING, header(3, 134.01), 134.01)
    assert late.stream_problem(134.01) == ""


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"estop_button": 1, "enabled": False}, "the emergency stop is pressed"),
        ({"estop_button": 3, "enabled": False}, "is still stopped"),
        ({"collision": True}, "the robot felt a collision"),
        ({"error": True}, "the robot reports an error"),
        ({"stopped": True}, "the robot is stopped"),
        ({"enabled": False}, "the robot is not enabled"),
        ({"enabled": False, "homed": False}, "are not homed"),
        (
            {"hold_reason": HoldReason.ROBOT_SILENT},
            "the Intera server holds the arm: the robot's own states are late or missing",
        ),
        ({}, ""),
        ({"hold_reason": HoldReason.STALE}, ""),
    ],
)
def test_the_arms_own_problems(fields: dict[str, object], says: str) -> None:
    problem = guard(replace(RESTING, **fields)).arm_problem()  # type: ignore[arg-type]
    assert says in problem
    assert bool(says) == bool(problem)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"lease_number": 3}, ""),
        ({"lease_number": 4}, "another controller"),
        ({"lease_number": 0, "hold_reason": HoldReason.STALE}, "no fresh command"),
        (
            {"lease_number": 0, "activity": Activity.FOLLOWING, "hold_reason": HoldReason.NONE},
            "knows nothing of our control",
        ),
    ],
)
def test_who_has_control(fields: dict[str, object], says: str) -> None:
    problem = guard(replace(RESTING, **fields)).control_problem(3)  # type: ignore[arg-type]
    assert says in problem
    assert bool(says) == bool(problem)


def test_an_arm_that_is_held_back_is_named_after_a_while() -> None:
    held = guard()
    commanded = held.joint_positions
    commanded[3] += 0.3
    assert held.tracking_problem(commanded, 100.0) == ""
    assert held.tracking_problem(commanded, 100.2) == ""
    assert "right_j3 is 0.30 rad from its target" in held.tracking_problem(commanded, 100.4)
    assert held.tracking_problem(held.joint_positions, 100.5) == ""
    assert held.tracking_problem(commanded, 100.6) == ""
