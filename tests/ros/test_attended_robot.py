"""The robot node with a physical arm, as an operator meets it; server and eyes are doubles."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from rclpy.qos import qos_profile_sensor_data
from rclpy.task import Future
from std_srvs.srv import Trigger

from damsel.calibration import OBJECT_NAMES
from damsel.errors import RobotError
from damsel.perception import rest_positions
from damsel.tasks import Task
from damsel_intera.wire import HoldReason
from damsel_ros.attendant import Attendant
from damsel_ros.conversions import pose_to_message
from damsel_ros.nodes import NAMESPACE, NODES, start_nodes
from damsel_ros.operator_client import Operator
from damsel_ros.person import StandIn, TerminalPerson
from damsel_ros.processes import NodeProcess, NodeProcesses
from tests.ros.intera_double import InteraDouble, free_addresses
from tests.ros.watcher import Watcher

Array = NDArray[np.float64]

TASK = Task("door", (0.62,))


class Eyes:
    """Publishes where the objects are, 50 times a second, on the watcher's node."""

    def __init__(self, watcher: Watcher) -> None:
        self.positions: Array | None = rest_positions()
        node = watcher.node
        self._clock = node.get_clock()
        self._publishers = [
            node.create_publisher(PoseStamped, f"objects/{name}/pose", qos_profile_sensor_data)
            for name in OBJECT_NAMES
        ]
        node.create_timer(0.02, self._on_timer)

    def _on_timer(self) -> None:
        if self.positions is None:
            return
        stamp = self._clock.now().to_msg()
        for publisher, at in zip(self._publishers, self.positions.reshape(3, 3), strict=True):
            publisher.publish(pose_to_message(at.tolist(), (0.0, 0.0, 0.0, 1.0), stamp))


class Team:
    """An operator with an attendant, the double, and what they said."""

    def __init__(self, server: InteraDouble, operator: Operator, eyes: Eyes) -> None:
        self.server, self.operator, self.eyes = server, operator, eyes
        self.said: list[str] = []
        self.put_back: Callable[[], None] = lambda: None
        self.attendant = Attendant(operator.node, StandIn(self._put_back, self.said.append))
        self.nodes: dict[str, NodeProcess] = {}
        self.start: Callable[[str], NodeProcess]

    def _put_back(self) -> None:
        self.put_back()


@pytest.fixture
def team(domain_id: int, tmp_path: Path, long_bundle: Path, watcher: Watcher) -> Iterator[Team]:
    attendants: list[Attendant] = []
    operator = Operator(
        namespace=NAMESPACE, check=lambda: [one.poll() for one in attendants] and None
    )
    with InteraDouble(free_addresses()) as server, NodeProcesses() as processes:
        team = Team(server, operator, Eyes(watcher))
        addresses = server.addresses

        def start(*nodes: str) -> dict[str, NodeProcess]:
            return start_nodes(
                processes,
                robot="sawyer",
                mode="realtime",
                bundle=long_bundle,
                composed=False,
                nodes=nodes,
                run_folder=tmp_path,
                overrides={
                    "robot": {
                        "sawyer.state_port": addresses.state_port,
                        "sawyer.command_port": addresses.command_port,
                        "sawyer.operator_port": addresses.operator_port,
                        "sawyer.confirm_timeout_s": 3.0,
                    }
                },
            )

        team.nodes = start(*NODES)
        team.start = lambda name: start(name)[name]
        operator.wait_for_nodes(20.0)
        watcher.wait_until(lambda: watcher.value("robot", "objects") == "seen", 20.0)
        operator.set_task(TASK)
        attendants.append(team.attendant)
        yield team
    operator.close()


def test_a_run_goes_through_every_reset_with_the_person(team: Team, watcher: Watcher) -> None:
    team.attendant.enable(team.operator.poll, 20.0)
    run = team.operator.adapt(1, lambda *_: None)
    assert len(run.result.trajectories) == 4
    assert team.said[:2] == [
        "the arm will be enabled; keep clear of it [done by the rehearsal]",
        "the arm is enabled and holds",
    ]
    assert team.said.count("the objects are back; the trajectory begins") == 4
    assert watcher.value("robot", "enabled") == "True"
    assert watcher.value("robot", "emergency stop") == "unpressed"
    assert watcher.value("robot", "objects") == "seen"
    assert float(watcher.value("robot", "state age [ms]")) < 100.0


def test_an_object_that_is_not_back_is_named_and_the_person_asked_again(team: Team) -> None:
    away = rest_positions()
    away[6] -= 0.05
    team.eyes.positions = away
    asked: list[float] = []

    def put_back() -> None:
        asked.append(time.monotonic())
        if len(asked) > 1:
            team.eyes.positions = rest_positions()
            time.sleep(0.2)

    team.attendant.enable(team.operator.poll, 20.0)
    team.put_back = put_back
    moved: list[int] = []

    class SeenEnoughError(Exception):
        pass

    def on_progress(record: object, _: bool) -> None:
        moved.append(1)
        raise SeenEnoughError

    with pytest.raises(SeenEnoughError):
        team.operator.adapt(1, on_progress)
    assert team.operator.stop()
    assert any("the drawer handle is 0.050 m from its start" in line for line in team.said)
    assert len(asked) == 2


def test_nobody_there_ends_the_run_in_one_line(team: Team) -> None:
    team.attendant.enable(team.operator.poll, 20.0)
    team.eyes.positions = None
    with pytest.raises(RobotError) as error:
        team.operator.adapt(1, lambda *_: None)
    assert str(error.value).startswith(
        "the robot node: nobody confirmed within 3 s that the objects are back; the last to do so "
        "was told: no pose of the block for "
    )
    assert "\n" not in str(error.value)
    assert any("no pose of the block" in line for line in team.said)


def test_an_arm_that_was_left_enabled_does_not_move_until_somebody_enables_it(
    team: Team, watcher: Watcher
) -> None:
    watcher.wait_until(lambda: watcher.health("robot").startswith("nobody has enabled"), 3.0)
    with pytest.raises(RobotError, match="nobody has enabled the arm since the robot node"):
        team.operator.adapt(1, lambda *_: None)
    assert team.server.travel_rad(0.3) == 0.0


def test_an_arm_that_was_told_to_hold_between_two_motions_does_not_move_until_it_is_enabled(
    team: Team, watcher: Watcher
) -> None:
    team.attendant.enable(team.operator.poll, 20.0)
    hold = watcher.node.create_client(Trigger, "hold")
    watcher.wait_until(hold.service_is_ready, 5.0)
    answer = hold.call_async(Trigger.Request())
    watcher.wait_until(answer.done, 5.0)
    assert answer.result().message == "the arm holds until somebody enables it"
    with pytest.raises(RobotError, match="nobody has enabled the arm since it was told to hold"):
        team.operator.adapt(1, lambda *_: None)
    assert team.server.travel_rad(0.3) == 0.0
    team.attendant.enable(team.operator.poll, 20.0)
    assert len(team.operator.adapt(1, lambda *_: None).result.trajectories) == 4


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("task", "the task node was started anew in the middle of the run"),
        ("robot", "the robot node was shut down"),
    ],
)
def test_a_node_that_is_started_anew_while_a_person_is_asked_ends_the_run(
    name: str, says: str, team: Team
) -> None:
    team.attendant.enable(team.operator.poll, 20.0)
    anew: list[NodeProcess] = []

    def start_anew() -> None:
        team.eyes.positions = None  # so that this trajectory never begins
        if not anew:
            team.nodes[name].signal(signal.SIGINT)
            assert team.nodes[name].wait(5.0)
            anew.append(team.start(name))

    team.put_back = start_anew
    with pytest.raises(RobotError, match=says):
        team.operator.adapt(1, lambda *_: None)


def test_an_arm_that_is_not_enabled_refuses_the_run_and_says_so(
    team: Team, watcher: Watcher
) -> None:
    team.server.hold(HoldReason.DISABLED, enabled=False)
    watcher.wait_until(lambda: watcher.health("robot") == "the robot is not enabled", 3.0)
    with pytest.raises(
        RobotError, match=r"the robot is not enabled; make it safe, then start again"
    ):
        team.operator.adapt(1, lambda *_: None)


def test_an_emergency_stop_in_mid_trajectory_ends_the_run(team: Team, watcher: Watcher) -> None:
    team.attendant.enable(team.operator.poll, 20.0)
    struck: list[bool] = []

    def strike(record: object, _: bool) -> None:
        if not struck:
            struck.append(True)
            team.server.hold(HoldReason.ESTOP, estop_button=1, stopped=True, enabled=False)

    with pytest.raises(RobotError, match="stopped the arm: the emergency stop is pressed"):
        team.operator.adapt(1, strike)
    assert watcher.health("robot").startswith("holding: the emergency stop is pressed")
    assert all(context.transitions == 0 for _, context in watcher.contexts)
    assert team.server.travel_rad(0.3) == 0.0
    # The button is released: nothing resumes, and enabling is somebody's decision.
    team.server.change(estop_button=3)
    with pytest.raises(
        RobotError, match="make it safe, then start again, or call service /damsel/robot/enable"
    ):
        team.operator.adapt(1, lambda *_: None)
    team.attendant.enable(team.operator.poll, 20.0)
    assert team.said[-1] == "the arm is enabled and holds"
    watcher.wait_until(
        lambda: watcher.health("robot") == "holding: the arm is enabled and holds", 3.0
    )
    # Somebody who only watches hears of it, too; of a new fault as well.
    nobody(team).enable(patient(team, 3.0), 5.0)
    team.server.change(stopped=True, estop_button=1)
    watcher.wait_until(lambda: watcher.health("robot") == "the emergency stop is pressed", 3.0)


def nobody(team: Team) -> Attendant:
    """An attendant without a terminal."""
    with Path(os.devnull).open(encoding="utf-8") as stdin:
        return Attendant(team.operator.node, TerminalPerson(lambda _: None, stdin))


def patient(team: Team, timeout_s: float) -> Callable[[], None]:
    """Poll, but not for ever."""
    deadline_s = time.monotonic() + timeout_s

    def poll() -> None:
        assert time.monotonic() < deadline_s, "waits for ever"
        team.operator.poll()

    return poll


def test_closing_the_robot_node_gives_control_back(team: Team) -> None:
    team.attendant.enable(team.operator.poll, 20.0)

    def stop(record: object, _: bool) -> None:
        team.nodes["robot"].signal(signal.SIGINT)

    with pytest.raises(RobotError):
        team.operator.adapt(1, stop)
    assert team.nodes["robot"].wait(5.0)
    assert team.server.state.hold_reason is HoldReason.RELEASED


def test_without_a_terminal_the_operator_waits_until_somebody_has_enabled_the_arm(
    team: Team, watcher: Watcher
) -> None:
    team.server.hold(HoldReason.DISABLED, enabled=False)
    watcher.wait_until(lambda: watcher.health("robot") == "the robot is not enabled", 3.0)
    said: list[str] = []
    read, write = os.pipe()
    with os.fdopen(read) as nobody:
        attendant = Attendant(team.operator.node, TerminalPerson(said.append, nobody))
        polled: list[float] = []
        enable = team.operator.node.create_client(Trigger, "robot/enable")
        called: list[Future] = []

        def poll() -> None:
            team.operator.poll()
            polled.append(time.monotonic())
            if (
                polled[-1] - polled[0] > 1.5
                and team.server.state.hold_reason is HoldReason.DISABLED
            ):
                # Motors that are on are not yet somebody's word.
                team.server.change(enabled=True, hold_reason=HoldReason.NO_CONTROLLER)
            if polled[-1] - polled[0] > 2.5 and not called:
                called.append(enable.call_async(Trigger.Request()))

        attendant.enable(poll, 5.0)
    os.close(write)
    assert polled[-1] - polled[0] > 2.5
    assert said == ["waiting for the arm to be enabled: call service /damsel/robot/enable"]
