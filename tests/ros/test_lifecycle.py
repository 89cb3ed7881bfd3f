"""The robot node's lifecycle: what nobody may ask for, and what fails on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecyclePublisher, TransitionCallbackReturn
from rclpy.node import Node

from damsel.errors import InvalidBundleError, RobotError
from damsel_msgs.srv import Reset
from damsel_ros import composed, robot_node
from damsel_ros.robot_node import RobotNode
from tests.ros.doubles import DoubleRobot

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE


@pytest.fixture
def robot() -> DoubleRobot:
    return DoubleRobot()


@pytest.fixture
def make(
    domain_id: int, robot: DoubleRobot, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], RobotNode]]:
    """Make a robot node in this process; nobody spins it."""
    monkeypatch.setattr(robot_node, "make_robot", lambda *_: robot)
    made: list[RobotNode] = []

    def make() -> RobotNode:
        made.append(RobotNode())
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()


def state(node: RobotNode) -> str:
    return str(node._state_machine.current_state[1])


def ask(node: RobotNode, transition: int, label: str = "") -> bool:
    """Ask as the service does."""
    request = ChangeState.Request(transition=Transition(id=transition, label=label))
    answer = node._service_change_state.callback(request, ChangeState.Response())
    return bool(answer.success)


def reset(node: RobotNode) -> Reset.Response:
    answer = node._on_reset(Reset.Request(), Reset.Response())
    with pytest.raises(StopIteration) as stopped:
        answer.send(None)
    response: Reset.Response = stopped.value.value
    return response


@pytest.mark.parametrize(
    ("transition", "label"),
    [(Transition.TRANSITION_ACTIVATE, ""), (0, "configure"), (77, ""), (0, "fly")],
)
def test_a_transition_that_there_is_none_of_is_refused_and_the_node_goes_on(
    make: Callable[[], RobotNode], transition: int, label: str
) -> None:
    node = make()
    assert not ask(node, transition, label)
    assert state(node) == "active"
    assert reset(node).success
    assert ask(node, Transition.TRANSITION_DEACTIVATE)


def test_an_unforeseen_error_on_connecting_is_told(
    make: Callable[[], RobotNode], robot: DoubleRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect() -> None:
        raise UnicodeError("no such\nhost")

    monkeypatch.setattr(robot, "connect", connect)
    with pytest.raises(RobotError, match=r"cannot be started: UnicodeError: no such host$"):
        make()
    assert robot.calls == ["close"]


def test_a_node_that_cannot_be_activated_lets_go_of_the_arm(
    make: Callable[[], RobotNode], robot: DoubleRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LifecyclePublisher, "on_activate", lambda *_: FAILURE)
    with pytest.raises(RobotError, match="cannot be started"):
        make()
    assert robot.calls == ["connect", "close"]


def test_another_node_that_cannot_be_made_leaves_the_arm_alone(
    make: Callable[[], RobotNode], robot: DoubleRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_bundle() -> Node:
        raise InvalidBundleError("no such bundle")

    monkeypatch.setattr(composed, "RobotNode", make)
    monkeypatch.setattr(composed, "AdaptNode", no_bundle)
    with pytest.raises(InvalidBundleError):
        composed.make_nodes()
    assert robot.calls in ([], ["connect", "close"])


@pytest.mark.parametrize("transition", ["activate", "deactivate", "cleanup", "shutdown"])
def test_a_transition_that_fails_leaves_nothing_alive(
    make: Callable[[], RobotNode],
    robot: DoubleRobot,
    monkeypatch: pytest.MonkeyPatch,
    transition: str,
) -> None:
    node = make()
    if transition in ("activate", "cleanup"):
        assert node.trigger_deactivate() == SUCCESS

    def fail(_: object) -> TransitionCallbackReturn:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(node._observations, f"on_{transition}", fail)
    assert getattr(node, f"trigger_{transition}")() != SUCCESS
    assert node.failure == "RuntimeError: out of memory"
    assert state(node) == "unconfigured"
    assert node._loop is node._tick_timer is node._joint_timer is None
    assert robot.calls[-1] == "close"
    monkeypatch.undo()
    monkeypatch.setattr(robot_node, "make_robot", lambda *_: robot)
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    assert node.failure == ""
    assert reset(node).success


def test_a_hold_that_fails_keeps_no_timer_alive(
    make: Callable[[], RobotNode], robot: DoubleRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = make()
    assert reset(node).success

    def hold() -> None:
        raise OSError("broken")

    monkeypatch.setattr(robot, "hold", hold)
    assert node.trigger_deactivate() != SUCCESS
    assert node._loop is node._tick_timer is None
    assert robot.calls[-1] == "close"


def test_a_node_that_is_shut_down_says_that_it_must_be_started_anew(
    make: Callable[[], RobotNode],
) -> None:
    node = make()
    assert ask(node, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    answer = reset(node)
    assert not answer.success
    assert answer.message == "the robot node is shut down; start it anew"
