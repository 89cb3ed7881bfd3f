"""`check_launch FILE NODES [OPTION...]`: for launch files, whose Python does not see `damsel`.

FILE is a parameter file, NODES are the nodes to be started, in one argument, and options are those
of `damsel-adapt`. Says in one line why they are refused, if they are: before anything starts.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import rclpy
from rclpy.node import Node
from rclpy.utilities import try_shutdown

from damsel.cli import EXIT_BAD_INPUT, EXIT_INTERRUPTED
from damsel.errors import DamselError
from damsel_ros.adapt_options import parse_options
from damsel_ros.node_main import start_ros
from damsel_ros.nodes import NAMESPACE, require_no_nodes
from damsel_ros.parameter_file import check_parameter_file

__all__ = ["main"]

_POLL_S = 0.05


def main() -> None:
    """Check, and exit with 0 if everything is allowed."""
    file, nodes, *options = sys.argv[1:]
    try:
        _check(file, nodes.split(), options)
    except DamselError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def _check(file: str, nodes: Sequence[str], options: Sequence[str]) -> None:
    check_parameter_file(Path(file), "parameters:=")
    if options:
        parse_options(["--attach", *options])
    start_ros([])
    try:
        node = Node("launch", namespace=NAMESPACE)
        require_no_nodes(node, nodes, lambda: rclpy.spin_once(node, timeout_sec=_POLL_S))
    finally:
        try_shutdown()


if __name__ == "__main__":
    main()
