"""What goes wrong on the whole path and is no fault: the arm moves on."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zmq

from damsel.errors import RobotError
from damsel_intera.client import Client
from damsel_intera.errors import NoAnswerError, RefusedError
from damsel_intera.keys import Key
from damsel_intera.virtual.rehearsal import missing_ros1
from damsel_msgs.msg import TrajectoryRecord
from tests.ros.rehearsal_stage import Clocks, EnoughError, Stage
from tests.support.fault_table import FaultRow, FaultTable

pytestmark = [pytest.mark.ros1, pytest.mark.slow, pytest.mark.flaky(reruns=1)]

# Both ends bear with silence for PATIENCE_S, and with lost objects for twice as long; each strike
# has longer than that to show.
PATIENCE_S = 0.3
STEPS_BETWEEN = 14
STEPS_BEFORE_NEXT_TRAJECTORY = 85

GARBAGE = bytes(range(256)) * 16
DDS_PORTS = range(30)


def garbage_on_every_port(stage: Stage) -> None:
    for port in stage.ports:
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(GARBAGE)
    first = 7400 + 250 * int(os.environ["ROS_DOMAIN_ID"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for port in DDS_PORTS:
            for garbage in (GARBAGE, b"RTPS" + GARBAGE[:500]):
                stranger.sendto(garbage, ("127.0.0.1", first + port))


def somebody_else(stage: Stage) -> Client:
    return Client(stage.rehearsal.addresses, "somebody else", stage.key)


def garbage_by_one_with_the_key(stage: Stage) -> None:
    with somebody_else(stage) as client:
        client.hello()
        for data in (b"", b"{}", GARBAGE):
            client._commands.send(data)
            time.sleep(0.01)


def claim_as_somebody_else(stage: Stage) -> None:
    with somebody_else(stage) as client:
        client.hello()
        with pytest.raises(RefusedError, match="damsel robot node"):
            client.claim()


def claim_with(stage: Stage, key: Key | None) -> None:
    with (
        Client(stage.rehearsal.addresses, "somebody else", key) as client,
        pytest.raises(NoAnswerError, match=r"it wants a key|not the pair of ours"),
    ):
        client.claim(timeout_s=0.3)


def claim_with_another_key(stage: Stage) -> None:
    assert stage.key is not None
    public, secret = (part.decode() for part in zmq.curve_keypair())
    claim_with(stage, replace(stage.key, public=public, secret=secret))


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


def kill_the_master(stage: Stage) -> None:
    assert stage.rehearsal.master_listens()
    stage.rehearsal.kill("master")
    assert not stage.rehearsal.master_listens()


def clock(whose: str, ahead_s: float) -> Callable[[Stage], None]:
    return lambda stage: getattr(stage.clocks, whose).set(ahead_s)


HARMLESS: dict[str, Callable[[Stage], object]] = {
    "garbage on every port": garbage_on_every_port,
    "garbage by somebody with the key": garbage_by_one_with_the_key,
    "somebody without the key claims": lambda stage: claim_with(stage, None),
    "somebody with another key claims": claim_with_another_key,
    "second controller claims": claim_as_somebody_else,
    "commands replayed from an old run": replay_an_old_run,
    "robot's states doubled and out of order": lambda stage: stage.rehearsal.inject(
        "state_fault", {"duplicate": 0.3, "reorder": 0.3}
    ),
    "ROS 1 master killed": kill_the_master,
}

WRONG_CLOCKS: dict[str, Callable[[Stage], object]] = {
    "clock next to the robot five hours ahead, the camera's three behind": lambda _: None,
    "clock of the ROS 2 computer set back by two hours": clock("nodes", -7200.0),
    "clock of the ROS 2 computer set forward by a day": clock("nodes", 86_400.0),
    "camera's clock set forward by an hour": clock("camera", -7200.0),
    "clock next to the robot set forward by an hour": clock("next_to_robot", 21_600.0),
}


def test_what_is_no_fault_does_not_stop_the_arm(
    tmp_path: Path, circling_bundle: Path, fault_table: FaultTable
) -> None:
    if missing := missing_ros1():
        pytest.skip(missing)
    clocks = Clocks.make(tmp_path, ahead_s=(18_000.0, -10_800.0, 0.0))
    strikes = HARMLESS | (WRONG_CLOCKS if clocks else {})
    to_come = list(strikes.items())
    struck: list[str] = []
    last_step = finished_trajectories = 0

    def one_after_the_other(record: TrajectoryRecord, finished: bool) -> None:
        nonlocal last_step, finished_trajectories
        finished_trajectories += finished
        if record.steps < last_step or finished:
            last_step = 0
        quiet = record.steps >= last_step + STEPS_BETWEEN
        if quiet and not to_come:
            raise EnoughError
        if to_come and quiet and record.steps <= STEPS_BEFORE_NEXT_TRAJECTORY:
            name, strike = to_come.pop(0)
            assert stage.moved_at(time.monotonic()), name
            struck.append(name)
            # A state that is overtaken by one of another hour looks as late as that.
            stage.rehearsal.inject("clear")
            strike(stage)
            last_step = record.steps

    with Stage(
        tmp_path, circling_bundle, patience_s=PATIENCE_S, clocks=clocks, locked=True
    ) as stage:
        stage.repair()
        try:
            with pytest.raises(EnoughError):
                stage.operator.adapt(3, one_after_the_other)
        except RobotError as error:
            pytest.fail(f"after {struck[-1:]}: {error}")
        assert stage.operator.stop()
        trajectories = {message.trajectory for _, message in stage.watcher.observations}
        # None of them was made again, and in none of them the arm held.
        assert len(trajectories) == finished_trajectories + 1
        assert not stage.rehearsal.master_listens()
    for name in struck:
        fault_table.add(FaultRow(name, "rehearsal", "moves on", 0.0, "", "goes on"))
