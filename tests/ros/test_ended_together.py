"""Nodes and operator that are told to end at the same time, as by Ctrl-C under `ros2 launch`."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from damsel_ros.processes import NodeProcess
from tests.ros.test_damsel_adapt import COMMAND

Start = Callable[..., dict[str, NodeProcess]]


def operator(bundle: Path) -> subprocess.Popen[str]:
    """An operator whose run is under way."""
    process = subprocess.Popen(
        [*COMMAND, "--attach", "--bundle", str(bundle), "--family=door", "--goal=0.5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "probe" in process.stdout.readline()
    return process


def ended(told: Sequence[NodeProcess], within_s: float = 4.0) -> bool:
    deadline_s = time.monotonic() + within_s
    return all(node.wait(max(0.0, deadline_s - time.monotonic())) for node in told)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("composed", [False, True], ids=["three processes", "one process"])
def test_the_operator_still_hears_that_the_arm_holds(
    number: signal.Signals, composed: bool, start: Start, long_bundle: Path
) -> None:
    nodes = list(start(mode="realtime", composed=composed, bundle=long_bundle).values())
    process = operator(long_bundle)
    for node in nodes:
        node.signal(number)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert said == "damsel-adapt: interrupted, the arm holds\n"
    assert process.returncode == 130
    assert ended(nodes)
    assert [node.failure for node in nodes] == [""] * len(nodes)


def test_an_adapt_node_that_is_told_to_end_says_so(start: Start, long_bundle: Path) -> None:
    nodes = start(mode="realtime", bundle=long_bundle)
    process = operator(long_bundle)
    nodes["adapt"].signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert said == "damsel-adapt: error: the adapt node was shut down\n"
    assert ended([nodes["adapt"]])


def test_nodes_at_rest_end_at_once(start: Start, long_bundle: Path) -> None:
    nodes = list(start(bundle=long_bundle).values())
    process = operator(long_bundle)
    process.communicate(timeout=60)
    for node in nodes:
        node.signal(signal.SIGINT)
    assert ended(nodes, within_s=1.5)
