"""What the robot node of a physical arm hears of the objects, and tells of its enabling."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node

from damsel.rigid import RigidTransform
from damsel_ros.attendance import Attendance
from damsel_ros.conversions import pose_to_message
from tests.ros.doubles import DoubleRobot


class AttendedDouble(DoubleRobot):
    """An arm that notes what it hears of the objects."""

    prompt = ""

    def see_object(self, name: str, frame_id: str, marker: RigidTransform, stamp_s: float) -> None:
        self.calls.append(f"see {name} in {frame_id} at {stamp_s:g}")

    def refuse_object(self, name: str, cause: str) -> None:
        self.calls.append(f"refuse {name}: {cause}")


@pytest.fixture
def node(domain_id: int) -> Iterator[Node]:
    node = Node("robot")
    yield node
    node.destroy_node()


def test_a_pose_without_a_turn_is_refused_for_its_object(node: Node) -> None:
    robot = AttendedDouble()
    attendance = Attendance(node, robot, hold=lambda _: None, enabled=lambda _: None)
    turned = PoseStamped()
    turned.pose.orientation.w = 0.0
    attendance._on_pose("block", turned)
    assert robot.calls == [
        "refuse block: quaternion is [0.0, 0.0, 0.0, 0.0]; allowed: x, y, z, w of unit length"
    ]
    good = pose_to_message((0.5, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0), Time(sec=5))
    attendance._on_pose("block", good)
    assert robot.calls[1:] == ["see block in base at 5"]
