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


class Stream:
    """Poses of a camera at 30 Hz, each 30 ms under way, while somebody looks after the scene."""

    def __init__(self, camera: PoseClock) -> None:
        self.camera = camera
        self.now_s = 100.0
        self.age_s = 0.0

    def go_on(self, duration_s: float, ahead_s: float = 0.0, *, anew: bool = True) -> None:
        """Let poses come that are stamped so far ahead, and keep the age of the last."""
        end_s = self.now_s + duration_s
        while self.now_s < end_s - 1e-6:
            self.now_s += 1 / 30
            stamp_s = self.now_s - 0.03 + ahead_s
            self.age_s = self.now_s - self.camera.measured_s(stamp_s, self.now_s, anew=anew)


@pytest.mark.parametrize("jump_s", [0.25, 0.5, 1.9])
def test_a_clock_that_is_set_back_by_little_is_forgiven_within_seconds(jump_s: float) -> None:
    stream = Stream(clock(0.0))
    stream.go_on(10.0)
    stream.go_on(2.0, -jump_s)
    assert stream.age_s == pytest.approx(jump_s, abs=0.02)
    stream.go_on(4.5, -jump_s)
    assert stream.age_s == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("ahead_s", [0.25, 0.5, 1.9])
def test_one_pose_that_was_stamped_ahead_is_forgotten_within_seconds(ahead_s: float) -> None:
    stream = Stream(clock(0.0))
    stream.go_on(10.0)
    stream.go_on(1 / 30, ahead_s)
    stream.go_on(6.5)
    assert stream.age_s == pytest.approx(0.0, abs=0.01)


def test_nothing_is_forgiven_within_a_trajectory() -> None:
    stream = Stream(clock(0.0))
    stream.go_on(10.0)
    stream.go_on(20.0, -0.5, anew=False)
    assert stream.age_s == pytest.approx(0.48, abs=0.02)
    # Nor by what came before somebody looked after the scene.
    stream.go_on(2.5, -0.5)
    assert stream.age_s == pytest.approx(0.48, abs=0.02)


def test_a_few_late_poses_after_a_gap_are_late() -> None:
    stream = Stream(clock(0.0))
    stream.go_on(10.0)
    for _ in range(10):
        stream.now_s += 1.0
        stream.go_on(0.1, -0.5)
        assert stream.age_s == pytest.approx(0.48, abs=0.02)


def test_late_poses_between_quick_ones_stay_late() -> None:
    stream = Stream(clock(0.0))
    for _ in range(5):
        stream.go_on(2.0)
        stream.go_on(1.0, -0.5)
        assert stream.age_s == pytest.approx(0.5, abs=0.01)
