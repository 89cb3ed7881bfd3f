"""How the nodes are started: their modules, namespace and parameter files.

`adapt.launch.py` uses the same files and the same names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from damsel_ros.processes import NodeProcesses

__all__ = ["NAMESPACE", "parameter_file", "start_nodes"]

NAMESPACE = "/damsel"
"""Namespace of every node, topic, service and action."""

_NODES = ("robot", "task", "adapt")


def parameter_file(robot: str) -> Path:
    """Return the parameter file for a robot of that name."""
    beside_source = Path(__file__).resolve().parents[1] / "config" / f"{robot}.yaml"
    if beside_source.is_file():
        return beside_source
    from ament_index_python.packages import get_package_share_path

    return Path(get_package_share_path("damsel_ros")) / "config" / f"{robot}.yaml"


def start_nodes(
    processes: NodeProcesses,
    *,
    robot: str,
    mode: str,
    bundle: Path,
    composed: bool,
    run_folder: Path,
) -> None:
    """Start the three nodes, each in a process of its own or all in one.

    Args:
        processes: Keeps them.
        robot: Name of the backend; it chooses the parameter file.
        mode: Parameter `mode` of the robot node.
        bundle: Parameter `bundle` of the adapt node.
        composed: Whether all three share one process.
        run_folder: Where the parameters of this run are written.
    """
    overrides = run_folder / "overrides.yaml"
    write_overrides(
        overrides, {"robot": {"mode": mode}, "adapt": {"bundle": str(bundle.resolve())}}
    )
    arguments = ["--ros-args", "-r", f"__ns:={NAMESPACE}"]
    for file in (parameter_file(robot), overrides):
        arguments += ["--params-file", str(file)]
    if composed:
        processes.start("composed", "damsel_ros.composed", arguments)
        return
    for name in _NODES:
        processes.start(name, f"damsel_ros.{name}_node", arguments)


def write_overrides(path: Path, values: Mapping[str, Mapping[str, str]]) -> None:
    """Write a parameter file; `-p` on the command line cannot name a node in a namespace.

    Args:
        path: The file.
        values: Parameters by node and name.
    """
    nodes = {f"{NAMESPACE}/{node}": {"ros__parameters": of} for node, of in values.items()}
    # JSON is YAML, whatever characters a path has.
    path.write_text(json.dumps(nodes), encoding="utf-8")
