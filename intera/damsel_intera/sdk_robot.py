"""The robot through the vendor's SDK, `intera_interface` 5.3.0, where that is installed."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Sequence, Tuple

from damsel_intera.errors import RobotPortError
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

__all__ = ["SdkRobot"]

_FIRST_STATE_S = 10.0

_Joints = Tuple[Tuple[Tuple[float, ...], ...], float, float]


class SdkRobot:
    """Implements `RobotPort`.

    The SDK tells neither when its values came nor from which message they are, so we listen
    beside it: ROS 1 calls us after the SDK has taken in the same message.
    """

    kind = "sdk"

    def __init__(self) -> None:
        """Join the robot's ROS 1, check the versions and wait for the robot's states.

        Raises:
            RobotPortError: If SDK, master or robot are missing or do not fit one another.
        """
        self._rospy = start_node("damsel_intera_server")
        try:
            import intera_interface
        except ImportError as error:
            raise RobotPortError(
                f"the Intera SDK cannot be imported: {error}; allowed: a sourced SDK workspace, "
                "or --robot topics, which does without"
            ) from None
        self._lock = threading.Lock()
        self._joints: _Joints | None = None
        self._assembly_received_s = 0.0
        self._callback: Callable[[], None] = lambda: None
        self._collision = CollisionMemory()
        self._enabler = self._connect_enabler(intera_interface)
        try:
            self._limb: Any = intera_interface.Limb("right")
            names = tuple(self._limb.joint_names())
        except (OSError, AttributeError, self._rospy.ROSException) as error:
            raise RobotPortError(f"the SDK cannot find the right arm: {error}") from None
        if names != JOINT_NAMES:
            raise RobotPortError(f"the arm has joints {names}; allowed: {JOINT_NAMES}")
        self._listen()
        wait_until(lambda: self.state() is not None, _FIRST_STATE_S, "send its states")
        self._listener = Listener(self._command)
        self._listener.find()

    def _connect_enabler(self, intera_interface: Any) -> Any:
        try:
            return intera_interface.RobotEnable(versioned=True)
        except SystemExit:  # the SDK's way to say that the versions do not fit
            allowed = intera_interface.VERSIONS_SDK2ROBOT[intera_interface.SDK_VERSION]
            raise RobotPortError(
                f"the robot's software is {software_version(self._rospy)}; allowed with the SDK "
                f"{intera_interface.SDK_VERSION}: {', '.join(allowed)}"
            ) from None
        except OSError as error:
            raise RobotPortError(f"the robot does not send its state: {error}") from None

    def _listen(self) -> None:
        from intera_core_msgs.msg import CollisionDetectionState, JointCommand, RobotAssemblyState
        from sensor_msgs.msg import JointState
        from std_msgs.msg import Bool, Empty

        # The SDK makes its publisher of stops whenever it is asked, and the first one waits for the
        # master, however long that is away. With ours there it finds it made.
        self._stop = self._rospy.Publisher("robot/set_super_stop", Empty, queue_size=10)
        self._reset = self._rospy.Publisher("robot/set_super_reset", Empty, queue_size=10)
        self._enable = self._rospy.Publisher("robot/set_super_enable", Bool, queue_size=10)

        # A second handle of the SDK's own publisher, which it does not show: who listens?
        self._command = self._rospy.Publisher(
            JOINT_COMMAND, JointCommand, queue_size=1, tcp_nodelay=True
        )
        self._subscriptions = [
            self._rospy.Subscriber("/robot/state", RobotAssemblyState, self._on_assembly),
            self._rospy.Subscriber(
                "/robot/limb/right/collision_detection_state",
                CollisionDetectionState,
                self._on_collision,
                queue_size=1,
                tcp_nodelay=True,
            ),
            self._rospy.Subscriber(
                "/robot/joint_states", JointState, self._on_joints, queue_size=1, tcp_nodelay=True
            ),
        ]

    def _on_assembly(self, _message: Any) -> None:
        self._assembly_received_s = time.monotonic()

    def _on_collision(self, message: Any) -> None:
        self._collision.tell(bool(message.collision_state))
        self._callback()

    def _on_joints(self, message: Any) -> None:
        if not set(JOINT_NAMES) & set(message.name):
            return
        # The SDK would fill up what lacks in this message with what was in earlier ones.
        self._joints = arm_joints(message), message.header.stamp.to_sec(), time.monotonic()
        self._callback()

    def state(self) -> RobotState | None:
        """The newest state, or None before the first."""
        if self._joints is None or not self._assembly_received_s:
            return None
        (positions, velocities, efforts), stamp_s, received_s = self._joints
        endpoint_position, endpoint_frame = self._endpoint()
        assembly = self._enabler.state()
        return RobotState(
            joint_positions=positions,
            joint_velocities=velocities,
            joint_efforts=efforts,
            endpoint_position=endpoint_position,
            endpoint_frame=endpoint_frame,
            enabled=bool(assembly.enabled),
            stopped=bool(assembly.stopped),
            error=bool(assembly.error),
            homed=bool(assembly.homed),
            ready=bool(assembly.ready),
            collision=self._collision.recent or bool(self._limb.has_collided()),
            collision_told_s=self._collision.told_s,
            estop_button=int(assembly.estop_button),
            estop_source=int(assembly.estop_source),
            robot_stamp_s=stamp_s,
            received_s=received_s,
            assembly_received_s=self._assembly_received_s,
        )

    def _endpoint(self) -> Endpoint:
        for name, frame in (
            (GRIPPER_TIP, EndpointFrame.RIGHT_GRIPPER_TIP),
            (HAND, EndpointFrame.RIGHT_HAND),
        ):
            tip = self._limb.tip_state(name)
            if tip is not None:
                return point_of(tip, frame)
        return (0.0, 0.0, 0.0), EndpointFrame.NONE

    def on_update(self, callback: Callable[[], None]) -> None:
        """Call back, from rospy's thread, whenever new joint states have come."""
        self._callback = callback

    def command_positions(self, joint_positions: Sequence[float]) -> None:
        """Send the joints, (7,), radians, in position mode.

        Raises:
            RobotPortError: If the robot does not listen, or ROS 1 has shut down under us.
        """
        self._listener.check()
        with telling(self._rospy, "command the joints"):
            self._limb.set_joint_positions(dict(zip(JOINT_NAMES, joint_positions)))

    def set_speed_ratio(self, ratio: float) -> None:
        """Limit the joints' speed in position mode to a part of their limits, (0, 1]."""
        with telling(self._rospy, "limit the joints' speed"):
            self._limb.set_joint_position_speed(ratio)

    def set_command_timeout(self, timeout_s: float) -> None:
        """Set after what time without commands the robot leaves velocity and torque mode."""
        with telling(self._rospy, "set the command timeout"):
            self._limb.set_command_timeout(timeout_s)

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
            # Not by the SDK, which would reset the robot even after a press of the e-stop.
            switch_on(
                self.state, self._reset.publish, lambda: self._enable.publish(True), cancelled
            )

    def stop(self) -> None:
        """Switch the motors off as the e-stop would.

        Raises:
            RobotPortError: If the robot does not confirm within five seconds.
        """
        # It may be stopped already and about to be enabled; the SDK would leave it at that.
        self._stop.publish()
        try:
            self._enabler.stop()
        except OSError as error:
            raise RobotPortError(f"the robot cannot be stopped: {error.strerror}") from None

    def software_version(self) -> str:
        """Version of the robot's software.

        Raises:
            RobotPortError: If the robot does not tell.
        """
        return software_version(self._rospy)

    def close(self) -> None:
        """Leave the robot's ROS 1."""
        self._rospy.signal_shutdown("the server ends")
