"""What operators ask the server for: enable, stop, hold; what comes late, and which wins."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from damsel_intera.client import Client
from damsel_intera.errors import NoAnswerError, RefusedError, RobotPortError
from damsel_intera.reasons import HoldReason, Operation
from damsel_intera.settings import ServerCfg
from damsel_intera.wire import OperatorReply
from tests.intera.doubles import FakeRobot, connected, follow, served, wait_for, wait_for_hold


class PatientRobot(FakeRobot):
    """Enables nothing until it is told not to."""

    def enable(self, cancelled: Callable[[], bool]) -> None:
        while not cancelled():
            time.sleep(0.01)
        raise RobotPortError("stopped meanwhile; allowed: enable again")


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        (HoldReason.ESTOP, {"estop_button": 1, "stopped": True, "enabled": False}),
        (HoldReason.COLLISION, {"collision": True}),
    ],
)
def test_a_fault_latches_until_an_explicit_enable(
    reason: HoldReason, changes: dict[str, Any]
) -> None:
    robot = FakeRobot()
    with served(robot) as addresses, connected(addresses) as client:
        client.claim()
        follow(client, 0.05)
        well = robot.now
        robot.now = replace(robot.now, **changes)
        wait_for_hold(client, reason)
        robot.now = replace(well, joint_positions=robot.now.joint_positions)
        time.sleep(0.1)
        with pytest.raises(RefusedError, match="allowed: an operator's enable first"):
            client.claim()
        assert robot.enables == 0, "nothing but an operator enables"
        assert client.enable().text == "enabled"
        assert robot.enables == 1
        client.claim()
        follow(client, 0.05)


def test_an_enable_that_fails_says_why_and_stays_latched() -> None:
    robot = FakeRobot()
    robot.can_enable = False
    robot.now = replace(robot.now, estop_button=1, stopped=True, enabled=False)
    with served(robot) as addresses, connected(addresses) as client:
        with pytest.raises(RefusedError, match="the e-stop is pressed; allowed: release it"):
            client.enable()
        with pytest.raises(RefusedError, match="an operator's enable first"):
            client.claim()


def test_an_enable_with_a_fault_that_stays_is_no_success() -> None:
    robot = FakeRobot()
    robot.now = replace(robot.now, collision=True)
    with served(robot) as addresses, connected(addresses) as client:
        with pytest.raises(RefusedError, match="felt a collision; allowed: mend that"):
            client.enable()
        assert client.receive_state(0.2) is not None
        with pytest.raises(RefusedError):
            client.claim()


def test_anybody_may_stop_the_robot_without_a_greeting() -> None:
    robot = FakeRobot()
    with served(robot) as addresses, connected(addresses) as client:
        client.claim()
        follow(client, 0.05)
        with Client(addresses, "bystander") as bystander:
            assert bystander.stop().text == "stopped"
        assert robot.stops == 1
        assert wait_for(client, lambda state: state.hold_reason is HoldReason.OPERATOR_STOP)


def test_anybody_may_make_it_hold() -> None:
    with served(FakeRobot()) as addresses, connected(addresses) as client:
        client.claim()
        follow(client, 0.05)
        with Client(addresses, "bystander") as bystander:
            bystander.hold()
        assert wait_for(client, lambda state: state.hold_reason is HoldReason.OPERATOR_HOLD)


def test_a_stop_is_answered_while_an_enable_is_under_way() -> None:
    class SlowRobot(FakeRobot):
        def enable(self, cancelled: Callable[[], bool]) -> None:
            time.sleep(1.0)
            super().enable(cancelled)

    with served(SlowRobot()) as addresses, connected(addresses) as client:
        with pytest.raises(NoAnswerError):
            client.enable(timeout_s=0.05)
        with pytest.raises(RefusedError, match="an enable is under way"):
            client.enable()
        begin_s = time.monotonic()
        client.stop()
        assert time.monotonic() - begin_s < 0.5


@pytest.mark.parametrize(
    ("call", "reason"),
    [(Client.stop, HoldReason.OPERATOR_STOP), (Client.hold, HoldReason.DISABLED)],
)
def test_a_stop_or_hold_during_an_enable_is_what_counts_in_the_end(
    call: Callable[[Client], OperatorReply], reason: HoldReason
) -> None:
    class SlowRobot(FakeRobot):
        def enable(self, cancelled: Callable[[], bool]) -> None:
            time.sleep(0.3)
            super().enable(cancelled)

    robot = SlowRobot()
    with served(robot) as addresses, connected(addresses) as client:
        asked: list[Exception] = []

        def enable() -> None:
            with Client(addresses, "operator") as operator:
                operator.hello()
                with pytest.raises(RefusedError) as refused:
                    operator.enable()
                asked.append(refused.value)

        thread = threading.Thread(target=enable)
        thread.start()
        time.sleep(0.1)
        assert call(client).accepted
        thread.join()
        assert str(asked[0]) == "stopped meanwhile; allowed: enable again"
        state = wait_for(client, lambda state: state.stopped and not state.enabled)
        assert state.hold_reason is reason
        with pytest.raises(RefusedError, match="an operator's enable first"):
            client.claim()
        assert client.enable().text == "enabled"


def test_an_enable_that_is_called_off_leaves_the_motors_off() -> None:
    robot = PatientRobot()
    with served(robot) as addresses, connected(addresses) as client:
        begin_s = time.monotonic()
        with pytest.raises(RefusedError, match="stopped meanwhile"):
            client.enable(called_off=lambda: time.monotonic() - begin_s > 0.2)
        assert time.monotonic() - begin_s < 1.0
        wait_for(client, lambda state: not state.enabled)


def test_calling_off_is_told_again_until_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(PatientRobot()) as addresses, connected(addresses) as client:
        ask, told = client._ask, []

        def lose_the_first_hold(operation: Operation, *rest: Any) -> Any:
            if operation is Operation.HOLD:
                told.append(operation)
                if len(told) == 1:
                    raise NoAnswerError("lost")
            return ask(operation, *rest)

        monkeypatch.setattr(client, "_ask", lose_the_first_hold)
        with pytest.raises(RefusedError, match="stopped meanwhile"):
            client.enable(timeout_s=3.0, called_off=lambda: True)
        assert len(told) == 2


def test_an_enable_that_fails_leaves_the_fault_that_was_there() -> None:
    robot = FakeRobot()
    with served(robot) as addresses, connected(addresses) as client:
        robot.now = replace(robot.now, collision=True)
        wait_for_hold(client, HoldReason.COLLISION)
        robot.now = replace(robot.now, collision=False)
        robot.can_enable = False
        with pytest.raises(RefusedError):
            client.enable()
        wait_for_hold(client, HoldReason.COLLISION)
        with pytest.raises(RefusedError, match="felt a collision"):
            client.claim()


@pytest.mark.parametrize("operation", [Operation.ENABLE, Operation.CLAIM])
def test_a_request_that_was_long_under_way_does_nothing(operation: Operation) -> None:
    robot = FakeRobot()
    with served(robot) as addresses, connected(addresses) as client:
        client.claim()
        client.hold()
        for age_s in (2.1, 3600.0, -1.0):
            client._server_s, client._heard_s = time.monotonic() - age_s, time.monotonic()
            with pytest.raises(RefusedError, match=r"s old; allowed: 2 s, so ask again"):
                client._request(operation, 1.0)
        assert robot.enables == 0
        assert client.receive_state(1.0) is not None
        client._server_s, client._heard_s = 0.0, float("-inf")
        client._request(operation, 1.0)


def test_while_motors_come_on_nobody_moves_the_arm() -> None:
    class SlowRobot(FakeRobot):
        def enable(self, cancelled: Callable[[], bool]) -> None:
            time.sleep(0.5)

    robot = SlowRobot()
    with served(robot) as addresses, connected(addresses) as client:
        client.claim()
        follow(client, 0.1)
        with Client(addresses, "operator") as operator:
            operator.hello()
            with pytest.raises(NoAnswerError):
                operator.enable(timeout_s=0.05)
        held = robot.now.joint_positions
        follow(client, 0.2)
        assert robot.now.joint_positions == held


def test_a_stop_is_told_to_an_enable_that_is_under_way() -> None:
    with served(PatientRobot()) as addresses, connected(addresses) as client:
        with pytest.raises(NoAnswerError):
            client.enable(timeout_s=0.05)
        client.stop()
        state = wait_for(client, lambda state: state.stopped and not state.enabled)
        assert state.hold_reason is HoldReason.OPERATOR_STOP


def test_a_claim_sets_anew_what_other_programs_may_have_changed() -> None:
    robot = FakeRobot()
    with served(robot) as addresses, connected(addresses) as client:
        robot.timeout_s = robot.speed_ratio = 0.123
        client.claim()
        assert (robot.timeout_s, robot.speed_ratio) == (
            ServerCfg().command_timeout_s,
            ServerCfg().follow_speed_ratio,
        )
