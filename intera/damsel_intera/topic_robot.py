"""The robot through its own ROS 1 topics; the vendor's SDK is not needed."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Sequence

from damsel_intera.messages import message_class
from damsel_intera.reasons import EndpointFrame
from damsel_intera.robot import RobotState
from damsel_intera.ros_node import (
    GRIPPER_TIP,
    HAND,
    JOINT_COMMAND,
    CollisionMemory,
    Endpoint,
    Listener,
    arm_joints,
    point_of,
    software_version,
    start_node,
    switch_on,
    telling,
    wait_until,
)
from damsel_intera.wire import JOINT_NAMES

__all__ = ["TopicRobot"]

_LIMB = "/robot/limb/right/"
_NO_ENDPOINT: Endpoint = ((0.0, 0.0, 0.0), EndpointFrame.NONE)
_ENDPOINT_FRESH_S = 0.1
_FIRST_STATE_S = 10.0
_TRANSITION_S = 5.0  # the vendor allows as much for each


class TopicRobot:
    """Implements `RobotPort`."""

    kind = "topics"

    def __init__(self) -> None:
        """Join the robot's ROS 1 and wait for its states.

        Raises:
            RobotPortError: If there is no ROS 1, no master or no robot.
        """
        rospy = self._rospy = start_node("damsel_intera_server")
        from sensor_msgs.msg import JointState
        from std_msgs.msg import Bool, Empty, Float64

        self._lock = threading.Lock()
        self._joints: tuple[Any, float] | None = None
        self._assembly: tuple[Any, float] | None = None
        self._endpoint: tuple[Endpoint, float] = (_NO_ENDPOINT, 0.0)
        self._collision = CollisionMemory()
        self._callback: Callable[[], None] = lambda: None
        self._command_class = message_class("JointCommand")
        self._command = rospy.Publisher(
            JOINT_COMMAND, self._command_class, queue_size=1, tcp_nodelay=True
        )
        self._speed = rospy.Publisher(f"{_LIMB}set_speed_ratio", Float64, latch=True, queue_size=10)
        self._timeout = rospy.Publisher(
            f"{_LIMB}joint_command_timeout", Float64, latch=True, queue_size=10
        )
        self._enable = rospy.Publisher("/robot/set_super_enable", Bool, queue_size=10)
        self._reset = rospy.Publisher("/robot/set_super_reset", Empty, queue_size=10)
        self._stop = rospy.Publisher("/robot/set_super_stop", Empty, queue_size=10)
        self._subscriptions = [
            rospy.Subscriber(topic, kind, callback, queue_size=1, tcp_nodelay=True)
            for topic, kind, callback in (
                (
                    f"{_LIMB}collision_detection_state",
                    message_class("CollisionDetectionState"),
                    self._on_collision,
                ),
                (f"{_LIMB}tip_states", message_class("EndpointStates"), self._on_tips),
                ("/robot/state", message_class("RobotAssemblyState"), self._on_assembly),
                ("/robot/joint_states", JointState, self._on_joints),
            )
        ]
        wait_until(lambda: self.state() is not None, _FIRST_STATE_S, "send its states")
        self._listener = Listener(self._command)
        self._listener.find()

    def _on_joints(self, message: Any) -> None:
        if not set(JOINT_NAMES) & set(message.name):
            return  # some other part of the robot tells about its joints
        self._joints = (message, time.monotonic())
        self._callback()

    def _on_assembly(self, message: Any) -> None:
        self._assembly = (message, time.monotonic())

    def _on_collision(self, message: Any) -> None:
        self._collision.tell(bool(message.collision_state))
        self._callback()

    def _on_tips(self, message: Any) -> None:
        tips: dict[str, Any] = dict(zip(message.names, message.states))
        if GRIPPER_TIP in tips:
            endpoint = point_of(tips[GRIPPER_TIP], EndpointFrame.RIGHT_GRIPPER_TIP)
        elif HAND in tips:
            endpoint = point_of(tips[HAND], EndpointFrame.RIGHT_HAND)
        else:
            endpoint = _NO_ENDPOINT
        self._endpoint = (endpoint, time.monotonic())

    def state(self) -> RobotState | None:
        """The newest state, or None before the first."""
        if self._joints is None or self._assembly is None:
            return None
        (joints, received_s), (assembly, assembly_received_s) = self._joints, self._assembly
        endpoint, endpoint_received_s = self._endpoint
        if received_s - endpoint_received_s > _ENDPOINT_FRESH_S:
            endpoint = _NO_ENDPOINT
        positions, velocities, efforts = arm_joints(joints)
        return RobotState(
            joint_positions=positions,
            joint_velocities=velocities,
            joint_efforts=efforts,
            endpoint_position=endpoint[0],
            endpoint_frame=endpoint[1],
            enabled=bool(assembly.enabled),
            stopped=bool(assembly.stopped),
            error=bool(assembly.error),
            homed=bool(assembly.homed),
            ready=bool(assembly.ready),
            collision=self._collision.recent,
            collision_told_s=self._collision.told_s,
            estop_button=int(assembly.estop_button),
            estop_source=int(assembly.estop_source),
            robot_stamp_s=float(joints.header.stamp.to_sec()),
            received_s=received_s,
            assembly_received_s=assembly_received_s,
        )

    def on_update(self, callback: Callable[[], None]) -> None:
        """Call back, from rospy's thread, whenever new joint states have come."""
        self._callback = callback

    def command_positions(self, joint_positions: Sequence[float]) -> None:
        """Send the joints, (7,), radians, in position mode.

        Raises:
            RobotPortError: If the robot does not listen, or ROS 1 has shut down under us.
        """
        self._listener.check()
        message = self._command_class(
            mode=self._command_class.POSITION_MODE,
            names=list(JOINT_NAMES),
            position=list(joint_positions),
        )
        message.header.stamp = self._rospy.Time.now()
        with telling(self._rospy, "command the joints"):
            self._command.publish(message)

    def set_speed_ratio(self, ratio: float) -> None:
        """Limit the joints' speed in position mode to a part of their limits, (0, 1]."""
        with telling(self._rospy, "limit the joints' speed"):
            self._speed.publish(ratio)

    def set_command_timeout(self, timeout_s: float) -> None:
        """Set after what time without commands the robot leaves velocity and torque mode."""
        with telling(self._rospy, "set the command timeout"):
            self._timeout.publish(timeout_s)

    def enable(self, cancelled: Callable[[], bool]) -> None:
        """Reset a stopped robot and switch its motors on; may take fifteen seconds.

        Args:
            cancelled: Whether somebody has asked for a stop since, which ends it.

        Raises:
            RobotPortError: If it does not come to that, e.g. with the e-stop pressed, or if the
                robot does not listen to commands.
        """
        with self._lock:
            # Before the motors are on: nobody expects them to be after a failure.
            self._listener.wait()
            switch_on(
                self.state, self._reset.publish, lambda: self._enable.publish(True), cancelled
            )

    def stop(self) -> None:
        """Switch the motors off as the e-stop would.

        Raises:
            RobotPortError: If the robot does not confirm within five seconds.
        """
        # It may be stopped already and about to be enabled.
        self._stop.publish()
        wait_until(self._is_stopped, _TRANSITION_S, "stop", self._stop.publish)

    def _is_stopped(self) -> bool:
        state = self.state()
        return state is not None and state.stopped

    def software_version(self) -> str:
        """Version of the robot's software.

        Raises:
            RobotPortError: If the robot does not tell.
        """
        return software_version(self._rospy)

    def close(self) -> None:
        """Leave the robot's ROS 1."""
        self._rospy.signal_shutdown("the server ends")
