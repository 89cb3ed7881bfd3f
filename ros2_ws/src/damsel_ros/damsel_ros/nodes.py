"""How the nodes are started: their modules, namespace and parameter files.

`adapt.launch.py` uses the same files and the same names.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rclpy.node import Node
from std_msgs.msg import String

from damsel.errors import RobotError, RobotTimeoutError
from damsel_ros.processes import NodeProcess, NodeProcesses
from damsel_ros.qos import LATCHED
from damsel_ros.share import config_file

__all__ = [
    "NAMESPACE",
    "NODES",
    "Parameter",
    "finish_recording",
    "require_no_nodes",
    "start_nodes",
    "start_recorder",
    "wait_for_recorder",
]

NAMESPACE = "/damsel"
"""Namespace of every node, topic, service and action."""

Parameter = str | int | float | bool
"""What an overridden parameter may be."""

NODES = ("robot", "task", "adapt")
"""Names of the nodes that a run needs."""

_LAST_TICKS_S = 0.3
# A summary and an index of all messages; what a slow disk still has to take besides.
_LAST_WRITES_S = 20.0
# Others announce themselves several times a second.
_LOOK_AROUND_S = 1.0


def require_no_nodes(node: Node, names: Sequence[str], poll: Callable[[], None]) -> None:
    """Look around for a moment and see that nobody has the names of the nodes to be started.

    Args:
        node: The operator's node, in their namespace.
        names: Of the nodes.
        poll: Lets messages arrive; may raise.

    Raises:
        RobotError: If somebody has: two robots would move.
    """
    end_s = time.monotonic() + _LOOK_AROUND_S
    while time.monotonic() < end_s:
        poll()
    namespace = node.get_namespace()
    there = [name for name in names if (name, namespace) in node.get_node_names_and_namespaces()]
    if there:
        raise RobotError(
            f"a {there[0]} node is in {namespace} of this DDS domain already; use what runs with "
            "--attach, stop it, or set another ROS_DOMAIN_ID"
        )


def start_nodes(
    processes: NodeProcesses,
    *,
    robot: str,
    run_folder: Path,
    mode: str | None = None,
    bundle: Path | None = None,
    composed: bool = False,
    nodes: Sequence[str] = NODES,
    parameters: Sequence[Path] = (),
    overrides: Mapping[str, Mapping[str, Parameter]] | None = None,
    extra: Sequence[str] = (),
) -> dict[str, NodeProcess]:
    """Start nodes, each in a process of its own or all three in one.

    Args:
        processes: Keeps them.
        robot: Name of the backend; it chooses the parameter file.
        run_folder: Where the parameters of this run are written.
        mode: Parameter `mode` of the robot node; None leaves it to the files.
        bundle: Parameter `bundle` of the adapt node; None leaves it to the files.
        composed: Whether robot, task and adapt share one process.
        nodes: Which of these three, if they do not.
        parameters: Further parameter files, which win over that of the backend.
        overrides: Further parameters by node, which win over every file.
        extra: Names of further nodes to start, such as `object_bridge`.

    Returns:
        The processes by name.
    """
    file = run_folder / "overrides.yaml"
    # A file of one's own cannot make an arm out of a simulation, whose questions nobody asks.
    given: dict[str, dict[str, Parameter]] = {"robot": {"backend": robot}}
    if mode is not None:
        given["robot"]["mode"] = mode
    if bundle is not None:
        given["adapt"] = {"bundle": str(bundle.resolve())}
    for node, values in (overrides or {}).items():
        given.setdefault(node, {}).update(values)
    write_overrides(file, given)
    arguments = ["--ros-args", "-r", f"__ns:={NAMESPACE}"]
    for one in (config_file(f"{robot}.yaml"), *parameters, file):
        arguments += ["--params-file", str(one)]
    alone = (*extra, *(() if composed else nodes))
    started = {name: processes.start(name, f"damsel_ros.{name}_node", arguments) for name in alone}
    if composed:
        started["composed"] = processes.start("composed", "damsel_ros.composed", arguments)
    return started


def start_recorder(processes: NodeProcesses, output: Path, run_folder: Path) -> NodeProcess:
    """Start a recorder of all that the nodes say.

    Args:
        processes: Keeps it.
        output: The recording; it must not exist.
        run_folder: Where its parameters are written.
    """
    file = run_folder / "recorder.yaml"
    write_overrides(file, {"recorder": {"output": str(output.resolve())}})
    arguments = ["--ros-args", "--params-file", str(file)]
    return processes.start("recorder", "damsel_ros.recorder_node", arguments)


def wait_for_recorder(
    node: Node, poll: Callable[[], None], timeout_s: float, nodes: Sequence[str] = NODES
) -> None:
    """Wait until the recorder misses nothing of what these nodes say.

    Args:
        node: A node in the namespace of the nodes.
        poll: Lets time pass; may raise.
        timeout_s: How long.
        nodes: Which nodes.

    Raises:
        RobotTimeoutError: If it does not within that time.
    """
    heard: list[str] = []

    def hear(message: String) -> None:
        heard[:] = message.data.split()

    subscription = node.create_subscription(String, "recorder/hears", hear, LATCHED)
    deadline_s = time.monotonic() + timeout_s
    while missing := [name for name in nodes if name not in heard]:
        if time.monotonic() > deadline_s:
            raise RobotTimeoutError(
                f"the recorder does not hear {', '.join(missing)} after {timeout_s:g} s"
            )
        poll()
    node.destroy_subscription(subscription)


def finish_recording(recorder: NodeProcess, poll: Callable[[], None]) -> str:
    """Wait until the robot node has told the last joint targets, and end the recorder.

    Args:
        recorder: The process.
        poll: Lets time pass; may raise. Not called once the recorder is told to end.

    Returns:
        Why the recording is not complete, in one line; empty if it is.
    """
    end_s = time.monotonic() + _LAST_TICKS_S
    while time.monotonic() < end_s:
        poll()
    recorder.signal(signal.SIGINT)
    if not recorder.wait(_LAST_WRITES_S):
        return f"the recorder has not finished its file within {_LAST_WRITES_S:g} s"
    return recorder.failure


def write_overrides(path: Path, values: Mapping[str, Mapping[str, Parameter]]) -> None:
    """Write a parameter file; `-p` on the command line cannot name a node in a namespace.

    Args:
        path: The file.
        values: Parameters by node and name.
    """
    nodes = {f"{NAMESPACE}/{node}": {"ros__parameters": of} for node, of in values.items()}
    # JSON is YAML, whatever characters a path has.
    path.write_text(json.dumps(nodes), encoding="utf-8")
