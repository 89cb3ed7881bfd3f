"""What the virtual robot's joints make of commands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damsel_intera.limits import ACCELERATION, POSITION_HIGH, POSITION_LOW, VELOCITY
from damsel_intera.virtual.commands import JointCommand, Mode, SetPoint
from tests.intera.doubles import HOME

PERIOD_S = 0.01
START = np.array(HOME)


def run(set_point: SetPoint, seconds: float, now_s: float = 0.0) -> float:
    for _ in range(round(seconds / PERIOD_S)):
        set_point.advance(now_s, PERIOD_S)
        now_s += PERIOD_S
    return now_s


def test_a_position_is_reached_though_no_more_commands_come() -> None:
    set_point = SetPoint(START)
    set_point.take(JointCommand(Mode.POSITION, START + 0.5, 0.0))
    run(set_point, 3.0)
    assert set_point.positions == pytest.approx(START + 0.5, abs=1e-3)
    assert set_point.velocities == pytest.approx(np.zeros(7), abs=1e-2)


def test_a_velocity_ends_with_the_command_timeout() -> None:
    set_point = SetPoint(START)
    set_point.timeout_s = 0.2
    set_point.take(JointCommand(Mode.VELOCITY, np.full(7, 0.5), 0.0))
    run(set_point, 0.2)
    assert set_point.velocities == pytest.approx(np.full(7, 0.5))
    now_s = run(set_point, 0.2, 0.21)
    stopped = set_point.positions.copy()
    run(set_point, 1.0, now_s)
    assert set_point.positions == pytest.approx(stopped, abs=0.02)
    assert set_point.velocities == pytest.approx(np.zeros(7), abs=1e-2)


def test_the_speed_ratio_limits_positions() -> None:
    set_point = SetPoint(START)
    set_point.speed_ratio = 0.1
    set_point.take(JointCommand(Mode.POSITION, START + 1.0, 0.0))
    run(set_point, 1.0)
    assert set_point.velocities == pytest.approx(0.1 * np.array(VELOCITY))


def test_freezing_forgets_every_command() -> None:
    set_point = SetPoint(START)
    set_point.take(JointCommand(Mode.POSITION, START + 1.0, 0.0))
    run(set_point, 0.2)
    set_point.freeze(START)
    run(set_point, 1.0)
    assert np.array_equal(set_point.positions, START)


values = st.tuples(*[st.floats(-10, 10)] * 7).map(np.array)


@given(
    st.lists(st.tuples(st.sampled_from(Mode), values, st.integers(1, 30)), max_size=8),
    st.floats(0.0, 1.0),
)
def test_no_command_breaks_the_joints_limits(
    commands: list[tuple[Mode, np.ndarray, int]], ratio: float
) -> None:
    set_point = SetPoint(START)
    set_point.speed_ratio = ratio
    now_s = 0.0
    for mode, target, ticks in commands:
        set_point.take(JointCommand(mode, target, now_s))
        for _ in range(ticks):
            before = set_point.velocities
            set_point.advance(now_s, PERIOD_S)
            now_s += PERIOD_S
            change = np.abs(set_point.velocities - before)
            assert np.all(change <= np.array(ACCELERATION) * PERIOD_S * 1.000001)
            assert np.all(np.abs(set_point.velocities) <= np.array(VELOCITY) * 1.000001)
            assert np.all(set_point.positions >= POSITION_LOW)
            assert np.all(set_point.positions <= POSITION_HIGH)
