"""Somebody who hears every topic of a run, in a thread of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState

from damsel_msgs.msg import Context, EndEffectorCommand, Observation
from damsel_ros.nodes import NAMESPACE
from damsel_ros.qos import LATCHED, STANDARD, STREAM


class Watcher:
    """Keeps what it hears, with the time of its arrival."""

    def __init__(self) -> None:
        self.node = Node("watcher", namespace=NAMESPACE)
        self.observations: list[tuple[float, Observation]] = []
        self.applied: list[tuple[float, EndEffectorCommand]] = []
        self.joint_states: list[tuple[float, JointState]] = []
        self.contexts: list[tuple[float, Context]] = []
        self.diagnostics: dict[str, DiagnosticStatus] = {}
        subscribe = self.node.create_subscription
        subscribe(Observation, "observation", self._keeper(self.observations), STREAM)
        subscribe(EndEffectorCommand, "applied", self._keeper(self.applied), STREAM)
        subscribe(JointState, "/joint_states", self._keeper(self.joint_states), STANDARD)
        subscribe(Context, "context", self._keeper(self.contexts), LATCHED)
        subscribe(DiagnosticArray, "/diagnostics", self._on_diagnostics, STANDARD)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._closing.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def forget(self) -> None:
        """Start anew, as if nothing had been heard; diagnostics are kept."""
        for kept in (self.observations, self.applied, self.joint_states, self.contexts):
            kept.clear()

    def close(self) -> None:
        self._closing.set()
        self._thread.join(timeout=2.0)
        self._executor.shutdown(timeout_sec=2.0)
        self.node.destroy_node()

    def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> float:
        """Wait for something to become true and return how long that took."""
        started_s = time.monotonic()
        while not condition():
            if time.monotonic() - started_s > timeout_s:
                raise AssertionError(f"not within {timeout_s:g} s")
            time.sleep(0.005)
        return time.monotonic() - started_s

    def health(self, node: str) -> str:
        """The latest summary of a node on /diagnostics."""
        status = self.diagnostics.get(f"damsel: {node}")
        return "" if status is None else status.message

    def value(self, node: str, key: str) -> str:
        """The latest value of a node on /diagnostics; empty while there is none."""
        status = self.diagnostics.get(f"damsel: {node}")
        return next((one.value for one in status.values if one.key == key), "") if status else ""

    def arm_travel_rad(self, duration_s: float) -> float:
        """How far any joint moves within a time from now."""
        count = len(self.joint_states)
        time.sleep(duration_s)
        heard = [np.asarray(state.position) for _, state in self.joint_states[count:]]
        assert len(heard) > 1, "the robot node publishes no joint states"
        return float(np.ptp(np.stack(heard), axis=0).max())

    def _keeper(self, kept: list) -> Callable[[object], None]:  # type: ignore[type-arg]
        return lambda message: kept.append((time.monotonic(), message))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.diagnostics[status.name] = status
