"""Nodes that see one another, on networks that make it hard."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from damsel.errors import RobotTimeoutError
from damsel_ros.acquaintance import Acquaintance
from damsel_ros.nodes import NAMESPACE
from damsel_ros.operator_client import Operator
from damsel_ros.processes import NodeProcess
from tests.support.lossy_udp import lossy_udp

# What is lost is asked for ten times a second, and a command may be missing for half a second: at
# 0.2 so many of the questions and answers are lost, too, that no trajectory gets through.
LOSS = 0.05
PATIENCE_S = 10.0


@pytest.fixture
def asking(domain_id: int) -> Iterator[Node]:
    node = Node("asking")
    yield node
    node.destroy_node()


def becomes(state: bool, other: Acquaintance, nodes: list[Node], seconds: float) -> bool:
    """Whether it does within that time, with only these nodes' executors running."""
    executor = SingleThreadedExecutor()
    for node in nodes:
        executor.add_node(node)
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s and other.is_mutual() is not state:
        executor.spin_once(timeout_sec=0.02)
    for node in nodes:
        executor.remove_node(node)
    executor.shutdown()
    return other.is_mutual() is state


def test_a_node_is_acquainted_when_it_has_answered(asking: Node) -> None:
    acquaintance = Acquaintance(asking, "asked")
    assert not becomes(True, acquaintance, [asking], 0.5), "there is no such node"
    asked = Node("asked")
    assert not becomes(True, acquaintance, [asking], 1.0), "seen, but it does not answer"
    assert becomes(True, acquaintance, [asking, asked], PATIENCE_S)
    assert becomes(True, acquaintance, [], 0.0), "and need not be asked again"
    asked.destroy_node()
    assert becomes(False, acquaintance, [asking], PATIENCE_S), "one in its place may not see us"


def test_an_answer_that_takes_longer_than_the_next_question_counts(asking: Node) -> None:
    asked = Node("asked", start_parameter_services=False)

    def answer(_: object, response: GetParameters.Response) -> GetParameters.Response:
        time.sleep(0.5)
        return response

    asked.create_service(GetParameters, "asked/get_parameters", answer)
    executor = SingleThreadedExecutor()
    executor.add_node(asked)
    closing = threading.Event()

    def serve() -> None:
        while not closing.is_set():
            executor.spin_once(timeout_sec=0.1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        assert becomes(True, Acquaintance(asking, "asked"), [asking], PATIENCE_S)
    finally:
        closing.set()
        thread.join()
        executor.shutdown()
        asked.destroy_node()


def test_an_operator_does_not_take_a_node_that_is_seen_for_one_that_answers(
    start: Callable[..., dict[str, NodeProcess]], operator: Operator
) -> None:
    nodes = start()
    operator.wait_for_nodes(20.0)
    nodes["adapt"].signal(signal.SIGSTOP)
    another = Operator(namespace=NAMESPACE, check=lambda: None)
    with pytest.raises(RobotTimeoutError, match=r"^the adapt node does not answer within 2 s$"):
        another.wait_for_nodes(2.0)
    nodes["adapt"].signal(signal.SIGCONT)
    another.wait_for_nodes(PATIENCE_S)
    another.close()


@pytest.mark.slow
def test_a_network_that_loses_packets_loses_no_adaptation(
    tmp_path: Path, long_bundle: Path
) -> None:
    network = lossy_udp(tmp_path, LOSS)
    if network is None:
        pytest.skip("no C compiler, so no packet can be lost")
    command = [sys.executable, "-m", "damsel_ros.adapt_cli", "--iterations", "1"]
    with network.governs():
        ended = subprocess.run(
            [*command, "--bundle", str(long_bundle)],
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    assert "the last trajectory ended" in ended.stdout
