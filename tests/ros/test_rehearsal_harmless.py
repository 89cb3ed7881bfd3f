"""What goes wrong on the whole path and is no fault: the arm moves on."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from damsel.errors import RobotError
from damsel_intera.client import Client
from damsel_intera.errors import RefusedError
from damsel_intera.virtual.rehearsal import missing_ros1
from damsel_msgs.msg import TrajectoryRecord
from tests.ros.rehearsal_stage import Clocks, Stage
from tests.support.fault_table import FaultRow, FaultTable

pytestmark = [pytest.mark.ros1, pytest.mark.slow]

STEPS_BETWEEN = 30
STEPS_BEFORE_NEXT_TRAJECTORY = 80


def garbage_on_every_port(stage: Stage) -> None:
    addresses = stage.rehearsal.addresses
    for port in (*stage.gate.ports, addresses.command_port, addresses.operator_port):
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(bytes(range(256)) * 16)


def somebody_else(stage: Stage) -> Client:
    return Client(stage.rehearsal.addresses, "somebody else")


def claim_as_somebody_else(stage: Stage) -> None:
    with somebody_else(stage) as client:
        client.hello()
        with pytest.raises(RefusedError, match="damsel robot node"):
            client.claim()


def replay_an_old_run(stage: Stage) -> None:
    """Commands with a lease and a session that were good once, to somewhere else."""
    with somebody_else(stage) as client:
        client.hello()
        assert client.receive_state(1.0)
        client.lease = 12345
        for _ in range(20):
            client.send_targets(np.zeros(7).tolist())
        client.session -= 1
        client.send_targets(np.zeros(7).tolist())


def clock(whose: str, ahead_s: float) -> Callable[[Stage], None]:
    return lambda stage: getattr(stage.clocks, whose).set(ahead_s)


HARMLESS: dict[str, Callable[[Stage], object]] = {
    "garbage on every port": garbage_on_every_port,
    "second controller claims": claim_as_somebody_else,
    "commands replayed from an old run": replay_an_old_run,
    "ROS 1 master killed": lambda stage: stage.rehearsal.kill("roscore"),
    "robot's states doubled and out of order": lambda stage: stage.rehearsal.inject(
        "state_fault", {"duplicate": 0.3, "reorder": 0.3}
    ),
}

WRONG_CLOCKS: dict[str, Callable[[Stage], object]] = {
    "clock next to the robot five hours ahead, the camera's three behind": lambda _: None,
    "clock of the ROS 2 computer set back by two hours": clock("nodes", -7200.0),
    "clock of the ROS 2 computer set forward by a day": clock("nodes", 86_400.0),
    "camera's clock set forward by an hour": clock("camera", -7200.0),
    "clock next to the robot set forward by an hour": clock("next_to_robot", 21_600.0),
}


def test_what_is_no_fault_does_not_stop_the_arm(
    tmp_path: Path, long_bundle: Path, fault_table: FaultTable
) -> None:
    if missing := missing_ros1():
        pytest.skip(missing)
    clocks = Clocks.make(tmp_path, ahead_s=(18_000.0, -10_800.0, 0.0))
    strikes = HARMLESS | (WRONG_CLOCKS if clocks else {})
    to_come = list(strikes.items())
    struck: list[str] = []
    last_step = 0

    def one_after_the_other(record: TrajectoryRecord, finished: bool) -> None:
        nonlocal last_step
        if record.steps < last_step or finished:
            last_step = 0
        quiet = record.steps >= last_step + STEPS_BETWEEN
        if to_come and quiet and record.steps <= STEPS_BEFORE_NEXT_TRAJECTORY:
            name, strike = to_come.pop(0)
            strike(stage)
            struck.append(name)
            last_step = record.steps

    # On a busy machine 100 ms pass quickly, and this is not about how soon a fault is noticed.
    with Stage(tmp_path, long_bundle, patience_s=0.3, clocks=clocks) as stage:
        stage.repair()
        try:
            run = stage.operator.adapt(3, one_after_the_other)
        except RobotError as error:
            pytest.fail(f"after {struck[-1:]}: {error}")
        assert to_come == []
        trajectories = {message.trajectory for _, message in stage.watcher.observations}
        # None of them was made again.
        assert len(trajectories) == len(run.result.trajectories)
    for name in struck:
        fault_table.add(FaultRow(name, "rehearsal", "moves on", 0.0, "", "goes on"))
