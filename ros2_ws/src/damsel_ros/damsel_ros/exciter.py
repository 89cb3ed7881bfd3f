"""Commands the excitation motion, in the place of the adapt node: an observation, a command."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.client import Client
from rclpy.node import Node
from std_srvs.srv import Trigger

from damsel.errors import RobotError, RobotTimeoutError
from damsel.excitation import ExcitationCfg, excitation_displacement
from damsel.observation import END_EFFECTOR
from damsel_msgs.msg import EndEffectorCommand, Observation
from damsel_msgs.srv import Reset
from damsel_ros.acquaintance import Acquaintance
from damsel_ros.conversions import (
    applied_from_message,
    command_to_message,
    observed_from_message,
)
from damsel_ros.events import Observed, Status
from damsel_ros.qos import COMMAND, STREAM

__all__ = ["Exciter"]

_SILENCE_S = 3.0
# A step that was held because its command came late is followed by the next; if none follows for
# that long, the trajectory is over.
_HELD_SILENCE_S = 0.5
_ANSWER_S = 3.0


class Exciter:
    """Client of the robot node. The motion passes its controller and safety layer like any other.

    Attributes:
        steps: Control steps that have been commanded.
    """

    def __init__(self, node: Node, cfg: ExcitationCfg, control_period_s: float) -> None:
        """Command nothing yet.

        Args:
            node: The operator's node, in the robot's namespace.
            cfg: The motion.
            control_period_s: Duration of the robot's control steps.
        """
        self._node = node
        self._cfg = cfg
        self._period_s = control_period_s
        self._commands = node.create_publisher(EndEffectorCommand, "command", COMMAND)
        self._reset = node.create_client(Reset, "reset")
        self._hold = node.create_client(Trigger, "hold")
        node.create_subscription(Observation, "observation", self._on_observation, STREAM)
        node.create_subscription(EndEffectorCommand, "applied", self._on_applied, STREAM)
        self._robot = Acquaintance(node, "robot")
        self._trajectory: int | None = None
        self._first: Observed | None = None
        self._latest: Observed | None = None
        self._heard_s = 0.0
        self._stopped = ""
        self._held = ""
        self.steps = 0

    @property
    def wanted_steps(self) -> int:
        """Control steps of the whole motion."""
        return round(self._cfg.duration_s / self._period_s)

    def wait_for_robot(self, poll: Callable[[], None], timeout_s: float) -> None:
        """Wait until the robot node is there and hears us.

        Raises:
            RobotTimeoutError: If it is not within the timeout.
        """
        deadline_s = time.monotonic() + timeout_s
        while not (
            self._reset.service_is_ready()
            and self._hold.service_is_ready()
            and self._commands.get_subscription_count()
            and self._node.count_publishers("observation")
            and self._robot.is_mutual()
        ):
            if time.monotonic() > deadline_s:
                raise RobotTimeoutError(f"the robot node is not there after {timeout_s:g} s")
            poll()

    def run(self, poll: Callable[[], None], reset_timeout_s: float) -> None:
        """Reset the robot, make the motion, and let the arm hold.

        Args:
            poll: Lets messages arrive; may raise to end the motion.
            reset_timeout_s: How long the reset may take, a person's part in it included.

        Raises:
            RobotError: If the robot cannot be reset, stops, holds, or goes silent.
        """
        answer = self._ask(self._reset, Reset.Request(), "reset", poll, reset_timeout_s)
        if not answer.success:
            raise RobotError(f"the robot cannot be reset: {answer.message}")
        self._trajectory = answer.trajectory
        self._heard_s = time.monotonic()
        if self._latest is not None:
            self._answer(self._latest)
        while self.steps < self.wanted_steps:
            poll()
            if self._stopped:
                raise RobotError(f"the robot stopped: {self._stopped}")
            silence_s = time.monotonic() - self._heard_s
            if self._held and silence_s > _HELD_SILENCE_S:
                raise RobotError(f"the robot holds: {self._held}")
            if silence_s > _SILENCE_S:
                raise RobotTimeoutError(f"no observation for {_SILENCE_S:g} s")
        self._trajectory = None
        if not self.hold(poll):
            raise RobotTimeoutError("nobody confirmed a hold")

    def hold(self, poll: Callable[[], None]) -> bool:
        """Have the arm hold; returns whether the robot node has confirmed it."""
        self._trajectory = None
        try:
            return bool(self._ask(self._hold, Trigger.Request(), "hold", poll, _ANSWER_S).success)
        except RobotTimeoutError:
            return False

    def _ask(
        self,
        client: Client,
        request: object,
        what: str,
        poll: Callable[[], None],
        timeout_s: float,
    ) -> Any:
        future = client.call_async(request)
        deadline_s = time.monotonic() + timeout_s
        while not future.done():
            if time.monotonic() > deadline_s:
                raise RobotTimeoutError(f"no answer to service {what} within {timeout_s:g} s")
            poll()
        return future.result()

    def _on_observation(self, message: Observation) -> None:
        observed = observed_from_message(message)
        if self._trajectory is None:
            self._latest = observed  # it may overtake the answer of the reset that it follows
        else:
            self._answer(observed)

    def _answer(self, observed: Observed) -> None:
        if observed.trajectory != self._trajectory or self.steps >= self.wanted_steps:
            return
        self._heard_s = time.monotonic()
        self._held = ""
        if self._first is None:
            self._first = observed
        moved = (observed.observation - self._first.observation)[END_EFFECTOR]
        displacement = excitation_displacement(self._cfg, observed.step, self._period_s, moved)
        self._commands.publish(
            command_to_message(
                displacement,
                trajectory=observed.trajectory,
                step=observed.step,
                stamp=self._node.get_clock().now().to_msg(),
            )
        )
        self.steps = observed.step + 1

    def _on_applied(self, message: EndEffectorCommand) -> None:
        applied = applied_from_message(message)
        if applied.trajectory != self._trajectory:
            return
        if applied.status is Status.STOPPED:
            self._stopped = applied.reason
        elif applied.status is Status.HELD:
            self._held = applied.reason
