"""One adaptation through nodes, ZeroMQ, server and ROS 1 to a virtual arm, and what it took."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray

from benchmarks.latency.probe import Probe, StepTimes
from benchmarks.machine import cores
from damsel.bundle import Bundle
from damsel.errors import RobotError
from damsel.tasks import Task
from damsel_intera.virtual.rehearsal import Rehearsal
from damsel_msgs.msg import TrajectoryRecord
from damsel_ros.attendant import Attendant
from damsel_ros.conversions import ROBOT_DIAGNOSTICS
from damsel_ros.nodes import NAMESPACE, start_nodes
from damsel_ros.operator_client import Operator
from damsel_ros.processes import NodeProcesses
from damsel_ros.qos import STANDARD
from damsel_ros.rehearse_cli import surroundings_of

__all__ = ["Passage", "adapt_once", "busy_cores"]

TASK = Task("door", (0.62,))
_START_TIMEOUT_S = 30.0
_PERIOD_S = 0.01
_LATENESS = "command lateness p50, p99, p99.9, max [ms]"
_STREAMING_GAP_S = 0.1  # a longer gap is a pause that was meant, as between trajectories


@dataclass(frozen=True)
class Passage:
    """What one adaptation took; all in seconds.

    Attributes:
        to_command: From the observation to the adapt node's answer.
        to_step: From the observation to the robot node's having taken it.
        to_arm: From the observation to the first joint command at the arm that follows from it.
        intervals: Between joint commands at the arm, less 10 ms.
        late: How far behind their ticks commands left the robot node in the last minute: median,
            99th and 99.9th percentile, largest.
    """

    to_command: list[float]
    to_step: list[float]
    to_arm: list[float]
    intervals: list[float]
    late: list[float]


@contextlib.contextmanager
def busy_cores() -> Iterator[None]:
    """Keep every core busy with one more process that does nothing useful."""
    spin = [sys.executable, "-S", "-c", "while True: pass"]
    processes = [subprocess.Popen(spin) for _ in cores()]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def adapt_once(rehearsal: Rehearsal, bundle: Bundle, iterations: int) -> Passage:
    """Adapt with nodes of its own.

    Args:
        rehearsal: The robot's side, running.
        bundle: What to adapt with.
        iterations: Adaptation trajectories at most.

    Raises:
        RobotError: If it fails.
    """
    with ExitStack() as stack:
        processes = stack.enter_context(NodeProcesses())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="damsel-")))
        around = surroundings_of(rehearsal)
        start_nodes(
            processes,
            robot="sawyer",
            mode="realtime",
            bundle=bundle.path,
            composed=False,
            run_folder=folder,
            overrides=around.overrides,
            extra=around.extra,
        )
        attendants: list[Attendant] = []

        def check() -> None:
            for attendant in attendants:
                attendant.poll()
            dead = processes.first_dead()
            if dead is not None:
                raise RobotError(f"the {dead.name} node died: {dead.cause_of_death}")

        operator, probe = Operator(namespace=NAMESPACE, check=check), Probe(NAMESPACE)
        stack.callback(operator.close)
        stack.callback(probe.close)
        operator.wait_for_nodes(_START_TIMEOUT_S)
        attendant = Attendant(operator.node, around.person(_ignore_text))
        attendant.enable(operator.poll, _START_TIMEOUT_S)
        attendants.append(attendant)
        operator.set_task(TASK)
        rehearsal.inject("arrivals")
        heard: dict[str, str] = {}
        operator.node.create_subscription(
            DiagnosticArray,
            "/diagnostics",
            lambda message: _hear(message, heard),
            STANDARD,
        )
        records = operator.adapt(iterations, _ignore).result.trajectories
        arrivals = np.array(rehearsal.inject("arrivals")["arrivals"])
        steps = probe.read([record.trajectory for record in records])
        late_s = [float(value) / 1000 for value in heard[_LATENESS].split(", ")]
        return _passage([times for (_, step), times in steps.items() if step], arrivals, late_s)


def _hear(message: DiagnosticArray, heard: dict[str, str]) -> None:
    """Keep the newest values of the robot node."""
    for status in message.status:
        if status.name == ROBOT_DIAGNOSTICS:
            heard |= {pair.key: pair.value for pair in status.values}


def _passage(steps: list[StepTimes], arrivals: np.ndarray, late_s: list[float]) -> Passage:
    """Put the stamps of nodes and arm together; all are of one machine's clock."""
    came_s, forwarded_s = arrivals[:, 0], arrivals[:, 1]
    to_arm = []
    for times in steps:
        # The first that the server has passed on since the step was taken.
        first = int(np.searchsorted(forwarded_s, times.applied_ns * 1e-9))
        if first < len(came_s):
            to_arm.append(float(came_s[first] - times.observed_ns * 1e-9))
    gaps = np.diff(came_s)
    return Passage(
        to_command=[(one.commanded_ns - one.observed_ns) * 1e-9 for one in steps],
        to_step=[(one.applied_ns - one.observed_ns) * 1e-9 for one in steps],
        to_arm=to_arm,
        intervals=(gaps[gaps < _STREAMING_GAP_S] - _PERIOD_S).tolist(),
        late=late_s,
    )


def _ignore(_: TrajectoryRecord, __: bool) -> None:
    """Progress is of no interest here."""


def _ignore_text(_: str) -> None:
    """Nor is what is said."""
