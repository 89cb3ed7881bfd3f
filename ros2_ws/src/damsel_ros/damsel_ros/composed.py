"""All three nodes in one process, with one executor; messages still go through DDS."""

from __future__ import annotations

import sys

from damsel_ros.adapt_node import AdaptNode
from damsel_ros.node_main import run_nodes
from damsel_ros.robot_node import RobotNode
from damsel_ros.task_node import TaskNode

__all__ = ["main"]


def main() -> None:
    """Run the robot, task and adapt nodes as one process."""
    sys.exit(run_nodes("composed", lambda: [RobotNode(), TaskNode(), AdaptNode()]))


if __name__ == "__main__":
    main()
