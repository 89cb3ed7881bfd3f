"""Poses of markers that are refused, told for the object that they are of."""

from __future__ import annotations

import numpy as np
import pytest

from damsel.calibration import OBJECT_NAMES, Calibration
from damsel.errors import PerceptionError
from damsel.perception import PerceptionCfg, rest_positions
from damsel.rigid import RigidTransform
from damsel_ros.backends.marker_poses import MarkerPoses

NO_STAMP = (
    "a pose of the door handle was refused: it carries no stamp; allowed: when the picture was "
    "taken"
)
START = dict(zip(OBJECT_NAMES, rest_positions().reshape(3, 3), strict=True))


@pytest.fixture
def poses() -> MarkerPoses:
    return MarkerPoses(PerceptionCfg(), Calibration())


def see(poses: MarkerPoses, now_s: float, *, frame: str = "base", stamped: bool = True) -> None:
    """Show all objects; only the door handle is otherwise than it should be."""
    for name, at in START.items():
        odd = name == "door_handle"
        marker = RigidTransform(np.eye(3), at)
        stamp_s = now_s if stamped or not odd else 0.0
        poses.see_marker(name, frame if odd else "base", marker, stamp_s, now_s)


def test_a_pose_in_an_unknown_frame_is_told_whatever_comes_of_the_others(
    poses: MarkerPoses,
) -> None:
    for tick in range(5):
        see(poses, 100.0 + 0.03 * tick, frame="cam0")
    problem = poses.problem(100.13)
    assert problem.startswith("the pose of the door_handle is in frame 'cam0', which")
    with pytest.raises(PerceptionError, match="in frame 'cam0'"):
        poses.positions(100.13)
    see(poses, 100.2)
    assert poses.problem(100.2) == ""


def test_a_pose_without_a_stamp_is_called_that_and_leaves_the_clock_alone(
    poses: MarkerPoses,
) -> None:
    poses.jumps_allowed = True
    for tick in range(30):
        see(poses, 100.0 + 0.03 * tick, stamped=False)
    assert poses.problem(101.0) == NO_STAMP
    see(poses, 101.0)
    assert poses.problem(101.0) == ""
    see(poses, 101.1, stamped=False)
    # What came before is still good.
    assert poses.problem(101.1) == ""
    assert NO_STAMP in poses.problem(101.4)


def test_a_pose_that_cannot_be_one_is_told_until_a_good_one_comes(poses: MarkerPoses) -> None:
    poses.refuse("block", "quaternion is all zero")
    assert poses.problem(100.0).startswith(
        "a pose of the block was refused: quaternion is all zero; no pose of the door handle"
    )
    see(poses, 100.0)
    assert poses.problem(100.0) == ""
