"""What a robot node with a physical arm offers besides: the operator's services, and eyes.

| name | type | |
|---|---|---|
| `~/enable` | std_srvs/Trigger | enable the arm; clears faults and every earlier target |
| `~/confirm_reset` | std_srvs/Trigger | the objects are back |
| `~/prompt` | std_msgs/String, latched | what a person is asked to do now; empty for nothing |
| `objects/<name>/pose` | geometry_msgs/PoseStamped | where an object's marker is; remap at will |
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from geometry_msgs.msg import PoseStamped
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import Trigger

from damsel.calibration import OBJECT_NAMES
from damsel.errors import InvalidConfigError, RobotError
from damsel_ros.backends.base import AttendedRobot
from damsel_ros.conversions import stamp_s, transform_from_pose
from damsel_ros.qos import LATCHED
from damsel_ros.steady import steady_timer

__all__ = ["Attendance"]

_POLL_PERIOD_S = 0.05


class Attendance:
    """The services and subscriptions, on the robot's node."""

    def __init__(
        self,
        node: Node,
        robot: AttendedRobot,
        *,
        hold: Callable[[str], None],
        enabled: Callable[[str], None],
    ) -> None:
        """Make them.

        Args:
            node: The robot's node.
            robot: Its arm.
            hold: Ends whatever the arm does, with the reason.
            enabled: Hears that the arm is enabled, which ends every fault, and what is so now.
        """
        self._node = node
        self._robot = robot
        self._hold = hold
        self._enabled = enabled
        self._enabling: Future | None = None
        self._prompts = node.create_publisher(String, "~/prompt", LATCHED)
        self._prompted: str | None = None
        # An answer that takes time must not keep the node from its other work.
        node.create_service(
            Trigger, "~/enable", self._on_enable, callback_group=ReentrantCallbackGroup()
        )
        node.create_service(Trigger, "~/confirm_reset", self._on_confirm)
        for name in OBJECT_NAMES:
            # Cameras publish best-effort.
            node.create_subscription(
                PoseStamped,
                f"objects/{name}/pose",
                partial(self._on_pose, name),
                qos_profile_sensor_data,
            )
        steady_timer(node, _POLL_PERIOD_S, self._on_poll)

    @property
    def enabling(self) -> bool:
        """Whether the arm is being enabled."""
        return self._enabling is not None

    async def _on_enable(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._enabling is not None:
            response.message = "the arm is being enabled already"
            return response
        self._hold("somebody asked the robot node to enable the arm")
        try:
            self._robot.enable()
            self._enabling = Future()
            response.message = await self._enabling
        except RobotError as error:
            response.message = str(error)
        else:
            response.success = not response.message
            if response.success:
                response.message = "the arm is enabled and holds"
                self._enabled(response.message)
        finally:
            self._enabling = None
        return response

    def _on_confirm(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            self._robot.confirm_reset()
        except RobotError as error:
            response.message = str(error)
        else:
            response.success = True
            response.message = "the objects are back; the trajectory begins"
        return response

    def _on_pose(self, name: str, message: PoseStamped) -> None:
        try:
            marker = transform_from_pose(message.pose)
        except InvalidConfigError as error:
            self._node.get_logger().warning(
                f"pose of the {name} dropped: {error}", throttle_duration_sec=1.0
            )
            self._robot.refuse_object(name, str(error))
            return
        header = message.header
        self._robot.see_object(name, header.frame_id, marker, stamp_s(header.stamp))

    def _on_poll(self) -> None:
        prompt = self._robot.prompt
        if prompt != self._prompted:
            self._prompted = prompt
            self._prompts.publish(String(data=prompt))
        if self._enabling is None or self._enabling.done():
            return
        try:
            if not self._robot.pending_enable():
                self._enabling.set_result("")
        except RobotError as error:
            self._enabling.set_result(str(error))
