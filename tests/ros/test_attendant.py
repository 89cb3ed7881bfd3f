"""The operator's side of a physical arm, against a robot node that is played here."""

from __future__ import annotations

import os
import pty
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import Trigger

from damsel_ros import attendant as attendant_module
from damsel_ros.attendant import Attendant
from damsel_ros.conversions import ROBOT_DIAGNOSTICS
from damsel_ros.person import StandIn, TerminalPerson
from damsel_ros.qos import LATCHED, STANDARD


class Played:
    """A robot node that says what it is told to, and spins everything."""

    def __init__(self) -> None:
        self.node = Node("robot", namespace="/left")
        self.operator = Node("operator", namespace="/left")
        self.confirmed = 0
        self._health = self.node.create_publisher(DiagnosticArray, "/diagnostics", STANDARD)
        self._prompts = self.node.create_publisher(String, "~/prompt", LATCHED)
        self.node.create_service(Trigger, "~/confirm_reset", self._on_confirm)
        self._executor = SingleThreadedExecutor()
        for node in (self.node, self.operator):
            self._executor.add_node(node)

    def say_ok(self, name: str) -> None:
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK, name=ROBOT_DIAGNOSTICS, hardware_id=name
        )
        self._health.publish(DiagnosticArray(status=[status]))

    def prompt(self, text: str) -> None:
        self._prompts.publish(String(data=text))

    def poll(self) -> None:
        self._executor.spin_once(timeout_sec=0.01)

    def until(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline_s, "did not happen"
            self.poll()

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self.operator.destroy_node()

    def _on_confirm(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.confirmed += 1
        response.success, response.message = True, "the objects are back"
        return response


@pytest.fixture
def played(domain_id: int) -> Iterator[Played]:
    played = Played()
    yield played
    played.close()


def test_only_the_own_robot_says_that_the_arm_is_enabled(played: Played) -> None:
    read, write = os.pipe()
    with os.fdopen(read) as nobody:
        attendant = Attendant(played.operator, TerminalPerson(lambda _: None, nobody))
        began_s = time.monotonic()

        def poll() -> None:
            elapsed_s = time.monotonic() - began_s
            assert elapsed_s < 10.0, "waits for ever"
            played.say_ok("/left/robot" if elapsed_s > 1.5 else "/right/robot")
            played.poll()

        attendant.enable(poll, 1.0)
    os.close(write)
    assert time.monotonic() - began_s > 1.5


def test_nothing_is_asked_of_the_robot_before_the_operator_answers_for_it(played: Played) -> None:
    class BusyError(Exception):
        pass

    def agreed() -> None:
        raise BusyError("somebody else's run has begun")

    keys, screen = pty.openpty()
    threading.Timer(0.3, os.write, (keys, b"\n")).start()
    with os.fdopen(screen, "r") as stdin:
        attendant = Attendant(played.operator, TerminalPerson(lambda _: None, stdin))
        with pytest.raises(BusyError):
            attendant.enable(played.poll, 1.0, agreed)
    os.close(keys)


def test_a_terminal_that_ends_before_anybody_agreed_leaves_it_to_the_service(
    played: Played,
) -> None:
    keys, screen = pty.openpty()
    said: list[str] = []
    threading.Timer(0.3, os.close, (keys,)).start()
    with os.fdopen(screen, "r") as stdin:
        attendant = Attendant(played.operator, TerminalPerson(said.append, stdin))
        began_s = time.monotonic()

        def poll() -> None:
            assert time.monotonic() - began_s < 10.0, "waits for ever"
            if len(said) == 3:
                played.say_ok("/left/robot")
            played.poll()

        attendant.enable(poll, 1.0)
    assert said[0].startswith("the arm will be enabled")
    assert said[2] == "waiting for the arm to be enabled: call service /damsel/robot/enable"


def test_an_answer_that_is_lost_has_the_person_asked_again(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attendant_module, "_ANSWER_S", 0.5)
    said: list[str] = []
    asked: list[float] = []
    attendant = Attendant(
        played.operator, StandIn(lambda: asked.append(time.monotonic()), said.append)
    )
    played.until(attendant._confirm.service_is_ready)
    first = attendant._confirm
    lost = attendant._confirm.call_async(Trigger.Request())
    played.until(lost.done)
    answers = [type(lost)()]
    call = attendant._confirm.call_async
    monkeypatch.setattr(
        attendant._confirm,
        "call_async",
        lambda request: answers.pop() if answers else call(request),
    )
    played.prompt("put the block back")

    def confirmed() -> bool:
        attendant.poll()
        return played.confirmed == 2 and said[-1] == "the objects are back"

    played.until(confirmed)
    assert len(asked) == 2
    assert "no answer from robot/confirm_reset within 0.5 s" in said
    # What did not leave in that time never will: it went with its client.
    assert attendant._confirm is not first
