"""The operator's promises: what it started stops, what it did not start it leaves alone."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from damsel.errors import RobotError
from damsel.tasks import Task
from damsel_msgs.action import Adapt
from damsel_msgs.msg import EndEffectorCommand
from damsel_ros.adapt_cli import _take_over
from damsel_ros.conversions import ADAPT_DIAGNOSTICS, ADAPTING
from damsel_ros.nodes import NAMESPACE
from damsel_ros.operator_client import Operator
from damsel_ros.processes import NodeProcess, NodeProcesses
from damsel_ros.qos import STANDARD
from tests.ros.test_faults_in_the_loop import START_TIMEOUT_S, TASK, once
from tests.ros.watcher import Watcher

Start = Callable[..., dict[str, NodeProcess]]


class GivenUpError(Exception):
    """The operator's own error, as after Ctrl-C."""


def give_up() -> None:
    raise GivenUpError


def give_up_after(operator: Operator, wait_s: float) -> None:
    """Have the operator give up a while after now, as Ctrl-C does at the next poll."""
    due_s = time.monotonic() + wait_s

    def check() -> None:
        if time.monotonic() > due_s:
            give_up()

    operator._check = check


@pytest.fixture
def another(domain_id: int) -> Iterator[Operator]:
    operator = Operator(namespace=NAMESPACE, check=lambda: None)
    yield operator
    operator.close()


def frozen_with_a_goal(start: Start, operator: Operator) -> NodeProcess:
    """The adapt node, stopped before it could accept the goal of an operator who gave up."""
    nodes = start()
    operator.wait_for_nodes(START_TIMEOUT_S)
    operator.set_task(TASK)
    nodes["adapt"].signal(signal.SIGSTOP)
    give_up_after(operator, 0.2)
    with pytest.raises(GivenUpError):
        operator.adapt(4, lambda *_: None)
    return nodes["adapt"]


def given_up_with_frozen(name: str, start: Start, operator: Operator) -> NodeProcess:
    """A node, stopped in the middle of a run that the operator gives up in this moment."""
    nodes = start(mode="realtime")
    operator.wait_for_nodes(START_TIMEOUT_S)
    operator.set_task(TASK)

    def freeze_and_give_up() -> None:
        nodes[name].signal(signal.SIGSTOP)
        give_up()

    with pytest.raises(GivenUpError):
        operator.adapt(4, once(freeze_and_give_up))
    return nodes[name]


def carried_out(watcher: Watcher) -> int:
    return sum(one.status == EndEffectorCommand.STATUS_OK for _, one in watcher.applied)


def test_a_goal_that_is_accepted_after_the_operator_gave_up_moves_nothing(
    start: Start, operator: Operator, watcher: Watcher
) -> None:
    adapt = frozen_with_a_goal(start, operator)
    threading.Timer(0.7, adapt.signal, [signal.SIGCONT]).start()
    assert operator.stop()
    watcher.wait_until(lambda: watcher.health("adapt") == "idle", 5.0)
    time.sleep(1.0)
    assert carried_out(watcher) == 0


def test_no_hold_is_claimed_while_a_goal_may_still_be_accepted(
    start: Start, operator: Operator, watcher: Watcher
) -> None:
    adapt = frozen_with_a_goal(start, operator)
    assert not operator.stop()
    adapt.signal(signal.SIGCONT)
    time.sleep(2.0)
    assert carried_out(watcher) == 0


def test_the_goal_of_an_operator_that_died_is_too_old_for_a_node_that_stood_still(
    start: Start, operator: Operator, another: Operator, watcher: Watcher
) -> None:
    nodes = start()
    for one in (operator, another):
        one.wait_for_nodes(START_TIMEOUT_S)
    operator.set_task(TASK)
    nodes["adapt"].signal(signal.SIGSTOP)
    another._adapt.send_goal_async(Adapt.Goal(iterations=4))
    time.sleep(2.5)
    nodes["adapt"].signal(signal.SIGCONT)
    time.sleep(1.5)
    assert carried_out(watcher) == 0
    # A goal that is new runs as ever.
    assert len(operator.adapt(1, lambda *_: None).result.trajectories) == 4


def test_a_run_whose_operator_is_gone_ends(start: Start, domain_id: int, watcher: Watcher) -> None:
    start(mode="realtime")
    operator = Operator(namespace=NAMESPACE, check=lambda: None)
    operator.wait_for_nodes(START_TIMEOUT_S)
    operator.set_task(TASK)
    with pytest.raises(GivenUpError):
        operator.adapt(4, once(give_up))
    assert watcher.health("adapt") == ADAPTING
    operator.close()
    watcher.wait_until(lambda: watcher.health("adapt") == "idle", 3.0)
    assert watcher.health("robot").startswith("holding: somebody asked the robot node to hold")


def test_an_operator_who_asked_for_nothing_stops_nobody(
    start: Start, operator: Operator, another: Operator
) -> None:
    start()
    for one in (operator, another):
        one.wait_for_nodes(START_TIMEOUT_S)
    operator.set_task(TASK)
    refusals: list[str] = []

    def interfere() -> None:
        # What a person's word leads to, and what comes after it.
        for ask in (lambda: _take_over(another, Task("push", (0.15, 0.0))), ask_for_a_run):
            with pytest.raises(RobotError) as refused:
                ask()
            refusals.append(str(refused.value))
            assert not another.answers_for_arm
            assert not another.stop()

    def ask_for_a_run() -> None:
        another.adapt(1, lambda *_: None)

    assert len(operator.adapt(1, once(interfere)).result.trajectories) == 4
    assert refusals == [
        "the task node refused the task: an adaptation is running; a task can be set when it has "
        "ended",
        "the adapt node refused the goal; its log says why",
    ]
    time.sleep(0.6)
    another.set_task(Task("push", (0.15, 0.0)))


def test_a_task_replaced_before_the_run_is_noticed_after_it(
    start: Start, operator: Operator, another: Operator
) -> None:
    start()
    for one in (operator, another):
        one.wait_for_nodes(START_TIMEOUT_S)
    operator.set_task(TASK)
    another.set_task(Task("push", (0.15, 0.0)))
    with pytest.raises(RobotError, match=r"^somebody has replaced .* judged by push \(0\.15, 0"):
        operator.adapt(1, lambda *_: None)


def test_a_hold_that_the_robot_node_does_not_answer_is_not_claimed(
    start: Start, operator: Operator
) -> None:
    robot = given_up_with_frozen("robot", start, operator)
    assert not operator.stop()
    robot.signal(signal.SIGCONT)
    assert operator.stop()


def test_an_adapt_node_that_hangs_is_not_waited_for(
    start: Start, operator: Operator, watcher: Watcher
) -> None:
    given_up_with_frozen("adapt", start, operator)
    operator.stop()
    # Before the robot node would have held by itself, half a second after the last command.
    asked = "holding: somebody asked the robot node to hold"
    watcher.wait_until(lambda: watcher.health("robot") == asked, 3.0)


def test_an_adapt_node_of_another_robot_is_no_heartbeat(
    start: Start, operator: Operator, watcher: Watcher
) -> None:
    nodes = start()
    operator.wait_for_nodes(START_TIMEOUT_S)
    operator.set_task(TASK)
    other = DiagnosticStatus(name=ADAPT_DIAGNOSTICS, hardware_id="/other/adapt", message="idle")
    publisher = watcher.node.create_publisher(DiagnosticArray, "/diagnostics", STANDARD)
    watcher.node.create_timer(0.5, lambda: publisher.publish(DiagnosticArray(status=[other])))
    with pytest.raises(RobotError, match="the adapt node went silent"):
        operator.adapt(4, once(lambda: nodes["adapt"].signal(signal.SIGKILL)))


def test_forces_of_other_trajectories_do_not_count(start: Start, operator: Operator) -> None:
    start()
    operator.wait_for_nodes(START_TIMEOUT_S)
    operator.set_task(TASK)
    latched = EndEffectorCommand(trajectory=0, peak_contact_force=1e6)
    finished = operator.adapt(1, once(lambda: operator._on_applied(latched)))
    assert not math.isnan(finished.peak_contact_force_n)
    assert finished.peak_contact_force_n < 1e6


def test_two_robots_in_one_namespace_move_neither(
    start: Start, operator: Operator, watcher: Watcher
) -> None:
    start()
    operator.wait_for_nodes(START_TIMEOUT_S)
    operator.set_task(TASK)
    start(nodes=("robot",))
    twice = [("robot", NAMESPACE)] * 2
    names = operator.node.get_node_names_and_namespaces
    watcher.wait_until(lambda: [one for one in names() if one[0] == "robot"] == twice, 15.0)
    with pytest.raises(RobotError, match=r"^there are several robot nodes in /damsel; allowed"):
        operator.wait_for_nodes(1.0)
    says = r"^2 nodes publish /damsel/observation; allowed: one robot node$"
    with pytest.raises(RobotError, match=says):
        operator.adapt(1, lambda *_: None)
    assert carried_out(watcher) == 0


def test_topics_that_are_remapped_are_found(start: Start, operator: Operator) -> None:
    remapped = ["-r", f"__ns:={NAMESPACE}", "-r", "observation:=seen", "-r", "reward:=paid"]
    with NodeProcesses() as processes:
        for name in ("robot", "task", "adapt"):
            processes.start(name, f"damsel_ros.{name}_node", ["--ros-args", *remapped])
        operator.wait_for_nodes(START_TIMEOUT_S)
        operator.set_task(TASK)
        started: list[bool] = []
        with pytest.raises(GivenUpError):
            operator.adapt(1, once(lambda: (started.append(True), give_up())))
        assert operator.stop()
    assert started


def test_only_an_adapt_node_that_knows_of_the_run_is_a_sign_of_life(operator: Operator) -> None:
    """One that was killed and started anew says that it is idle, and would be waited for."""
    status = DiagnosticStatus(name=ADAPT_DIAGNOSTICS, hardware_id="/damsel/adapt", message="idle")
    for message, heard in (("idle", False), (ADAPTING, True)):
        status.message = message
        operator._on_diagnostics(DiagnosticArray(status=[status]))
        assert math.isfinite(operator._adapt_heard_s) == heard
