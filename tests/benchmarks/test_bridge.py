from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from benchmarks.bridge.bench import (
    FLIGHT,
    INTERVALS,
    NODE,
    ROS1,
    ROS2,
    TO_ARM,
    TO_COMMAND,
    TO_STEP,
    ZMQ,
    table,
)
from benchmarks.bridge.hops import zmq_echo
from benchmarks.bridge.run import _passage
from benchmarks.latency.probe import StepTimes

MS = 1_000_000


def test_a_step_arrives_with_the_first_target_that_was_passed_on_after_it_was_taken() -> None:
    steps = [StepTimes(observed_ns=100 * MS, commanded_ns=102 * MS, applied_ns=104 * MS)]
    # (came, passed on, first joint); the second was still under way when the step was taken.
    arrivals = np.array([[0.095, 0.094, 0.1], [0.105, 0.1035, 0.2], [0.1145, 0.114, 0.3]])
    passage = _passage(steps, arrivals, [0.001] * 4)
    assert passage.to_command == pytest.approx([0.002])
    assert passage.to_step == pytest.approx([0.004])
    assert passage.to_arm == pytest.approx([0.0145])
    assert passage.intervals == pytest.approx([0.0, -0.0005])


def test_pauses_that_are_meant_are_no_jitter() -> None:
    arrivals = np.array([[0.0, 0.0, 0.0], [0.01, 0.01, 0.0], [3.0, 3.0, 0.0], [3.012, 3.012, 0.0]])
    assert _passage([], arrivals, []).intervals == pytest.approx([0.0, 0.002])


def test_the_table_compares_with_the_sum_of_the_bare_hops() -> None:
    taken = {
        TO_COMMAND: [0.001],
        TO_STEP: [0.0015],
        FLIGHT: [0.0005],
        TO_ARM: [0.007],
        ROS2: [0.0006],
        ZMQ: [0.0001],
        ROS1: [0.0003],
        INTERVALS: [0.001, 0.003],
    }
    lines = table(taken, {NODE: [0.0001, 0.0002, 0.0003, 0.0004]}).splitlines()
    assert "1300 us at p50" in lines[-1]
    assert "2000 us, 1.5 times that; with it 7000 us" in lines[-1]
    (node,) = [line for line in lines if line.startswith(NODE)]
    assert node.split()[-6:] == ["–", "100", "200", "300", "400", "–"]
    (interval,) = [line for line in lines if line.startswith(INTERVALS)]
    assert interval.split()[-1] == "50.00"


def test_the_bare_zeromq_echo_echoes() -> None:
    taken_s = zmq_echo(5)
    assert len(taken_s) == 5
    assert all(0 < one < 1 for one in taken_s)
