"""The `object_bridge` node: a virtual Sawyer's object poses as a camera would publish them.

For rehearsals only. A real scene has its own cameras, whose topics are remapped to
`objects/<name>/pose`.
"""

from __future__ import annotations

import sys

import zmq
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data

from damsel.calibration import OBJECT_NAMES
from damsel_intera.errors import WireError
from damsel_intera.transport import open_socket
from damsel_intera.wire import ObjectPoses, decode
from damsel_ros.conversions import pose_to_message
from damsel_ros.node_main import run_nodes
from damsel_ros.parameters import Parameter, declare_parameters
from damsel_ros.steady import steady_timer

__all__ = ["ObjectBridgeNode", "main"]

PARAMETERS = (
    Parameter(
        "objects_address", "tcp://127.0.0.1:47104", "Where the virtual Sawyer tells of its objects."
    ),
    Parameter("poll_rate_hz", 100.0, "How often it is listened to [Hz].", low=10.0, high=1000.0),
)


class ObjectBridgeNode(Node):
    """Publishes what comes from the virtual Sawyer, stamped with its arrival."""

    def __init__(self) -> None:
        """Connect; nothing is published before something comes.

        Raises:
            InvalidConfigError: If a parameter is not allowed.
        """
        super().__init__("object_bridge")
        values = declare_parameters(self, PARAMETERS)
        self._zmq_context = zmq.Context()
        self._socket = open_socket(self._zmq_context, zmq.SUB)
        self._socket.setsockopt(zmq.CONFLATE, 1)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.connect(values["objects_address"])
        self._poses = {
            name: self.create_publisher(
                PoseStamped, f"objects/{name}/pose", qos_profile_sensor_data
            )
            for name in OBJECT_NAMES
        }
        steady_timer(self, 1.0 / values["poll_rate_hz"], self._on_poll)

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()
        self._zmq_context.term()

    def _on_poll(self) -> None:
        try:
            _, message = decode(self._socket.recv(zmq.NOBLOCK))
        except (zmq.Again, WireError):
            return  # nothing came, or nothing that can be read: the poses grow stale
        if not isinstance(message, ObjectPoses):
            return
        stamp = self.get_clock().now().to_msg()
        for pose in message.poses:
            if pose.name in self._poses:
                self._poses[pose.name].publish(
                    pose_to_message(pose.position, pose.quaternion, stamp)
                )


def main() -> None:
    """Run the object bridge as a process."""
    sys.exit(run_nodes("object_bridge", lambda: [ObjectBridgeNode()]))


if __name__ == "__main__":
    main()
