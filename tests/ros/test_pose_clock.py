"""Poses are dated by a clock that nobody compares with ours."""

from __future__ import annotations

import pytest

from damsel_ros.backends.pose_clock import PoseClock

OFFSETS = [-1.7e9, -7200.0, 0.0, 86_400.0]


def clock(offset_s: float) -> PoseClock:
    """One that has seen poses of 30 ms before now, stamped by a clock that is so far ahead."""
    clock = PoseClock()
    for tick in range(10):
        clock.measured_s(offset_s + 99.0 + 0.1 * tick - 0.03, 99.0 + 0.1 * tick, anew=False)
    return clock


@pytest.mark.parametrize("offset_s", OFFSETS)
def test_how_far_ahead_the_clock_is_does_not_matter(offset_s: float) -> None:
    camera = clock(offset_s)
    assert camera.measured_s(offset_s + 99.97, 100.0, anew=False) == pytest.approx(100.0, abs=2e-3)
    assert camera.measured_s(offset_s + 99.8, 100.1, anew=False) == pytest.approx(99.83, abs=2e-3)


@pytest.mark.parametrize("jump_s", [0.3, 7200.0])
def test_a_clock_that_is_set_forward_is_not_felt(jump_s: float) -> None:
    camera = clock(0.0)
    assert camera.measured_s(99.97 + jump_s, 100.0, anew=False) == 100.0
    assert camera.measured_s(100.07 + jump_s, 100.1, anew=False) == pytest.approx(100.1, abs=2e-3)


def test_a_clock_that_is_set_back_makes_poses_late_until_they_are_taken_anew() -> None:
    camera = clock(0.0)
    late = camera.measured_s(99.97 - 3600.0, 100.0, anew=False)
    assert late == pytest.approx(100.0 - 3600.0, abs=2e-3)
    assert camera.measured_s(100.07 - 3600.0, 100.1, anew=True) == 100.1
    assert camera.measured_s(100.17 - 3600.0, 100.2, anew=False) == pytest.approx(100.2, abs=2e-3)


def test_poses_that_are_late_stay_late_though_they_are_taken_anew() -> None:
    camera = clock(0.0)
    assert camera.measured_s(99.0, 100.0, anew=True) == pytest.approx(99.03, abs=2e-3)
