"""A robot node that stood still: nothing that was asked for before is done after it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from std_srvs.srv import Trigger

from damsel.calibration import Calibration
from damsel.control import joint_positions_for
from damsel.errors import RobotError
from damsel_intera.transport import Addresses
from damsel_intera.wire import Operation
from damsel_msgs.srv import Reset
from damsel_ros.backends.sawyer import SawyerBackend
from damsel_ros.backends.sawyer_cfg import SawyerCfg
from damsel_ros.backends.standstill import Standstill
from damsel_ros.processes import NodeProcess
from tests.ros.intera_double import InteraDouble, free_addresses
from tests.ros.watcher import Watcher

NEARBY = joint_positions_for(np.array([[0.47, 0.02, 0.06]]))[0]
SAYS = r"the robot node stood still for 1\.\d s; allowed: 0\.5 s; ask again"
STOOD_S = 1.0
BEAT_S = 0.05


@pytest.fixture
def server() -> Iterator[InteraDouble]:
    with InteraDouble(free_addresses(), NEARBY) as server:
        yield server


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen"
        time.sleep(0.01)


def stand_still(pid: int) -> threading.Timer:
    os.kill(pid, signal.SIGSTOP)
    timer = threading.Timer(STOOD_S, os.kill, (pid, signal.SIGCONT))
    timer.start()
    return timer


# The judge


def make() -> tuple[Standstill, Callable[[float], None]]:
    time_s = [100.0]

    def wait(duration_s: float) -> None:
        time_s[0] += duration_s

    return Standstill(now=lambda: time_s[0]), wait


def test_a_machine_that_is_busy_does_not_stand_still() -> None:
    standstill, wait = make()
    wait(10.0)
    assert standstill.problem() == ""
    for late_s in (0.0, 0.05, 0.25, 0.05, 0.45):
        standstill.beat()
        wait(late_s)
        assert standstill.problem() == ""


def test_a_standstill_is_told_before_the_next_beat_and_for_a_moment_after_it() -> None:
    standstill, wait = make()
    standstill.beat()
    wait(3.0)
    says = "the robot node stood still for 3.0 s; allowed: 0.5 s; ask again"
    assert standstill.problem() == says
    for _ in range(5):
        standstill.beat()
        assert standstill.problem() == says
        wait(0.12)
    assert standstill.problem() == ""


def test_a_wait_that_was_meant_is_forgotten() -> None:
    standstill, wait = make()
    standstill.beat()
    wait(3.0)
    standstill.beat()
    standstill.forget()
    assert standstill.problem() == ""
    wait(3.0)
    standstill.beat()
    assert standstill.problem() == ""


# The backend, in a process that stands still


def drive(ports: list[str]) -> None:
    """Ask for a reset and poll it, as the robot node does, and say how it ended."""
    addresses = Addresses("127.0.0.1", *map(int, ports))
    robot = SawyerBackend(SawyerCfg(addresses=addresses, realtime_priority=0), Calibration())
    robot.connect()
    robot.beat()
    robot.reset()
    print("asked", flush=True)
    try:
        # Nothing may be begun by the first poll, which comes after the standstill.
        time.sleep(2 * BEAT_S)
        while not robot.prompt:
            robot.beat()
            robot.pending_reset()
            time.sleep(BEAT_S)
        print("arrived", flush=True)
    except RobotError as error:
        robot.hold()
        print(error, flush=True)
    time.sleep(0.5)
    robot.close()


@contextmanager
def driver(server: InteraDouble) -> Iterator[subprocess.Popen[str]]:
    ports = (getattr(server.addresses, f"{kind}_port") for kind in ("state", "command", "operator"))
    command = [sys.executable, "-m", "tests.ros.test_standstill", *map(str, ports)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None, "asked for above"
    return process.stdout.readline().strip()


def test_without_a_standstill_the_arm_goes_back(server: InteraDouble) -> None:
    with driver(server) as process:
        assert heard(process) == "asked"
        assert heard(process) == "arrived"
    assert server.targets


def test_a_standstill_before_the_way_back_ends_the_reset(server: InteraDouble) -> None:
    with driver(server) as process:
        assert heard(process) == "asked"
        stand_still(process.pid)
        assert re.fullmatch(SAYS, heard(process))
        process.wait(5.0)
    assert not server.targets
    assert Operation.CLAIM not in server.operations


def test_a_standstill_while_control_is_given_moves_nothing(server: InteraDouble) -> None:
    with driver(server) as process:

        def on_request(operation: Operation) -> None:
            if operation is Operation.CLAIM:
                stand_still(process.pid)

        server.on_request = on_request
        assert heard(process) == "asked"
        assert re.fullmatch(SAYS, heard(process))
        process.wait(5.0)
    assert not server.targets
    assert server.state.lease_number == 0


# The node


class Caller:
    """Calls the robot node's services, which may stand still."""

    def __init__(self, watcher: Watcher) -> None:
        create = watcher.node.create_client
        self._clients = {
            "reset": create(Reset, "reset"),
            "enable": create(Trigger, "robot/enable"),
            "confirm": create(Trigger, "robot/confirm_reset"),
        }
        until(lambda: all(one.service_is_ready() for one in self._clients.values()), 20.0)

    def ask(self, name: str) -> Any:
        client = self._clients[name]
        kind = Reset if name == "reset" else Trigger
        return client.call_async(kind.Request())


@pytest.fixture
def robot(
    start: Callable[..., dict[str, NodeProcess]], server: InteraDouble, watcher: Watcher
) -> NodeProcess:
    addresses = server.addresses
    overrides = {
        "sawyer.state_port": addresses.state_port,
        "sawyer.command_port": addresses.command_port,
        "sawyer.operator_port": addresses.operator_port,
    }
    nodes = start(robot="sawyer", mode="realtime", nodes=("robot",), overrides={"robot": overrides})
    watcher.wait_until(lambda: watcher.value("robot", "motion") == "idle", 20.0)
    return nodes["robot"]


def refusal(future: Any) -> str:
    until(future.done)
    answer = future.result()
    assert not answer.success
    return str(answer.message)


def test_requests_that_waited_while_the_node_stood_still_are_refused(
    robot: NodeProcess, server: InteraDouble, watcher: Watcher
) -> None:
    caller = Caller(watcher)

    def ask_and_stand_still(name: str) -> str:
        timer = stand_still(robot.pid)
        answer = refusal(caller.ask(name))
        timer.join()
        time.sleep(1.0)
        return answer

    def enable() -> None:
        future = caller.ask("enable")
        until(future.done)
        assert future.result().success

    assert re.fullmatch(SAYS, ask_and_stand_still("enable"))
    assert Operation.ENABLE not in server.operations
    enable()  # asked again, it is done
    assert re.fullmatch(SAYS, ask_and_stand_still("reset"))
    assert not server.targets
    assert Operation.CLAIM not in server.operations
    enable()
    reset = caller.ask("reset")
    watcher.wait_until(lambda: "waiting for somebody" in watcher.value("robot", "reset"), 20.0)
    count, operations = len(server.targets), len(server.operations)
    assert count
    timer = stand_still(robot.pid)
    confirmed = caller.ask("confirm")
    assert refusal(confirmed)
    assert re.fullmatch(SAYS, refusal(reset))
    timer.join()
    time.sleep(0.5)
    assert len(server.targets) == count
    assert Operation.CLAIM not in server.operations[operations:]


if __name__ == "__main__":
    drive(sys.argv[1:])
