"""All three nodes in one process, with one executor; messages still go through DDS."""

from __future__ import annotations

import sys

from rclpy.node import Node

from damsel_ros.adapt_node import AdaptNode
from damsel_ros.node_main import run_nodes
from damsel_ros.robot_node import RobotNode
from damsel_ros.task_node import TaskNode

__all__ = ["main", "make_nodes"]


def make_nodes() -> list[Node]:
    """Make the three nodes; the one that takes hold of the arm once nothing else can fail.

    Raises:
        DamselError: If one of them cannot be made.
    """
    others = [TaskNode(), AdaptNode()]
    return [RobotNode(), *others]


def main() -> None:
    """Run the robot, task and adapt nodes as one process."""
    sys.exit(run_nodes("composed", make_nodes))


if __name__ == "__main__":
    main()
