"""The virtual robot's publishers, and the messages that they carry."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from damsel_intera import limits
from damsel_intera.messages import message_class
from damsel_intera.virtual.arm import VirtualArm
from damsel_intera.virtual.assembly import Assembly
from damsel_intera.virtual.kinematics import Pose, RobotKinematics
from damsel_intera.wire import JOINT_NAMES

__all__ = ["LIMB", "RobotTopics", "pose_of", "set_pose"]

LIMB = "/robot/limb/right/"

# As on the robot, whose joint states tell about more than the arm.
_BEFORE, _AFTER = ("head_pan",), ("torso_t0",)


class RobotTopics:
    """Publishes what a Sawyer publishes."""

    def __init__(self, rospy: Any, tips: tuple[str, ...]) -> None:
        from sensor_msgs.msg import JointState

        self._rospy = rospy
        self._tips = tips
        self._kinematics = RobotKinematics()
        self._joint_state = JointState
        self._classes = {
            name: message_class(name)
            for name in (
                "RobotAssemblyState",
                "EndpointState",
                "EndpointStates",
                "CollisionDetectionState",
                "CollisionAvoidanceState",
                "JointLimits",
            )
        }
        self._joints = rospy.Publisher("/robot/joint_states", JointState, queue_size=10)
        self._assembly = self._publisher("/robot/state", "RobotAssemblyState")
        self._endpoint = self._publisher(f"{LIMB}endpoint_state", "EndpointState")
        self._tip_states = self._publisher(f"{LIMB}tip_states", "EndpointStates")
        self._collision = self._publisher(
            f"{LIMB}collision_detection_state", "CollisionDetectionState"
        )
        self._avoidance = self._publisher(
            f"{LIMB}collision_avoidance_state", "CollisionAvoidanceState"
        )
        self._limits = self._publisher("/robot/joint_limits", "JointLimits", latch=True)
        self._limits.publish(
            joint_names=list(JOINT_NAMES),
            position_lower=list(limits.POSITION_LOW),
            position_upper=list(limits.POSITION_HIGH),
            velocity=list(limits.VELOCITY),
            accel=list(limits.ACCELERATION),
            effort=list(limits.EFFORT),
        )

    def _publisher(self, topic: str, name: str, latch: bool = False) -> Any:
        return self._rospy.Publisher(topic, self._classes[name], queue_size=1, latch=latch)

    def joint_state(self, arm: VirtualArm) -> Any:
        """The message about the joints now."""
        message = self._joint_state(name=[*_BEFORE, *JOINT_NAMES, *_AFTER])
        message.header.stamp = self._rospy.Time.now()
        message.position = [0.0, *map(float, arm.joint_positions), 0.0]
        message.velocity = [0.0, *map(float, arm.joint_velocities), 0.0]
        message.effort = [0.0, *map(float, arm.joint_efforts), 0.0]
        return message

    def publish_joints(self, message: Any) -> None:
        """Send a message about the joints."""
        self._joints.publish(message)

    def publish_endpoints(self, arm: VirtualArm) -> None:
        """Send where the tips are."""
        states = [self._endpoint_state(arm, tip) for tip in self._tips]
        self._endpoint.publish(states[0])
        message = self._classes["EndpointStates"](names=list(self._tips), states=states)
        message.header.stamp = states[0].header.stamp
        self._tip_states.publish(message)

    def _endpoint_state(self, arm: VirtualArm, tip: str) -> Any:
        message = self._classes["EndpointState"](valid=True)
        message.header.stamp = self._rospy.Time.now()
        message.header.frame_id = "base"
        set_pose(message.pose, self._kinematics.of(arm.data, tip))
        return message

    def publish_assembly(self, assembly: Assembly) -> None:
        """Send the robot's own state."""
        self._assembly.publish(
            homed=True,
            ready=assembly.ready,
            enabled=assembly.enabled,
            stopped=assembly.stopped,
            error=assembly.error,
            lowVoltage=False,
            estop_button=assembly.estop_button,
            estop_source=assembly.estop_source,
        )

    def publish_collision(self, collided: bool) -> None:
        """Send whether the robot feels a collision, and that it sees none coming."""
        detection = self._classes["CollisionDetectionState"](collision_state=collided)
        avoidance = self._classes["CollisionAvoidanceState"]()
        detection.header.stamp = avoidance.header.stamp = self._rospy.Time.now()
        self._collision.publish(detection)
        self._avoidance.publish(avoidance)


def set_pose(message: Any, pose: Pose) -> None:
    """Fill a geometry_msgs/Pose."""
    position, orientation = message.position, message.orientation
    position.x, position.y, position.z = map(float, pose.position)
    orientation.x, orientation.y, orientation.z, orientation.w = map(float, pose.quaternion)


def pose_of(message: Any) -> Pose:
    """Read a geometry_msgs/Pose."""
    position, orientation = message.position, message.orientation
    quaternion: NDArray[np.float64] = np.array(
        [orientation.x, orientation.y, orientation.z, orientation.w]
    )
    return Pose(np.array([position.x, position.y, position.z]), quaternion)
