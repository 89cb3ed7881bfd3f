"""`latency`: adaptations through the real nodes and turns of the bare echo, one after the other."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import SystemRandom

import numpy as np
import rclpy
from rclpy.utilities import try_shutdown

from benchmarks.latency.echo import EchoClient, echo_process
from benchmarks.latency.probe import Probe, StepTimes
from benchmarks.machine import versions
from benchmarks.options import Options
from benchmarks.report import Report, percentile, text_table
from damsel.bundle import Bundle
from damsel.errors import RobotError
from damsel.tasks import Task
from damsel_msgs.msg import Context, TrajectoryRecord
from damsel_ros.node_main import prepare_dds
from damsel_ros.nodes import NAMESPACE, start_nodes
from damsel_ros.operator_client import Operator
from damsel_ros.processes import NodeProcesses, free_domain_id
from damsel_sim.robot import SimulatedRobot

__all__ = ["measure"]

TASK = Task("door", (0.62,))
_ITERATIONS = 4
_START_TIMEOUT_S = 30.0

PROBING = "nodes, probing"
ADAPTING = "nodes, adapting"
TO_COMMAND = "  to the command (policy)"
TO_APPLIED = "  on to applied (robot step)"
STEP = "the robot step alone"
POLICY = "the policy alone"
ECHO = "bare echo"
CASES = (PROBING, ADAPTING, TO_COMMAND, TO_APPLIED, STEP, POLICY, ECHO)

_PERCENTS = (50, 90, 99, 100)
_FIELDS = ("round", "case", "count", "p50_us", "p90_us", "p99_us", "max_us")

Seconds = dict[str, list[float]]


def measure(options: Options) -> Report:
    """Run nodes and echo in turn.

    Raises:
        DamselError: If the bundle is unusable or a node fails.
    """
    bundle = Bundle.load(options.bundle)
    prepare_dds()
    os.environ["ROS_DOMAIN_ID"] = str(free_domain_id(SystemRandom()))
    everything: Seconds = {case: [] for case in CASES}
    samples: list[tuple[object, ...]] = []
    with ExitStack() as stack:
        turn = _start(stack, bundle)
        for number in range(options.rounds):
            print(f"  round {number + 1} of {options.rounds}", flush=True)
            for case, values in turn().items():
                everything[case] += values
                samples.append((number, case.strip(), *_summary(values)))
    samples += [("all", case.strip(), *_summary(values)) for case, values in everything.items()]
    facts = versions(["ros-jazzy-rclpy", "ros-rmw-fastrtps-cpp", "onnxruntime", "mujoco"])
    return Report("latency", _table(everything), _FIELDS, samples, facts)


def _start(stack: ExitStack, bundle: Bundle) -> Callable[[], Seconds]:
    """Start all processes; what comes back makes one turn of every case."""
    processes = stack.enter_context(NodeProcesses())
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="damsel-")))
    start_nodes(
        processes,
        robot="sim",
        mode="lockstep",
        bundle=bundle.path,
        composed=False,
        run_folder=folder,
    )
    stack.enter_context(echo_process())

    def check() -> None:
        dead = processes.first_dead()
        if dead is not None:
            raise RobotError(f"the {dead.name} node died: {dead.cause_of_death}")

    rclpy.init(args=[])
    stack.callback(try_shutdown)
    operator, probe, echo = (
        Operator(namespace=NAMESPACE, check=check),
        Probe(NAMESPACE),
        EchoClient(),
    )
    for node in (operator, probe, echo):
        stack.callback(node.close)
    operator.wait_for_nodes(_START_TIMEOUT_S)
    echo.wait_for_echo()
    operator.set_task(TASK)
    robot = SimulatedRobot()

    def turn() -> Seconds:
        records = operator.adapt(_ITERATIONS, _ignore).result.trajectories
        taken = _split(probe.read([record.trajectory for record in records]), records)
        count = len(taken[PROBING]) + len(taken[ADAPTING])
        step_s, policy_s = _in_process(robot, bundle)
        return {**taken, STEP: step_s, POLICY: policy_s, ECHO: echo.measure(count)}

    turn()  # first messages and calls load and allocate
    return turn


def _split(
    steps: Mapping[tuple[int, int], StepTimes], records: Sequence[TrajectoryRecord]
) -> Seconds:
    """Durations of the steps of one adaptation.

    The first step of a trajectory is left out: its observation comes with the reset, whose
    answer the adapt node has to wait for.
    """
    stages = {record.trajectory: record.stage for record in records}
    taken: Seconds = {PROBING: [], ADAPTING: [], TO_COMMAND: [], TO_APPLIED: []}
    for (trajectory, step), times in steps.items():
        if step == 0:
            continue
        probing = stages[trajectory] == Context.STAGE_PROBE
        whole = (times.applied_ns - times.observed_ns) * 1e-9
        taken[PROBING if probing else ADAPTING].append(whole)
        if not probing:
            taken[TO_COMMAND].append((times.commanded_ns - times.observed_ns) * 1e-9)
            taken[TO_APPLIED].append((times.applied_ns - times.commanded_ns) * 1e-9)
    return taken


def _in_process(robot: SimulatedRobot, bundle: Bundle) -> tuple[list[float], list[float]]:
    """What a step and a policy call cost by themselves, seconds each, over one trajectory."""
    latent = bundle.components[TASK.family]
    observation = robot.reset()
    step_s, policy_s = [], []
    for _ in range(bundle.horizon):
        began_s = time.perf_counter()
        action = np.asarray(bundle.act(observation, latent))
        decided_s = time.perf_counter()
        observation = robot.step(action * bundle.step_size_m).observation
        step_s.append(time.perf_counter() - decided_s)
        policy_s.append(decided_s - began_s)
    return step_s, policy_s


def _ignore(_: TrajectoryRecord, __: bool) -> None:
    """Progress is of no interest here."""


def _summary(values: Sequence[float]) -> list[str]:
    if not values:
        return ["0"] + [""] * len(_PERCENTS)
    return [str(len(values))] + [f"{percentile(values, p) * 1e6:.0f}" for p in _PERCENTS]


def _table(taken: Seconds) -> str:
    header = ["microseconds", "count", "p50", "p90", "p99", "max"]
    rows = [[case, *_summary(taken[case])] for case in CASES]
    middle = {case: percentile(values, 50) * 1e6 for case, values in taken.items() if values}
    work = middle[STEP] + middle[POLICY]
    rest = middle.get(ADAPTING, middle[PROBING]) - work
    note = (
        f"Of the nodes' median, {work:.0f} us are policy and robot step; the other {rest:.0f} us "
        f"are {rest / middle[ECHO]:.1f} times the bare echo's {middle[ECHO]:.0f} us."
    )
    return "\n".join([text_table(header, rows), "", note])
