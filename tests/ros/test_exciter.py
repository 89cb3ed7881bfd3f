"""How the excitation motion ends when the robot does not go along."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from damsel.errors import RobotError
from damsel.excitation import ExcitationCfg
from damsel_msgs.msg import EndEffectorCommand, Observation
from damsel_msgs.srv import Reset
from damsel_ros.backends.base import AppliedStep
from damsel_ros.conversions import applied_to_message, observed_to_message, time_of
from damsel_ros.events import Applied, Observed, Status
from damsel_ros.exciter import Exciter
from damsel_ros.nodes import NAMESPACE
from damsel_ros.qos import COMMAND, STREAM

NOTHING = AppliedStep(np.zeros(3), clipped=False, peak_contact_force_n=float("nan"))


class Robot:
    """Resets, then answers every command with what it did and the next observation."""

    def __init__(self, node: Node, answer: Callable[[int], Applied]) -> None:
        self._answer = answer
        self._observations = node.create_publisher(Observation, "observation", STREAM)
        self._applied = node.create_publisher(EndEffectorCommand, "applied", STREAM)
        node.create_service(Reset, "reset", self._on_reset)
        node.create_subscription(EndEffectorCommand, "command", self._on_command, COMMAND)

    def _observe(self, step: int) -> None:
        self._observations.publish(observed_to_message(Observed(1, step, np.zeros(12)), time_of(0)))

    def _on_reset(self, _: Reset.Request, answer: Reset.Response) -> Reset.Response:
        answer.success, answer.trajectory = True, 1
        self._observe(0)
        return answer

    def _on_command(self, message: EndEffectorCommand) -> None:
        applied = self._answer(message.step)
        self._applied.publish(applied_to_message(applied, time_of(0)))
        if applied.reason != "no pose of the block for 0.21 s":
            self._observe(message.step + 1)


@pytest.fixture
def node(domain_id: int) -> Iterator[Node]:
    node = Node("robot", namespace=NAMESPACE)
    yield node
    node.destroy_node()


def poll_of(node: Node) -> Callable[[], None]:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    return lambda: executor.spin_once(timeout_sec=0.02)


def excited(node: Node, answer: Callable[[int], Applied]) -> Exciter:
    Robot(node, answer)
    exciter = Exciter(node, ExcitationCfg(duration_s=5.0), 0.05)
    exciter.run(poll_of(node), reset_timeout_s=10.0)
    return exciter


def test_an_object_that_is_lost_ends_the_motion_with_the_reason(node: Node) -> None:
    def lose_an_object(step: int) -> Applied:
        if step < 3:
            return Applied(1, step, NOTHING)
        return Applied(1, step, NOTHING, Status.HELD, "no pose of the block for 0.21 s")

    started_s = time.monotonic()
    with pytest.raises(RobotError, match=r"^the robot holds: no pose of the block for 0\.21 s$"):
        excited(node, lose_an_object)
    assert time.monotonic() - started_s < 2.5  # not only when nothing has come for three seconds


def test_a_step_that_was_held_is_not_the_end(node: Node) -> None:
    def hold_one(step: int) -> Applied:
        status = Status.HELD if step == 5 else Status.OK
        return Applied(1, step, NOTHING, status, "no command for step 5" if step == 5 else "")

    with pytest.raises(
        RobotError, match="nobody confirmed a hold"
    ):  # this robot has no such service
        excited(node, hold_one)
