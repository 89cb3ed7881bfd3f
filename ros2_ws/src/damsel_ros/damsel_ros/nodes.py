"""How the nodes are started: their modules, namespace and parameter files.

`adapt.launch.py` uses the same files and the same names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from damsel_ros.processes import NodeProcess, NodeProcesses
from damsel_ros.share import config_file

__all__ = ["NAMESPACE", "Parameter", "start_nodes"]

NAMESPACE = "/damsel"
"""Namespace of every node, topic, service and action."""

Parameter = str | int | float | bool
"""What an overridden parameter may be."""

_NODES = ("robot", "task", "adapt")


def start_nodes(
    processes: NodeProcesses,
    *,
    robot: str,
    mode: str,
    bundle: Path,
    composed: bool,
    run_folder: Path,
    parameters: Sequence[Path] = (),
    overrides: Mapping[str, Mapping[str, Parameter]] | None = None,
    extra: Sequence[str] = (),
) -> dict[str, NodeProcess]:
    """Start the three nodes, each in a process of its own or all in one.

    Args:
        processes: Keeps them.
        robot: Name of the backend; it chooses the parameter file.
        mode: Parameter `mode` of the robot node.
        bundle: Parameter `bundle` of the adapt node.
        composed: Whether all three share one process.
        run_folder: Where the parameters of this run are written.
        parameters: Further parameter files, which win over that of the backend.
        overrides: Further parameters by node, which win over every file.
        extra: Names of further nodes to start, such as `object_bridge`.

    Returns:
        The processes by name.
    """
    file = run_folder / "overrides.yaml"
    given: dict[str, dict[str, Parameter]] = {
        "robot": {"mode": mode},
        "adapt": {"bundle": str(bundle.resolve())},
    }
    for node, values in (overrides or {}).items():
        given.setdefault(node, {}).update(values)
    write_overrides(file, given)
    arguments = ["--ros-args", "-r", f"__ns:={NAMESPACE}"]
    for one in (config_file(f"{robot}.yaml"), *parameters, file):
        arguments += ["--params-file", str(one)]
    alone = (*extra, *(() if composed else _NODES))
    started = {name: processes.start(name, f"damsel_ros.{name}_node", arguments) for name in alone}
    if composed:
        started["composed"] = processes.start("composed", "damsel_ros.composed", arguments)
    return started


def write_overrides(path: Path, values: Mapping[str, Mapping[str, Parameter]]) -> None:
    """Write a parameter file; `-p` on the command line cannot name a node in a namespace.

    Args:
        path: The file.
        values: Parameters by node and name.
    """
    nodes = {f"{NAMESPACE}/{node}": {"ros__parameters": of} for node, of in values.items()}
    # JSON is YAML, whatever characters a path has.
    path.write_text(json.dumps(nodes), encoding="utf-8")
