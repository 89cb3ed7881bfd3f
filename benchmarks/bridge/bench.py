"""`bridge`: observation to joint command at a virtual arm, beside the bare hops on the way."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import SystemRandom

import rclpy
from rclpy.utilities import try_shutdown

from benchmarks.bridge.hops import bridge_flights, ros1_echo, ros2_echo, zmq_echo
from benchmarks.bridge.run import Passage, adapt_once, busy_cores
from benchmarks.bridge.stream import lateness_s
from benchmarks.machine import versions
from benchmarks.options import Options
from benchmarks.report import Report, percentile, text_table
from damsel.bundle import Bundle
from damsel.errors import RobotError
from damsel_intera.virtual.rehearsal import Rehearsal, missing_ros1
from damsel_ros.node_main import prepare_dds
from damsel_ros.processes import free_domain_id

__all__ = ["measure", "table"]

TO_COMMAND = "observation to command (policy)"
TO_STEP = "observation to step taken"
FLIGHT = "target sent to arm (server, ROS 1)"
TO_ARM = "observation to arm, waiting for the tick included"
ROS2 = "bare rclpy echo, there and back"
ZMQ = "bare ZeroMQ echo, half"
ROS1 = "bare ROS 1 echo, half"
PATH = (TO_COMMAND, TO_STEP, FLIGHT, TO_ARM, ROS2, ZMQ, ROS1)
SENT = "command behind its tick, alone in a process"
SENT_ORDINARY = "the same, ordinary priority"
NODE = "command behind its tick, in the robot node"
INTERVALS = "interval at the arm, less 10 ms"
LOADED = ", every core busy"

_PERCENTS = (50, 99, 99.9, 100)
_FIELDS = ("case", "count", "p50_us", "p99_us", "p99.9_us", "max_us", "within_2_ms_percent")
_PRIORITY = 20
_ECHO_COUNT = 2000
_SECONDS_A_ROUND = 6.0
_WITHIN_S = 0.002

Seconds = dict[str, list[float]]


def measure(options: Options) -> Report:
    """Start the robot's side once, and measure everything on it.

    Raises:
        DamselError: If ROS 1 is missing or something fails.
    """
    if missing := missing_ros1():
        raise RobotError(missing)
    bundle = Bundle.load(options.bundle)
    prepare_dds()
    os.environ["ROS_DOMAIN_ID"] = str(free_domain_id(SystemRandom()))
    taken: Seconds = {}
    node: Seconds = {}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="damsel-"))
        rehearsal = stack.enter_context(Rehearsal(Path(folder)))
        rehearsal.start()
        rclpy.init(args=[])
        stack.callback(try_shutdown)
        # A tenth of a second a turn is a quick look.
        count = _ECHO_COUNT if options.turn_s >= 1.0 else _ECHO_COUNT // 10
        turns: tuple[Callable[[], object], ...] = (
            lambda: _hops(taken, rehearsal, count),
            lambda: _passages(taken, node, rehearsal, bundle, options),
        )
        for turn in turns:
            turn()
        scheduling = _streams(taken, _SECONDS_A_ROUND * options.rounds * min(options.turn_s, 1.0))
    samples = [(case, *_summary(values)) for case, values in taken.items()]
    samples += [(case, "", *_microseconds(values), "") for case, values in node.items()]
    facts = versions(["ros-jazzy-rclpy", "ros-rmw-fastrtps-cpp", "pyzmq", "mujoco"])
    return Report("bridge", table(taken, node), _FIELDS, samples, facts | {"thread": scheduling})


def _hops(taken: Seconds, rehearsal: Rehearsal, count: int) -> None:
    print("  bare hops", flush=True)
    taken[ROS2] = ros2_echo(count)
    taken[ZMQ] = [round_trip / 2 for round_trip in zmq_echo(count)]
    environment = rehearsal.ros1_environment()
    taken[ROS1] = [round_trip / 2 for round_trip in ros1_echo(count, environment)]
    print("  targets to the arm", flush=True)
    taken[FLIGHT] = bridge_flights(rehearsal.addresses, rehearsal.control_address, count)


def _passages(
    taken: Seconds, node: Seconds, rehearsal: Rehearsal, bundle: Bundle, options: Options
) -> None:
    iterations = max(1, options.rounds // 2)
    print("  adaptation", flush=True)
    passage = adapt_once(rehearsal, bundle, iterations)
    _keep(taken, passage, "")
    node[NODE] = passage.late
    print("  adaptation, every core busy", flush=True)
    with busy_cores():
        passage = adapt_once(rehearsal, bundle, iterations)
    _keep(taken, passage, LOADED)
    node[NODE + LOADED] = passage.late


def _keep(taken: Seconds, passage: Passage, suffix: str) -> None:
    taken[TO_COMMAND + suffix] = passage.to_command
    taken[TO_STEP + suffix] = passage.to_step
    taken[TO_ARM + suffix] = passage.to_arm
    taken[INTERVALS + suffix] = [abs(interval) for interval in passage.intervals]


def _streams(taken: Seconds, duration_s: float) -> str:
    print("  stream of commands", flush=True)
    taken[SENT], scheduling = lateness_s(duration_s, _PRIORITY)
    taken[SENT_ORDINARY], _ = lateness_s(duration_s, 0)
    print("  stream of commands, every core busy", flush=True)
    with busy_cores():
        taken[SENT + LOADED], _ = lateness_s(duration_s, _PRIORITY)
        taken[SENT_ORDINARY + LOADED], _ = lateness_s(duration_s, 0)
    return scheduling


def _summary(values: Sequence[float]) -> list[str]:
    if not values:
        return ["0", *[""] * (len(_PERCENTS) + 1)]
    within = 100 * sum(value <= _WITHIN_S for value in values) / len(values)
    shown = [f"{percentile(values, p) * 1e6:.0f}" for p in _PERCENTS]
    return [str(len(values)), *shown, f"{within:.2f}"]


def _hops_us(taken: Seconds) -> float:
    """All bare hops of the way at their medians, microseconds.

    Three of them are of ROS 2: the observation to the task node, the reward to the adapt node and
    the command to the robot node. An echo is two.
    """
    ros2, zmq, ros1 = (1e6 * percentile(taken[name], 50) for name in (ROS2, ZMQ, ROS1))
    return 1.5 * ros2 + zmq + ros1


def _microseconds(values_s: Sequence[float]) -> list[str]:
    return [f"{1e6 * value:.0f}" for value in values_s]


def table(taken: Seconds, node: Seconds) -> str:
    """Both tables and the comparison with the sum of the bare hops, for a person."""
    header = ["microseconds", "count", "p50", "p99", "p99.9", "max"]
    path = [name for name in (*PATH, *(one + LOADED for one in PATH)) if taken.get(name)]
    stream = [name for name in taken if name not in path]
    hops_us = _hops_us(taken)
    moving_us = 1e6 * (percentile(taken[TO_STEP], 50) + percentile(taken[FLIGHT], 50))
    whole_us = 1e6 * percentile(taken[TO_ARM], 50)
    note = (
        f"Bare hops, three of them ROS 2: {hops_us:.0f} us at p50. The way without waiting for "
        f"a tick: {moving_us:.0f} us, {moving_us / hops_us:.1f} times that; with it "
        f"{whole_us:.0f} us."
    )
    return "\n".join(
        [
            text_table(header, [[name, *_summary(taken[name])[:-1]] for name in path]),
            "",
            text_table(
                [*header, "% within 2 ms"],
                [
                    *([name, "–", *_microseconds(values), "–"] for name, values in node.items()),
                    *([name, *_summary(taken[name])] for name in stream),
                ],
            ),
            "",
            note,
        ]
    )
