"""Talks to the (virtual) robot as any ROS 1 program would; prints what it found as JSON."""

from __future__ import annotations

import json
import sys
import time

from damsel_intera.messages import message_class, service_class
from damsel_intera.ros_node import start_node
from damsel_intera.wire import JOINT_NAMES

rospy = start_node("by_topics")
from sensor_msgs.msg import JointState  # noqa: E402 - ROS 1's, which the node has made findable
from std_msgs.msg import Bool, Float64  # noqa: E402

found = {}
joints = {}
limits = {}
JointCommand = message_class("JointCommand")


def on_joints(message):
    joints.update(zip(message.name, message.position))


def on_limits(message):
    limits["joint_names"] = message.joint_names
    limits["velocity"] = message.velocity


rospy.Subscriber("/robot/joint_states", JointState, on_joints, queue_size=1)
rospy.Subscriber("/robot/joint_limits", message_class("JointLimits"), on_limits, queue_size=1)
enable = rospy.Publisher("/robot/set_super_enable", Bool, queue_size=1)
timeout = rospy.Publisher(
    "/robot/limb/right/joint_command_timeout", Float64, queue_size=1, latch=True
)
command = rospy.Publisher("/robot/limb/right/joint_command", JointCommand, queue_size=1)
timeout.publish(0.2)
for _ in range(50):
    enable.publish(True)
    time.sleep(0.02)


def right():
    return [joints[name] for name in JOINT_NAMES]


def send(seconds, **fields):
    """Send a command at 50 Hz for a while; tells where the joints were before and after."""
    before = right()
    for _ in range(round(seconds * 50)):
        command.publish(**fields)
        time.sleep(0.02)
    return [before, right()]


found["velocity"] = send(0.5, mode=JointCommand.VELOCITY_MODE, names=["right_j0"], velocity=[0.2])
time.sleep(0.6)
stopped = right()
time.sleep(0.4)
found["after_timeout"] = [stopped, right()]
goal = [*right()]
goal[6] += 0.1
found["one_joint"] = send(
    1.0, mode=JointCommand.POSITION_MODE, names=["right_j6"], position=[goal[6]]
)
found["nan"] = send(
    0.2, mode=JointCommand.POSITION_MODE, names=["right_j0"], position=[float("nan")]
)
found["wrong_name"] = send(0.2, mode=JointCommand.POSITION_MODE, names=["left_j0"], position=[1.0])
found["wrong_length"] = send(
    0.2, mode=JointCommand.POSITION_MODE, names=["right_j0", "right_j1"], position=[1.0]
)
found["trajectory"] = send(
    0.2, mode=JointCommand.TRAJECTORY_MODE, names=["right_j0"], position=[1.0]
)

folder = "/ExternalTools/right/PositionKinematicsNode/"
fk = rospy.ServiceProxy(f"{folder}FKService", service_class("SolvePositionFK"))
ik = rospy.ServiceProxy(f"{folder}IKService", service_class("SolvePositionIK"))
FKRequest, IKRequest = (
    message_class("SolvePositionFKRequest"),
    message_class("SolvePositionIKRequest"),
)
here = JointState(name=list(JOINT_NAMES), position=right())
answer = fk(FKRequest(configuration=[here, here], tip_names=["right_hand", "nose"]))
found["fk_valid"] = list(map(bool, answer.isValid))
pose = answer.pose_stamp[0]
found["hand"] = [pose.pose.position.x, pose.pose.position.y, pose.pose.position.z]
answer = ik(
    IKRequest(
        pose_stamp=[pose, pose],
        tip_names=["right_hand", "nose"],
        seed_mode=1,
        seed_angles=[here, here],
    )
)
found["ik_results"] = list(answer.result_type)
again = fk(FKRequest(configuration=[answer.joints[0]], tip_names=["right_hand"])).pose_stamp[0].pose
found["hand_again"] = [again.position.x, again.position.y, again.position.z]
found["limits"] = limits
found["parameters"] = {
    name: rospy.get_param(name)
    for name in (
        "/robot_config/assembly_names",
        "/robot_config/right_config/joint_names",
        "/named_poses/right/poses/neutral",
        "/manifest/robot_class",
    )
}
found["others"] = sorted(set(joints) - set(JOINT_NAMES))
json.dump(found, sys.stdout)
