"""The peer: the same two messages between two processes, with nothing in between.

`python -m benchmarks.latency.echo` answers every observation with a command; `EchoClient` sends
the observations. Topics, types and quality of service are those of the real nodes.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Header

from benchmarks.machine import REPOSITORY
from damsel.errors import RobotTimeoutError
from damsel_msgs.msg import EndEffectorCommand, Observation
from damsel_ros.node_main import run_nodes
from damsel_ros.qos import COMMAND, STREAM

__all__ = ["ECHO_NAMESPACE", "EchoClient", "EchoNode", "echo_process"]

ECHO_NAMESPACE = "/echo"

_TIMEOUT_S = 10.0
_PATIENCE_S = 3.0


class EchoNode(Node):
    """Answers observations."""

    def __init__(self) -> None:
        super().__init__("echo", namespace=ECHO_NAMESPACE)
        self._commands = self.create_publisher(EndEffectorCommand, "command", COMMAND)
        self.create_subscription(Observation, "observation", self._on_observation, STREAM)

    def _on_observation(self, message: Observation) -> None:
        stamp = self.get_clock().now().to_msg()
        self._commands.publish(
            EndEffectorCommand(header=Header(stamp=stamp, frame_id="base"), step=message.step)
        )


@contextmanager
def echo_process() -> Iterator[None]:
    """Run the echo in a process of its own."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.latency.echo"], cwd=REPOSITORY)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class EchoClient:
    """Sends an observation when the previous one has been answered, as in lock-step."""

    def __init__(self) -> None:
        self._node = Node("echo_client", namespace=ECHO_NAMESPACE)
        self._observations = self._node.create_publisher(Observation, "observation", STREAM)
        self._node.create_subscription(EndEffectorCommand, "command", self._on_command, COMMAND)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._sent_ns = 0
        self._wanted = 0
        self._taken_s: list[float] = []

    def wait_for_echo(self) -> None:
        """Wait until the echo is there.

        Raises:
            RobotTimeoutError: If it does not come.
        """
        deadline_s = time.monotonic() + _TIMEOUT_S
        name = f"{ECHO_NAMESPACE}/command"
        while not (
            self._observations.get_subscription_count() and self._node.count_publishers(name)
        ):
            if time.monotonic() > deadline_s:
                raise RobotTimeoutError(f"the echo is not there after {_TIMEOUT_S:g} s")
            self._executor.spin_once(0.05)

    def measure(self, count: int) -> list[float]:
        """Round trips in seconds.

        Args:
            count: how many.

        Raises:
            RobotTimeoutError: If an answer does not come.
        """
        self._wanted, self._taken_s = count, []
        self._send()
        while len(self._taken_s) < count:
            if time.time_ns() - self._sent_ns > _TIMEOUT_S * 1e9:
                raise RobotTimeoutError(f"the echo did not answer within {_TIMEOUT_S:g} s")
            self._executor.spin_once(1.0)
        return self._taken_s

    def close(self) -> None:
        """Destroy the node."""
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()

    def _send(self) -> None:
        now = self._node.get_clock().now()
        self._sent_ns = now.nanoseconds
        self._observations.publish(
            Observation(header=Header(stamp=now.to_msg(), frame_id="base"), step=len(self._taken_s))
        )

    def _on_command(self, _: EndEffectorCommand) -> None:
        self._taken_s.append((self._node.get_clock().now().nanoseconds - self._sent_ns) * 1e-9)
        if len(self._taken_s) < self._wanted:
            self._send()


if __name__ == "__main__":
    sys.exit(run_nodes("echo", lambda: [EchoNode()]))
