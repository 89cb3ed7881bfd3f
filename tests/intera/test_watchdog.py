"""The watchdog and the gauge for targets, by the clock that they are told."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damsel_intera.errors import SettingError
from damsel_intera.limits import POSITION_HIGH, VELOCITY
from damsel_intera.reasons import Refusal
from damsel_intera.watchdog import TargetGauge, Watchdog
from tests.intera.doubles import HOME

SLACK_S = 0.05


@pytest.fixture(name="gauge")
def started_gauge() -> TargetGauge:
    gauge = TargetGauge(SLACK_S)
    gauge.start(HOME, 0.0)
    return gauge


def at(joint_0: float) -> tuple[float, ...]:
    return (joint_0, *HOME[1:])


def test_the_watchdog_bites_after_its_time_and_not_before() -> None:
    watchdog = Watchdog(0.1)
    assert not watchdog.has_bitten(1e9)
    watchdog.feed(5.0)
    assert not watchdog.has_bitten(5.0999)
    assert watchdog.has_bitten(5.1)
    watchdog.feed(5.1)
    assert not watchdog.has_bitten(5.15)
    watchdog.stop()
    assert not watchdog.has_bitten(1e9)


@pytest.mark.parametrize("timeout_s", [0.0, -0.1, 1.1, math.nan])
def test_a_watchdog_that_would_not_guard_is_refused(timeout_s: float) -> None:
    with pytest.raises(SettingError, match="allowed: above 0, at most 1"):
        Watchdog(timeout_s)


def test_targets_at_the_joints_own_speed_are_accepted(gauge: TargetGauge) -> None:
    for tick in range(1, 101):
        target = at(0.9999 * VELOCITY[0] * 0.01 * tick)
        assert gauge.judge(target, 0.01 * tick) is Refusal.NONE


def test_a_lost_command_and_a_burst_are_no_jump(gauge: TargetGauge) -> None:
    speed = VELOCITY[0]
    # Nothing for four ticks, then all of them at once.
    for tick in range(1, 5):
        assert gauge.judge(at(speed * 0.01 * tick), 0.04) is Refusal.NONE


def test_a_jump_is_refused_and_changes_nothing(gauge: TargetGauge) -> None:
    assert gauge.judge(at(VELOCITY[0] * SLACK_S * 1.001), 0.0) is Refusal.JUMP
    assert gauge.judge(at(VELOCITY[0] * SLACK_S * 0.999), 0.0) is Refusal.NONE


def test_waiting_does_not_save_up_for_a_larger_jump(gauge: TargetGauge) -> None:
    assert gauge.judge(at(VELOCITY[0] * SLACK_S * 1.001), 100.0) is Refusal.JUMP


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(gauge: TargetGauge, value: float) -> None:
    assert gauge.judge(at(value), 1.0) is Refusal.NOT_FINITE


def test_joint_limits_hold_but_let_a_joint_come_back() -> None:
    gauge = TargetGauge(SLACK_S)
    gauge.start(at(POSITION_HIGH[0] + 0.02), 0.0)
    assert gauge.judge(at(POSITION_HIGH[0] + 0.03), 1.0) is Refusal.JOINT_LIMIT
    assert gauge.judge(at(POSITION_HIGH[0] + 0.01), 1.0) is Refusal.NONE
    assert gauge.judge(at(POSITION_HIGH[0] - 0.01), 2.0) is Refusal.NONE
    assert gauge.judge(at(POSITION_HIGH[0] + 0.01), 3.0) is Refusal.JOINT_LIMIT


@given(st.lists(st.tuples(st.floats(0, 0.2), st.floats(-0.5, 0.5)), max_size=60))
def test_no_sequence_of_targets_outruns_the_joints(steps: list[tuple[float, float]]) -> None:
    gauge = TargetGauge(SLACK_S)
    gauge.start(HOME, 0.0)
    now_s = way = joint = 0.0
    for wait_s, step in steps:
        now_s += wait_s
        if gauge.judge(at(joint + step), now_s) is Refusal.NONE:
            joint += step
            way += abs(step)
    assert way <= VELOCITY[0] * (SLACK_S + 1.05 * now_s) + 1e-9
