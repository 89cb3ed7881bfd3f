"""The operator's side of an adaptation: sets the hidden task, sends the goal, keeps the record.

One class hides the action and the services (compare nav2_simple_commander). It never blocks
for longer than a poll, so its user can watch other things, such as processes and Ctrl-C.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from action_msgs.msg import GoalInfo, GoalStatus
from action_msgs.srv import CancelGoal
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import GetParameters
from rclpy.action.client import ActionClient
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from damsel.errors import DamselError, RobotError, RobotTimeoutError
from damsel.tasks import Task
from damsel_msgs.action import Adapt
from damsel_msgs.msg import EndEffectorCommand, TrajectoryRecord
from damsel_msgs.srv import GetOutcome, SetTask
from damsel_ros.acquaintance import Acquaintance
from damsel_ros.conversions import ADAPT_DIAGNOSTICS, ADAPTING
from damsel_ros.nodes import NODES, require_no_nodes
from damsel_ros.qos import STANDARD, STREAM

__all__ = ["Operator", "Run"]

_POLL_S = 0.05
_ANSWER_TIMEOUT_S = 5.0
_CANCEL_TIMEOUT_S = 2.0
_FAREWELL_S = 0.3
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
    """Client of the task and adapt nodes.

    Attributes:
        answers_for_arm: Whether this operator may have set the arm in motion or enabled it, and not
            somebody else whose run must go on when this one gives up.
    """

    def __init__(self, *, namespace: str, check: Callable[[], None]) -> None:
        """Make the client's node.

        Args:
            namespace: Namespace of the nodes.
            check: Called at every poll; raises to end whatever the operator is waiting for.
        """
        self._check = check
        self._on_progress: Callable[[TrajectoryRecord, bool], None] = _nothing
        self._node = Node("operator", namespace=namespace)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._adapt = ActionClient(self._node, Adapt, "adapt")
        self._set_task = self._node.create_client(SetTask, "set_task")
        self._get_outcome = self._node.create_client(GetOutcome, "task/get_outcome")
        self._hold = self._node.create_client(Trigger, "hold")
        self._get_parameters = self._node.create_client(GetParameters, "robot/get_parameters")
        # The action client can cancel no goal before it is accepted.
        self._cancel = self._node.create_client(CancelGoal, "adapt/_action/cancel_goal")
        self._node.create_subscription(EndEffectorCommand, "applied", self._on_applied, STREAM)
        self._node.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, STANDARD
        )
        # After every other endpoint, which they vouch for.
        self._acquaintances = {name: Acquaintance(self._node, name) for name in ("adapt", "task")}
        self._adapt_name = f"{self._node.get_namespace().rstrip('/')}/adapt"
        self._forces_n: dict[int, float] = {}
        self._trajectories: set[int] = set()
        self._adapt_heard_s = math.inf
        self._task: Task | None = None
        self._goal_info = GoalInfo()
        self._sent: Future | None = None
        self._done: Future | None = None
        self.answers_for_arm = False

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
        self._adapt.destroy()
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
        for name in NODES:
            several = (
                f"there are several {name} nodes in {self._node.get_namespace()}; allowed: one"
            )
            # A node that was killed is gone in the end.
            self._wait_until(partial(self._is_unique, name), deadline_s, several)

    def require_backend(self, name: str, timeout_s: float) -> None:
        """See that the robot node has the arm that this command was told of.

        Args:
            name: Of its backend.
            timeout_s: How long it may take to be there.

        Raises:
            RobotTimeoutError: If it is not there within the timeout.
            RobotError: If it has another one, whose motion may need a person's word.
        """
        deadline_s = time.monotonic() + timeout_s
        missing = f"the robot node is not there after {timeout_s:g} s"
        self._wait_until(self._get_parameters.service_is_ready, deadline_s, missing)
        self._wait_until(Acquaintance(self._node, "robot").is_mutual, deadline_s, missing)
        answer = self._ask(
            self._get_parameters, GetParameters.Request(names=["backend"]), "robot/get_parameters"
        )
        found = answer.values[0].string_value if answer.values else ""
        if found != name:
            raise RobotError(f"--robot is {name}; allowed here: {found}, as the robot node has it")

    def require_no_nodes(self) -> None:
        """Look around for a moment and see that nobody has the nodes' names.

        Raises:
            RobotError: If somebody has: two robots would move.
        """
        require_no_nodes(self._node, NODES, self._poll)

    def _is_unique(self, name: str) -> bool:
        return self._count(name) < 2

    def _count(self, name: str) -> int:
        """Count the nodes of that name."""
        full_name = (name, self._node.get_namespace())
        return self._node.get_node_names_and_namespaces().count(full_name)

    def _wait_out(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._poll()

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
        self._task = task

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
        self._forces_n.clear()
        self._trajectories.clear()
        self._on_progress = on_progress

        def on_feedback(message: Any) -> None:
            self._trajectories.add(message.feedback.trajectory.trajectory)
            self._on_progress(message.feedback.trajectory, message.feedback.finished)

        self.answers_for_arm = True
        self._goal_info.goal_id.uuid = list(uuid4().bytes)
        self._done = None
        self._sent = self._adapt.send_goal_async(
            Adapt.Goal(iterations=iterations), on_feedback, self._goal_info.goal_id
        )
        goal = self._wait(self._sent, _ANSWER_TIMEOUT_S, "the goal")
        if not goal.accepted:
            self._forget_refused_goal()
            raise RobotError("the adapt node refused the goal; its log says why")
        self._done = done = goal.get_result_async()
        self._adapt_heard_s = time.monotonic()
        while not done.done():
            silence_s = time.monotonic() - self._adapt_heard_s
            if silence_s > _HEARTBEAT_TIMEOUT_S:
                raise RobotTimeoutError(f"the adapt node went silent for {silence_s:.1f} s")
            self._poll()
        answer = done.result()
        if answer.status != GoalStatus.STATUS_SUCCEEDED:
            # Who has ended the nodes ends this command as well, and that is the cause.
            with suppress(DamselError):
                self._wait_out(_FAREWELL_S)
        self._sent = None
        if answer.status != GoalStatus.STATUS_SUCCEEDED:
            raise RobotError(answer.result.message or "the adaptation did not succeed")
        wall_s = time.monotonic() - started_s
        distances = [self._final_distance(record) for record in answer.result.trajectories]
        trajectories = self._trajectories | {one.trajectory for one in answer.result.trajectories}
        force_n = _fmax(self._forces_n.get(one, math.nan) for one in trajectories)
        return Run(answer.result, distances, force_n, wall_s)

    def stop(self) -> bool:
        """Stop the arm: cancel the adaptation, or without one ask the robot node itself.

        An arm that this operator does not answer for is left alone.

        Returns:
            Whether somebody has confirmed that the arm holds and will go on to.
        """
        self._check = self._on_progress = _nothing  # what they raise must not keep the arm moving
        # An adapt node that is dead or hangs is not waited for, unless the arm may be another's.
        holding = self._ask_to_hold() if self._sent is None or _is_accepted(self._sent) else None
        open_goal = False
        try:
            if self._withdraw():
                return True
        except RobotTimeoutError:
            open_goal = True
        try:
            holding = holding or self._ask_to_hold()
            if holding is not None:
                holds = self._wait(holding, 1.0, "service hold").success
                return bool(holds) and not open_goal
        except RobotTimeoutError:
            pass
        return False

    def _ask_to_hold(self) -> Future | None:
        """Ask the robot node itself, if it is there and this operator answers for the arm."""
        if not (self.answers_for_arm and self._hold.service_is_ready()):
            return None
        return self._hold.call_async(Trigger.Request())

    def _withdraw(self) -> bool:
        """Cancel the goal, even one that is not accepted yet.

        Returns:
            Whether the robot node has told the adapt node that the arm holds.

        Raises:
            RobotTimeoutError: If the adapt node has not given the goal up within the timeout.
        """
        if self._sent is None:
            return False
        self._cancel.call_async(CancelGoal.Request(goal_info=self._goal_info))
        # The request may come before the goal, and then cancels nothing.
        self._sent.add_done_callback(_cancel_accepted)
        goal = self._wait(self._sent, _CANCEL_TIMEOUT_S, "the goal")
        if not goal.accepted:
            self._forget_refused_goal()
            return False
        done = self._done or goal.get_result_async()
        answer = self._wait(done, _CANCEL_TIMEOUT_S, "the cancellation")
        self._sent = None
        return bool(answer.result.holds)

    def _forget_refused_goal(self) -> None:
        # What may be moving now is somebody else's.
        self._sent = None
        self.answers_for_arm = False

    def _final_distance(self, record: TrajectoryRecord) -> float:
        request = GetOutcome.Request(trajectory=record.trajectory, step=record.steps)
        answer = self._ask(self._get_outcome, request, "task/get_outcome")
        if not answer.known:
            raise RobotError(f"the task node: {answer.message}")
        judged_by = Task(answer.family, tuple(answer.goal))
        if self._task is not None and judged_by != self._task:
            raise RobotError(
                f"somebody has replaced the hidden task: trajectory {record.trajectory} was judged "
                f"by {judged_by.family} {judged_by.goal}"
            )
        return float(answer.distance)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        # The action alone would wait for ever for an adapt node that was killed; one that was
        # started in its place knows of no adaptation.
        heartbeat = (ADAPT_DIAGNOSTICS, self._adapt_name, ADAPTING)
        for status in message.status:
            if (status.name, status.hardware_id, status.message) == heartbeat:
                self._adapt_heard_s = time.monotonic()

    def _on_applied(self, message: EndEffectorCommand) -> None:
        forces_n = (self._forces_n.get(message.trajectory, math.nan), message.peak_contact_force)
        self._forces_n[message.trajectory] = _fmax(forces_n)

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


def _nothing(*_: object) -> None:
    """Nothing to check or to show any more: everything is being stopped."""


def _is_accepted(sent: Future) -> bool:
    """Whether a goal that was sent is known to be the one that runs."""
    goal = sent.result() if sent.done() else None
    return goal is not None and bool(goal.accepted)


def _cancel_accepted(sent: Future) -> None:
    goal = sent.result()
    if goal is not None and goal.accepted:
        goal.cancel_goal_async()


def _fmax(values: Iterable[float]) -> float:
    # NaN is what a robot says that cannot tell.
    return max((value for value in values if not math.isnan(value)), default=math.nan)
