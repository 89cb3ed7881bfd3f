from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damsel.calibration import OBJECT_NAMES
from damsel.errors import InvalidConfigError, PerceptionError
from damsel.perception import (
    ObjectPoses,
    ObjectTracker,
    PerceptionCfg,
    misplaced,
    rest_positions,
)

CFG = PerceptionCfg(stale_s=0.2, jump_m=0.02, speed_m_s=0.6)
AT = np.array([0.55, 0.0, -0.07])


def tracker() -> ObjectTracker:
    tracker = ObjectTracker("block", CFG)
    tracker.see(AT, measured_s=10.0, now_s=10.01)
    return tracker


def test_a_fresh_pose_is_believed() -> None:
    block = tracker()
    assert block.problem(10.05) == ""
    np.testing.assert_array_equal(block.position_base, AT)


def test_an_object_that_was_never_seen_is_named() -> None:
    door = ObjectTracker("door_handle", CFG)
    assert door.problem(0.0) == "no pose of the door handle has come yet"
    with pytest.raises(PerceptionError, match="no pose of the door handle"):
        _ = door.position_base


def test_age_counts_from_the_measurement_not_from_the_arrival() -> None:
    block = ObjectTracker("block", CFG)
    block.see(AT, measured_s=10.0, now_s=10.3)
    assert block.problem(10.3) == (
        "poses of the block come 0.30 s late, or the clock that stamps them was set back "
        "(allowed: 0.2 s)"
    )


def test_poses_that_come_late_are_told_from_poses_that_do_not_come() -> None:
    block = tracker()
    for now_s in np.arange(10.05, 10.5, 0.05):
        block.see(AT, measured_s=now_s - 3600.0, now_s=now_s)
    assert block.problem(10.5).startswith("poses of the block come 3600.00 s late")
    block.see(AT, measured_s=10.5, now_s=10.5)
    assert block.problem(10.6) == ""
    assert block.problem(10.8) == "no pose of the block for 0.30 s (allowed: 0.2)"


def test_a_pose_that_comes_again_is_not_fresh() -> None:
    block = tracker()
    for now_s in np.arange(10.05, 10.5, 0.05):
        block.see(AT, measured_s=10.0, now_s=now_s)
    assert block.problem(10.5).startswith("poses of the block come 0.45 s late")


def test_an_older_pose_does_not_replace_a_newer_one() -> None:
    block = tracker()
    block.see(AT + 0.01, measured_s=9.9, now_s=10.02)
    np.testing.assert_array_equal(block.position_base, AT)


@pytest.mark.parametrize(
    ("position", "measured_s", "says"),
    [
        ([0.55, 0.1, -0.07], 10.05, "the pose of the block jumped by 0.100 m"),
        ([np.nan, 0.0, -0.07], 10.05, "a pose of the block is not finite"),
        ([0.0, 0.0, 0.0], 10.05, r"the block is seen at \(0.000, 0.000, 0.000\), where it cannot"),
    ],
)
def test_what_cannot_be_true_is_kept_out_until_taken_anew(
    position: list[float], measured_s: float, says: str
) -> None:
    block = tracker()
    block.see(np.array(position), measured_s, now_s=10.06)
    # A good pose afterwards does not make it forgotten.
    block.see(AT, measured_s=10.08, now_s=10.09)
    assert re.search(says, block.problem(10.1))
    np.testing.assert_array_equal(block.position_base, AT)
    block.see(AT, measured_s=10.2, now_s=10.21, anew=True)
    assert block.problem(10.22) == ""


@given(speed=st.floats(0.0, 0.55), period=st.floats(0.01, 0.15))
def test_motion_that_the_arm_can_cause_is_no_jump(speed: float, period: float) -> None:
    block = tracker()
    time_s, at = 10.0, AT.copy()
    for _ in range(5):
        time_s += period
        at = at + np.array([0.0, speed * period, 0.0])
        block.see(at, time_s, time_s)
    assert block.problem(time_s) == ""


def test_all_problems_are_named_together() -> None:
    poses = ObjectPoses(CFG)
    poses.see("block", AT, 10.0, 10.0)
    problem = poses.problem(10.1)
    assert (
        problem == "no pose of the door handle has come yet; no pose of the drawer handle has "
        "come yet"
    )
    with pytest.raises(PerceptionError, match="door handle"):
        poses.positions(10.1)


def test_positions_come_in_the_observations_order() -> None:
    poses = ObjectPoses(CFG)
    at = rest_positions()
    for name, position in zip(reversed(OBJECT_NAMES), at.reshape(3, 3)[::-1], strict=True):
        poses.see(name, position, 1.0, 1.0)
    np.testing.assert_array_equal(poses.positions(1.1), at)


def test_hands_may_move_an_object_while_that_is_allowed() -> None:
    poses = ObjectPoses(CFG)
    poses.see("block", AT, 1.0, 1.0)
    poses.jumps_allowed = True
    poses.see("block", AT + 0.2, 1.1, 1.1)
    poses.see("block", AT, 1.05, 1.1)
    assert "block" not in poses.problem(1.1)
    poses.jumps_allowed = False
    poses.see("block", AT, 1.15, 1.15)
    assert "the pose of the block jumped by 0.346 m" in poses.problem(1.15)


def test_objects_at_rest_are_not_misplaced_and_others_are_named() -> None:
    at = rest_positions()
    assert misplaced(at + 0.002, 0.01) == []
    at[0] += 0.031
    at[8] -= 0.5
    assert misplaced(at, 0.01) == [
        "the block is 0.031 m from its start (0.550, 0.000, -0.070)",
        "the drawer handle is 0.500 m from its start (0.725, -0.280, -0.030)",
    ]
    assert len(misplaced(np.full(9, np.nan), 0.01)) == 3


@pytest.mark.parametrize("wrong", [{"stale_s": 0.0}, {"jump_m": np.nan}, {"speed_m_s": 0.0}])
def test_limits_that_cannot_be_meant_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidConfigError, match=f"{next(iter(wrong))} is .*; allowed"):
        PerceptionCfg(**wrong)  # type: ignore[arg-type]
