"""Bare hops: the same wires as on the way to the arm, with nothing behind them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import zmq

from benchmarks.latency.echo import EchoClient, echo_process
from damsel.errors import RobotError
from damsel_intera.client import Client
from damsel_intera.transport import Addresses
from damsel_intera.virtual.control import control
from damsel_intera.virtual.rehearsal import SYSTEM_PYTHON
from damsel_intera.wire import Command as WireCommand
from damsel_intera.wire import Header, encode

__all__ = ["bridge_flights", "ros1_echo", "ros2_echo", "zmq_echo"]

_ROS1_ECHO = Path(__file__).with_name("ros1_echo.py")
_PAUSE_S = 0.002
_TIMEOUT_MS = 1000
_PATIENCE_S = 60.0
_FLIGHT_PERIOD_S = 0.01
_STEP_RAD = 1e-4  # so that every target differs from the one before


def ros2_echo(count: int) -> list[float]:
    """Round trips of an observation and a command between two processes, seconds."""
    with echo_process():
        client = EchoClient()
        try:
            client.wait_for_echo()
            client.measure(count // 4 + 1)
            return client.measure(count)
        finally:
            client.close()


def zmq_echo(count: int) -> list[float]:
    """Round trips of a command frame between two threads over TCP, seconds."""
    zeros = (0.0,) * 7
    frame = encode(Header.now(sequence=1), WireCommand(zeros, 0.0))
    with zmq.Context() as context, context.socket(zmq.PAIR) as ours:
        port = ours.bind_to_random_port("tcp://127.0.0.1")
        thread = threading.Thread(target=_answer, args=(port, count), daemon=True)
        thread.start()
        taken_s = []
        for _ in range(count):
            began_s = time.perf_counter()
            ours.send(frame)
            if not ours.poll(_TIMEOUT_MS):
                raise RobotError("the bare ZeroMQ echo does not answer")
            ours.recv()
            taken_s.append(time.perf_counter() - began_s)
            time.sleep(_PAUSE_S)
        thread.join()
    return taken_s


def _answer(port: int, count: int) -> None:
    with zmq.Context() as context, context.socket(zmq.PAIR) as theirs:
        theirs.connect(f"tcp://127.0.0.1:{port}")
        for _ in range(count):
            theirs.send(theirs.recv())


def ros1_echo(count: int, environment: Mapping[str, str]) -> list[float]:
    """Round trips between two processes over ROS 1, seconds.

    Args:
        count: How many.
        environment: That of a process of ROS 1.

    Raises:
        RobotError: If nothing is echoed.
    """
    command = [SYSTEM_PYTHON, str(_ROS1_ECHO)]
    with _process([*command, "pong"], environment):
        done = subprocess.run(
            [*command, "ping", str(count)],
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    if done.returncode:
        raise RobotError(f"the bare ROS 1 echo failed: {done.stderr.strip().splitlines()[-1:]}")
    return list(map(float, json.loads(done.stdout)))


@contextlib.contextmanager
def _process(command: list[str], environment: Mapping[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=dict(environment), stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def bridge_flights(addresses: Addresses, robot: str, count: int) -> list[float]:
    """From a target's sending to its arrival at the robot, through server and ROS 1, seconds.

    Args:
        addresses: Where the server is.
        robot: Control address of the virtual robot, which is enabled meanwhile.
        count: How many targets to send, 100 a second.
    """
    sent_s: dict[float, float] = {}
    with Client(addresses, "benchmark") as client:
        client.hello()
        client.enable()
        state = client.receive_state(2.0)
        if state is None:
            raise RobotError("the server sends no states")
        client.claim()
        control(robot, "arrivals")
        targets = list(state.joint_positions)
        next_s = time.monotonic()
        for _ in range(count):
            client.receive_state()
            targets[0] += _STEP_RAD
            sent_s[targets[0]] = time.time()
            client.send_targets(targets)
            next_s += _FLIGHT_PERIOD_S
            time.sleep(max(0.0, next_s - time.monotonic()))
        client.release()
    arrivals = control(robot, "arrivals")["arrivals"]
    # The server repeats the newest target; the first to come counts.
    return [came_s - sent_s.pop(first) for came_s, _, first in arrivals if first in sent_s]
