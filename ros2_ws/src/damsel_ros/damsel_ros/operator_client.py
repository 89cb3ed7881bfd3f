"""The operator's side of an adaptation: sets the hidden task, sends the goal, keeps the record.

One class hides the action and the services (compare nav2_simple_commander). It never blocks
for longer than a poll, so its user can watch other things, such as processes and Ctrl-C.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from action_msgs.msg import GoalStatus
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.action.client import ActionClient
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from damsel.errors import RobotError, RobotTimeoutError
from damsel.tasks import Task
from damsel_msgs.action import Adapt
from damsel_msgs.msg import EndEffectorCommand, TrajectoryRecord
from damsel_msgs.srv import GetOutcome, SetTask
from damsel_ros.acquaintance import Acquaintance
from damsel_ros.conversions import ADAPT_DIAGNOSTICS
from damsel_ros.qos import STANDARD, STREAM

__all__ = ["Operator", "Run"]

_POLL_S = 0.05
_ANSWER_TIMEOUT_S = 5.0
_CANCEL_TIMEOUT_S = 2.0
_HEARTBEAT_TIMEOUT_S = 4.0


@dataclass(frozen=True)
class Run:
    """What an operator knows of an adaptation that ran to its end.

    Attributes:
        result: Result of the action.
        final_distances: Distance to the goal after each of its trajectories.
        peak_contact_force_n: Largest contact force on the arm; NaN if unknown.
        wall_s: Duration from the goal to the result.
    """

    result: Adapt.Result
    final_distances: list[float]
    peak_contact_force_n: float
    wall_s: float


class Operator:
    """Client of the task and adapt nodes."""

    def __init__(self, *, namespace: str, check: Callable[[], None]) -> None:
        """Make the client's node.

        Args:
            namespace: Namespace of the nodes.
            check: Called at every poll; raises to end whatever the operator is waiting for.
        """
        self._check = check
        self._node = Node("operator", namespace=namespace)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._adapt = ActionClient(self._node, Adapt, "adapt")
        self._set_task = self._node.create_client(SetTask, "set_task")
        self._get_outcome = self._node.create_client(GetOutcome, "task/get_outcome")
        self._hold = self._node.create_client(Trigger, "hold")
        self._node.create_subscription(EndEffectorCommand, "applied", self._on_applied, STREAM)
        self._node.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, STANDARD
        )
        # After every other endpoint, which they vouch for.
        self._acquaintances = {name: Acquaintance(self._node, name) for name in ("adapt", "task")}
        self._peak_contact_force_n = math.nan
        self._adapt_heard_s = math.inf
        self._goal: Any = None

    @property
    def node(self) -> Node:
        """The client's node, for whoever else speaks for the operator."""
        return self._node

    def poll(self) -> None:
        """Check what is to be checked and let messages arrive, for a moment."""
        self._poll()

    def close(self) -> None:
        """Destroy the node."""
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()

    def wait_for_nodes(self, timeout_s: float) -> None:
        """Wait until the task and adapt nodes are there and see the operator, too.

        Raises:
            RobotTimeoutError: If they are not within the timeout.
        """
        deadline_s = time.monotonic() + timeout_s
        checks: list[tuple[str, Callable[[], bool]]] = [
            ("adapt", self._adapt.server_is_ready),
            ("task", self._set_task.service_is_ready),
            ("task", self._get_outcome.service_is_ready),
        ]
        for name, ready in checks:
            missing = f"the {name} node is not there after {timeout_s:g} s"
            self._wait_until(ready, deadline_s, missing)
        for name, one in self._acquaintances.items():
            silent = f"the {name} node does not answer within {timeout_s:g} s"
            self._wait_until(one.is_mutual, deadline_s, silent)

    def _wait_until(self, ready: Callable[[], bool], deadline_s: float, otherwise: str) -> None:
        while not ready():
            if time.monotonic() > deadline_s:
                raise RobotTimeoutError(otherwise)
            self._poll()

    def set_task(self, task: Task) -> None:
        """Give the task node the hidden task.

        Raises:
            RobotError: If the task node refuses it.
        """
        request = SetTask.Request(family=task.family, goal=list(task.goal))
        answer = self._ask(self._set_task, request, "set_task")
        if not answer.success:
            raise RobotError(f"the task node refused the task: {answer.message}")

    def adapt(self, iterations: int, on_progress: Callable[[TrajectoryRecord, bool], None]) -> Run:
        """Run one adaptation to its end.

        Args:
            iterations: Most adaptation trajectories.
            on_progress: Called with a trajectory as far as it has come, and whether it is
                complete.

        Raises:
            RobotError: If it does not succeed.
        """
        started_s = time.monotonic()
        self._peak_contact_force_n = math.nan
        accepted = self._adapt.send_goal_async(
            Adapt.Goal(iterations=iterations),
            feedback_callback=lambda message: on_progress(
                message.feedback.trajectory, message.feedback.finished
            ),
        )
        self._goal = self._wait(accepted, _ANSWER_TIMEOUT_S, "the goal")
        if not self._goal.accepted:
            self._goal = None
            raise RobotError("the adapt node refused the goal; is another adaptation running?")
        done = self._goal.get_result_async()
        self._adapt_heard_s = time.monotonic()
        while not done.done():
            silence_s = time.monotonic() - self._adapt_heard_s
            if silence_s > _HEARTBEAT_TIMEOUT_S:
                raise RobotTimeoutError(f"the adapt node went silent for {silence_s:.1f} s")
            self._poll()
        self._goal = None
        answer = done.result()
        if answer.status != GoalStatus.STATUS_SUCCEEDED:
            raise RobotError(answer.result.message or "the adaptation did not succeed")
        wall_s = time.monotonic() - started_s
        distances = [self._final_distance(record) for record in answer.result.trajectories]
        return Run(answer.result, distances, self._peak_contact_force_n, wall_s)

    def stop(self) -> bool:
        """Stop the arm: cancel the adaptation, or without one ask the robot node itself.

        Returns:
            Whether somebody has confirmed that the arm holds.
        """
        self._check = _nothing
        try:
            if self._goal is not None:
                done = self._goal.get_result_async()
                self._goal.cancel_goal_async()
                self._wait(done, _CANCEL_TIMEOUT_S, "the cancellation")
                return True
        except RobotTimeoutError:
            pass
        try:
            if self._hold.service_is_ready():
                return bool(self._ask(self._hold, Trigger.Request(), "hold", 1.0).success)
        except RobotTimeoutError:
            pass
        return False

    def _final_distance(self, record: TrajectoryRecord) -> float:
        request = GetOutcome.Request(trajectory=record.trajectory, step=record.steps)
        answer = self._ask(self._get_outcome, request, "task/get_outcome")
        if not answer.known:
            raise RobotError(f"the task node: {answer.message}")
        return float(answer.distance)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        # The action alone would wait for ever for an adapt node that was killed.
        if any(status.name == ADAPT_DIAGNOSTICS for status in message.status):
            self._adapt_heard_s = time.monotonic()

    def _on_applied(self, message: EndEffectorCommand) -> None:
        # fmax: NaN is what a robot says that cannot tell.
        self._peak_contact_force_n = _fmax(self._peak_contact_force_n, message.peak_contact_force)

    def _ask(
        self, client: Client, request: object, what: str, timeout_s: float = _ANSWER_TIMEOUT_S
    ) -> Any:
        return self._wait(client.call_async(request), timeout_s, f"service {what}")

    def _wait(self, future: Future, timeout_s: float, what: str) -> Any:
        deadline_s = time.monotonic() + timeout_s
        while not future.done():
            if time.monotonic() > deadline_s:
                raise RobotTimeoutError(f"no answer to {what} within {timeout_s:g} s")
            self._poll()
        return future.result()

    def _poll(self) -> None:
        self._check()
        self._executor.spin_once(timeout_sec=_POLL_S)


def _nothing() -> None:
    """Nothing to check any more: everything is being stopped."""


def _fmax(one: float, other: float) -> float:
    return other if math.isnan(one) or other > one else one
