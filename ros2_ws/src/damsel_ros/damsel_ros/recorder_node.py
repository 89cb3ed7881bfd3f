"""The `recorder` node: writes a run to MCAP. It hears everything, and says only whom it hears.

The hidden goal is on no topic, so it is not in the recording.

| name | type | |
|---|---|---|
| `recorder/hears` | std_msgs/String, latched | names of the nodes of which it misses nothing |
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from damsel.errors import InvalidConfigError
from damsel_msgs.msg import Context, EndEffectorCommand, Observation, Reward
from damsel_ros.acquaintance import Acquaintance
from damsel_ros.node_main import run_nodes
from damsel_ros.nodes import NAMESPACE, NODES
from damsel_ros.parameters import Parameter, declare_parameters
from damsel_ros.qos import JOINTS, LATCHED, STANDARD, STREAM, TICKS
from damsel_ros.recording_file import RecordingError, RecordingFile
from damsel_ros.steady import steady_timer

__all__ = ["RECORDED", "RecorderNode", "main", "record"]

RECORDED: dict[str, tuple[type, QoSProfile]] = {
    "/joint_states": (JointState, JOINTS),
    "joint_command": (JointState, TICKS),
    "observation": (Observation, STREAM),
    # Unlike the robot node, the recorder wants old commands, too.
    "command": (EndEffectorCommand, JOINTS),
    "applied": (EndEffectorCommand, STREAM),
    "reward": (Reward, STREAM),
    "context": (Context, LATCHED),
    "/diagnostics": (DiagnosticArray, STANDARD),
}
"""Message and quality of service of each recorded topic."""

_FINISH_S = 2.0
_QUIET_S = 0.1
_LOOK_PERIOD_S = 0.05

PARAMETERS = (Parameter("output", "", "MCAP file to write; it must not exist."),)


class RecorderNode(Node):
    """Passes serialised messages on to a `RecordingFile`, untouched."""

    def __init__(self, output: Path | None = None) -> None:
        """Begin a recording.

        Args:
            output: The file; by default the parameter of this name.

        Raises:
            InvalidConfigError: If it exists or cannot be written.
        """
        super().__init__("recorder", namespace=NAMESPACE)
        given = declare_parameters(self, PARAMETERS)["output"]
        if output is None and not given:
            raise InvalidConfigError("parameter output is empty; allowed: a new file")
        self._recording = RecordingFile(output or Path(given))
        self._finished = False
        self._published_ns = 0
        for topic, (kind, qos) in RECORDED.items():
            name = self.resolve_topic_name(topic)
            self._recording.add_topic(name, _name_of(kind))
            self.create_subscription(
                kind,
                topic,
                partial(self._keep, name),
                qos,
                raw=True,
            )
        self._hears = self.create_publisher(String, "recorder/hears", LATCHED)
        self._heard = ""
        # After every subscription: who answers these has found them all.
        self._nodes = {name: Acquaintance(self, name) for name in NODES}
        steady_timer(self, _LOOK_PERIOD_S, self._look)

    @property
    def messages(self) -> int:
        """How many messages have been recorded."""
        return self._recording.messages

    def finish(self, executor: Executor) -> None:
        """Record what was published before now and is still on its way, and finish the file.

        Raises:
            RecordingError: If it cannot be written to its end.
        """
        now_ns, deadline_s = time.time_ns(), time.monotonic() + _FINISH_S
        heard = -1
        while (
            heard != self.messages and self._published_ns < now_ns and time.monotonic() < deadline_s
        ):
            heard = self.messages
            executor.spin_once(timeout_sec=_QUIET_S)
        self._finish_file()

    def close(self) -> None:
        """Finish the file, if it is not finished yet."""
        with contextlib.suppress(RecordingError):  # said when it happened
            self._finish_file()

    def _look(self) -> None:
        heard = " ".join(name for name, node in self._nodes.items() if node.is_mutual())
        if heard != self._heard:
            self._heard = heard
            self._hears.publish(String(data=heard))

    def _finish_file(self) -> None:
        if not self._finished:
            self._finished = True
            self._recording.close()

    def _keep(self, topic: str, data: bytes, info: dict[str, Any]) -> None:
        if not self._finished:
            now_ns = time.time_ns()
            published_ns = int(info.get("source_timestamp") or now_ns)
            self._recording.write(topic, data, heard_ns=now_ns, published_ns=published_ns)
            self._published_ns = published_ns


def record(program: str, create: Callable[[], RecorderNode]) -> int:
    """Record until told to stop, and return the exit code.

    Args:
        program: Name for messages.
        create: Makes the recorder once rclpy is up.
    """
    return run_nodes(program, lambda: [create()])


def _name_of(kind: type) -> str:
    package = kind.__module__.split(".", 1)[0]
    return f"{package}/msg/{kind.__name__}"


def main() -> None:
    """Run the recorder node as a process."""
    sys.exit(record("recorder", RecorderNode))


if __name__ == "__main__":
    main()
