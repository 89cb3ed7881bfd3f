"""The operator's side of a physical arm: brings the robot node's questions before a person.

Polled along with everything else that the operator waits for; it never waits itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import Trigger

from damsel.errors import RobotError, RobotTimeoutError
from damsel_ros.acquaintance import Acquaintance
from damsel_ros.conversions import ROBOT_DIAGNOSTICS
from damsel_ros.person import Person
from damsel_ros.qos import LATCHED, STANDARD

__all__ = ["Attendant"]

_ASK_AGAIN_S = 1.0
_ANSWER_S = 5.0


class Attendant:
    """Client of the robot node's `enable`, `confirm_reset` and `prompt`."""

    def __init__(self, node: Node, person: Person) -> None:
        """Listen on the operator's node.

        Args:
            node: The operator's node, in the robot's namespace.
            person: Who is asked.
        """
        self._node = node
        self._person = person
        self._enable = node.create_client(Trigger, "robot/enable")
        self._confirm = node.create_client(Trigger, "robot/confirm_reset")
        node.create_subscription(String, "robot/prompt", self._on_prompt, LATCHED)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, STANDARD)
        self._robot = Acquaintance(node, "robot")
        # Every robot speaks on /diagnostics, whatever its namespace.
        self._robot_name = node.resolve_service_name("robot/enable").removesuffix("/enable")
        self._arm_is_well = False
        self._prompt = ""
        self._answer: Future | None = None
        self._answer_by_s = 0.0
        self._ask_at_s: float | None = None

    def enable(
        self,
        poll: Callable[[], None],
        timeout_s: float,
        agreed: Callable[[], None] = lambda: None,
    ) -> None:
        """Have the person agree, then enable the arm; or wait until somebody else has enabled it.

        Args:
            poll: Lets messages arrive; may raise to end the waiting.
            timeout_s: How long the robot may take, once the person has agreed.
            agreed: Called then, before anything is asked of the robot; may raise.

        Raises:
            RobotError: If the robot node is not there, or the arm cannot be enabled.
        """
        person = self._person
        if not (person.present and self._agreed(poll)):
            person.tell("waiting for the arm to be enabled: call service /damsel/robot/enable")
            while not self._arm_is_well:
                poll()
            return
        agreed()
        deadline_s = time.monotonic() + timeout_s
        answer = self._call(self._enable, poll, deadline_s)
        if not answer.success:
            raise RobotError(f"the arm cannot be enabled: {answer.message}")
        person.tell(str(answer.message))

    def _agreed(self, poll: Callable[[], None]) -> bool:
        """Ask, and return whether somebody agreed; False when nobody is there any more."""
        self._person.ask("the arm will be enabled; keep clear of it")
        while not self._person.has_agreed():
            if not self._person.present:
                return False
            poll()
        return True

    def _call(
        self, client: Client, poll: Callable[[], None], deadline_s: float
    ) -> Trigger.Response:
        future: Future | None = None
        while future is None or not future.done():
            if future is None and client.service_is_ready() and self._robot.is_mutual():
                future = client.call_async(Trigger.Request())
            if time.monotonic() > deadline_s:
                raise RobotTimeoutError("the robot node does not answer service robot/enable")
            poll()
        return future.result()

    def poll(self) -> None:
        """Ask what is to be asked, and pass an answer on."""
        now_s = time.monotonic()
        if self._answer is not None:
            if not self._answer.done() and now_s < self._answer_by_s:
                return
            self._take_answer(self._answer, now_s)
        if self._ask_at_s is not None and now_s >= self._ask_at_s:
            self._ask_at_s = None
            self._person.ask(self._prompt)
        elif self._prompt and self._ask_at_s is None and self._person.has_agreed():
            if self._confirm.service_is_ready():
                self._answer = self._confirm.call_async(Trigger.Request())
                self._answer_by_s = now_s + _ANSWER_S
            else:
                self._person.tell("the robot node is not there to hear that")
                self._ask_at_s = now_s + _ASK_AGAIN_S

    def _take_answer(self, answer: Future, now_s: float) -> None:
        """Tell the person what became of their word, and ask again if it counts for nothing."""
        self._answer = None
        if answer.done():
            success, message = answer.result().success, str(answer.result().message)
        else:
            # What the network has lost for so long must not arrive after all: hands may be there.
            # A request that has not left goes with its client.
            self._node.destroy_client(self._confirm)
            self._confirm = self._node.create_client(Trigger, "robot/confirm_reset")
            success, message = False, f"no answer from robot/confirm_reset within {_ANSWER_S:g} s"
        self._person.tell(message)
        if not success and self._prompt:
            self._ask_at_s = now_s + _ASK_AGAIN_S

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if (status.name, status.hardware_id) == (ROBOT_DIAGNOSTICS, self._robot_name):
                self._arm_is_well = status.level == DiagnosticStatus.OK

    def _on_prompt(self, message: String) -> None:
        self._prompt = message.data
        self._ask_at_s = time.monotonic() if message.data else None
