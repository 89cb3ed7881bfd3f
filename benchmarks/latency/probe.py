"""Reads off the stamps of the real nodes' messages when each step passed each place."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from builtin_interfaces.msg import Time
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy

from damsel_msgs.msg import EndEffectorCommand, Observation

__all__ = ["Probe", "StepTimes"]

# More than the messages of one adaptation on one topic.
_KEPT_MESSAGES = 4000
_PATIENCE_S = 0.2


@dataclasses.dataclass
class StepTimes:
    """Stamps of one control step, nanoseconds; 0 if not seen.

    Attributes:
        observed_ns: the robot node publishes the observation.
        commanded_ns: the adapt node publishes its answer.
        applied_ns: the robot node has carried it out.
    """

    observed_ns: int = 0
    commanded_ns: int = 0
    applied_ns: int = 0


class Probe:
    """Keeps messages in the middleware during a run, so as not to take part in it."""

    def __init__(self, namespace: str) -> None:
        """Subscribe.

        Args:
            namespace: of the nodes.
        """
        self._node = Node("latency_probe", namespace=namespace)
        quality = QoSProfile(
            history=QoSHistoryPolicy.KEEP_LAST,
            depth=_KEPT_MESSAGES,
            reliability=QoSReliabilityPolicy.RELIABLE,
        )
        node, places = (
            self._node,
            (
                (Observation, "observation", self._on_observation),
                (EndEffectorCommand, "command", self._on_command),
                (EndEffectorCommand, "applied", self._on_applied),
            ),
        )
        for kind, topic, callback in places:
            node.create_subscription(kind, topic, callback, quality)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._steps: dict[tuple[int, int], StepTimes] = {}
        self._heard = 0

    def read(self, trajectories: Sequence[int]) -> dict[tuple[int, int], StepTimes]:
        """Take what has been kept; complete steps of these trajectories by (trajectory, step)."""
        heard = -1
        while heard != self._heard:
            heard = self._heard
            self._executor.spin_once(_PATIENCE_S)
        steps, self._steps = self._steps, {}
        return {
            key: times
            for key, times in steps.items()
            if key[0] in trajectories and all(dataclasses.astuple(times))
        }

    def close(self) -> None:
        """Destroy the node."""
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()

    def _at(self, message: Observation | EndEffectorCommand) -> StepTimes:
        self._heard += 1
        return self._steps.setdefault((message.trajectory, message.step), StepTimes())

    def _on_observation(self, message: Observation) -> None:
        self._at(message).observed_ns = _nanoseconds(message.header.stamp)

    def _on_command(self, message: EndEffectorCommand) -> None:
        self._at(message).commanded_ns = _nanoseconds(message.header.stamp)

    def _on_applied(self, message: EndEffectorCommand) -> None:
        if message.status == EndEffectorCommand.STATUS_OK:
            self._at(message).applied_ns = _nanoseconds(message.header.stamp)


def _nanoseconds(stamp: Time) -> int:
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
