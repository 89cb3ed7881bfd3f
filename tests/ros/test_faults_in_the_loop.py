"""Killing a node, cancelling, and asking for a second run, with the nodes as processes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from damsel.errors import RobotError
from damsel.tasks import Task
from damsel_msgs.action import Adapt
from damsel_msgs.msg import Context, EndEffectorCommand, TrajectoryRecord
from damsel_ros.operator_client import Operator
from damsel_ros.processes import NodeProcess
from tests.ros.watcher import Watcher

TASK = Task("door", (0.5,))
STILL_RAD = 1e-3
START_TIMEOUT_S = 20.0

Start = Callable[..., dict[str, NodeProcess]]


def once(
    happens: Callable[[], None], when: Callable[[], bool] = lambda: True
) -> Callable[[TrajectoryRecord, bool], None]:
    """Do something at the first sign of motion, or the first after something else is true."""
    done: list[bool] = []

    def on_progress(record: TrajectoryRecord, _: bool) -> None:
        if record.steps > 0 and when() and not done:
            done.append(True)
            happens()

    return on_progress


@pytest.mark.parametrize("mode", ["lockstep", "realtime"])
@pytest.mark.parametrize(
    ("victim", "message"),
    [
        ("robot", r"^the robot node went silent: .* within \S+ s$"),
        ("task", r"^the task node went silent: no reward of step \d+ .* within \S+ s$"),
        ("adapt", r"^the adapt node went silent for \S+ s$"),
    ],
)
def test_killing_a_node_ends_the_run_with_its_name_and_the_arm_held(
    start: Start, operator: Operator, watcher: Watcher, mode: str, victim: str, message: str
) -> None:
    nodes = start(mode=mode)
    operator.wait_for_nodes(START_TIMEOUT_S)
    operator.set_task(TASK)
    killed_s = []

    def kill() -> None:
        killed_s.append(time.monotonic())
        nodes[victim].signal(signal.SIGKILL)

    with pytest.raises(RobotError, match=message):
        operator.adapt(4, once(kill))
    assert time.monotonic() - killed_s[0] < 6.0
    if victim == "robot":
        return  # a simulated arm is gone with its node
    watcher.wait_until(lambda: watcher.health("robot").startswith("holding"), 3.0)
    assert watcher.arm_travel_rad(0.5) < STILL_RAD


def test_every_node_can_be_used_again_after_a_failed_run(
    start: Start, operator: Operator, tmp_path: object
) -> None:
    nodes = start()
    operator.wait_for_nodes(START_TIMEOUT_S)
    operator.set_task(TASK)
    pause = once(lambda: nodes["task"].signal(signal.SIGSTOP))
    with pytest.raises(RobotError, match="the task node went silent"):
        operator.adapt(1, pause)
    nodes["task"].signal(signal.SIGCONT)
    finished = operator.adapt(1, lambda *_: None)
    assert len(finished.result.trajectories) == 4


@pytest.mark.parametrize("mode", ["lockstep", "realtime"])
def test_cancelling_stops_the_arm_within_two_control_steps(
    start: Start, operator: Operator, watcher: Watcher, mode: str
) -> None:
    start(mode=mode)
    operator.wait_for_nodes(START_TIMEOUT_S)
    operator.set_task(TASK)
    asked_s: list[float] = []
    # By the clock that stamps messages: when they arrive here says more of this machine's load.
    wished_ns: list[int] = []
    answered_ns: list[int] = []

    class CancelledError(Exception):
        pass

    def cancel() -> None:
        asked_s.append(time.monotonic())
        wished_ns.append(time.time_ns())
        answer = operator._sent.result().cancel_goal_async()
        answer.add_done_callback(lambda _: answered_ns.append(time.time_ns()))
        raise CancelledError

    with pytest.raises(CancelledError):
        operator.adapt(4, once(cancel, when=lambda: operator._sent and operator._sent.done()))
    assert operator.stop()
    assert time.monotonic() - asked_s[0] < 2.0
    while not answered_ns:  # the arm may be at rest before the answer is heard
        assert time.monotonic() - asked_s[0] < 5.0
        operator.poll()
    # The summary crosses DDS on a topic of its own, so it may come after the action's answer.
    watcher.wait_until(lambda: watcher.health("robot").startswith("holding: somebody asked"), 2.0)
    assert watcher.arm_travel_rad(0.5) < STILL_RAD
    carried_out = [
        message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        for _, message in watcher.applied
        if message.status == EndEffectorCommand.STATUS_OK
    ]
    assert len(carried_out) > 1
    watcher.wait_until(lambda: watcher.contexts[-1][1].stage == Context.STAGE_DONE, 2.0)
    # In real time a step takes 50 ms, and this counts from the wish to stop. In lock-step the
    # wish travels for longer than a step takes, so there it counts from the answer to it.
    reference_ns = wished_ns[0] if mode == "realtime" else answered_ns[0]
    assert sum(at > reference_ns for at in carried_out) <= 2


def test_a_second_goal_is_refused_while_one_runs(start: Start, operator: Operator) -> None:
    start()
    operator.wait_for_nodes(START_TIMEOUT_S)
    operator.set_task(TASK)
    answers: list[object] = []

    def ask_again() -> None:
        operator._adapt.send_goal_async(Adapt.Goal(iterations=1)).add_done_callback(
            lambda future: answers.append(future.result().accepted)
        )

    finished = operator.adapt(1, once(ask_again))
    assert answers == [False]
    assert len(finished.result.trajectories) == 4


def test_a_silent_start_names_the_node_that_is_missing(start: Start, operator: Operator) -> None:
    nodes = start()
    operator.wait_for_nodes(START_TIMEOUT_S)
    operator.set_task(TASK)
    nodes["robot"].signal(signal.SIGINT)
    assert nodes["robot"].wait(5.0)
    with pytest.raises(RobotError, match=r"^the robot node is not there: .* within 5 s$"):
        operator.adapt(1, lambda *_: None)


def test_without_a_task_the_run_ends_and_says_so(start: Start, operator: Operator) -> None:
    start()
    operator.wait_for_nodes(START_TIMEOUT_S)
    with pytest.raises(RobotError, match=r"no reward of step 1 \(is a task set\?\)"):
        operator.adapt(1, lambda *_: None)
