"""Slow moves: rest to rest, no faster than told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damsel_intera.errors import SettingError
from damsel_intera.limits import POSITION_HIGH, POSITION_LOW, VELOCITY
from damsel_intera.slow_move import SlowMove
from tests.intera.doubles import HOME

joints = st.tuples(
    *(st.floats(low, high) for low, high in zip(POSITION_LOW, POSITION_HIGH, strict=True))
)


@given(joints, joints, st.floats(0.02, 1.0))
def test_it_starts_and_ends_where_it_should_at_no_more_than_its_speed(
    start: tuple[float, ...], target: tuple[float, ...], ratio: float
) -> None:
    move = SlowMove(start, target, ratio)
    assert move.at(0.0) == pytest.approx(start)
    assert move.at(move.duration_s) == pytest.approx(target)
    assert move.at(move.duration_s + 1) == pytest.approx(target)
    step_s = move.duration_s / 200
    for tick in range(200):
        before, after = move.at(tick * step_s), move.at((tick + 1) * step_s)
        for a, b, limit in zip(before, after, VELOCITY, strict=True):
            assert abs(b - a) <= limit * ratio * step_s * 1.0001 + 1e-12


def test_a_short_move_still_takes_its_time() -> None:
    assert SlowMove(HOME, HOME, 1.0).duration_s == 0.5


@pytest.mark.parametrize("ratio", [0.0, -0.1, 1.01])
def test_the_speed_ratio_is_checked(ratio: float) -> None:
    with pytest.raises(SettingError, match=r"allowed: \(0, 1\]"):
        SlowMove(HOME, HOME, ratio)


def test_the_target_is_within_the_joints_limits() -> None:
    with pytest.raises(SettingError, match=r"right_j1 to 2.3000 rad; allowed: -3.8095 to 2.2736"):
        SlowMove(HOME, (0.0, 2.3, *HOME[2:]), 0.1)
