"""Which numbers of a sensor_msgs/JointState are the arm's."""

from __future__ import annotations

from types import SimpleNamespace

from damsel_intera.limits import JOINT_NAMES
from damsel_intera.ros_node import arm_joints


def _message(names: list[str], values: list[float]) -> SimpleNamespace:
    return SimpleNamespace(name=names, position=values, velocity=values, effort=values)


def test_joints_are_found_by_name_whatever_is_between_them() -> None:
    names = ["head_pan", *reversed(JOINT_NAMES), "torso_t0"]
    positions, velocities, efforts = arm_joints(_message(names, [float(n) for n in range(9)]))
    assert positions == velocities == efforts == (7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0)


def test_what_lacks_is_left_out_and_not_made_up() -> None:
    names = list(JOINT_NAMES)
    assert arm_joints(_message(names[:6], [0.0] * 6))[0] == (0.0,) * 6
    assert arm_joints(_message(names, [1.0] * 3))[0] == (1.0,) * 3
