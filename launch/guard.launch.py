"""What every launch file of ours begins with: checks before anything starts, and a watch after.

`ros2` runs on the system's Python, which sees ROS but neither damsel nor what it needs. So no
launch file imports anything of ours, and the checks are a program of the package.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ament_index_python.packages import get_package_prefix
from launch import Action, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch_ros.actions import Node

_PACKAGE = "damsel_ros"
_GUARDED = ("robot", "task", "adapt", "damsel-adapt")
_CHECKED = "damsel_checked"


def generate_launch_description() -> LaunchDescription:
    """Check what is given, once for every node, and end the launch when one of them ends."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "parameters", default_value="", description="Parameter file of your own set-up."
            ),
            DeclareLaunchArgument(
                "damsel_nodes", default_value="", description="The nodes to be started."
            ),
            DeclareLaunchArgument(
                "damsel_operator",
                default_value="",
                description="Options of damsel-adapt to be checked, a line each.",
            ),
            OpaqueFunction(function=_check),
            # Nodes end with this process, however it ends: `ros2 launch` leaves them to themselves
            # when it is terminated.
            SetEnvironmentVariable("DAMSEL_OPERATOR_PID", str(os.getpid())),
        ]
    )


def _check(context: LaunchContext) -> list[Action]:
    """Refuse what cannot be meant, and nodes that are there already; then watch over ours."""
    given = context.launch_configurations
    checked = given.get(_CHECKED, "").split()
    nodes = [name for name in given["damsel_nodes"].split() if name not in checked]
    if not nodes:
        return []
    program = Path(get_package_prefix(_PACKAGE), "lib", _PACKAGE, "check_launch")
    operator = given["damsel_operator"].splitlines()
    done = subprocess.run(
        [program, given["parameters"], " ".join(nodes), *operator],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"the checks ended with {done.returncode}")
    given[_CHECKED] = " ".join([*checked, *nodes])
    watch = RegisterEventHandler(OnProcessExit(target_action=_is_ours, on_exit=_end))
    return [] if checked else [watch]  # one is enough for all nodes


def _is_ours(action: Action) -> bool:
    return (
        isinstance(action, Node)
        and action.node_package == _PACKAGE
        and action.node_executable in _GUARDED
    )


def _end(event: ProcessExited, context: LaunchContext) -> list[Action]:
    """End the launch; with an exit code if the node or the operator has failed."""
    if context.is_shutdown:
        return []
    code = event.returncode
    how = "has ended" if code == 0 else f"died: exit code {code}"
    what = f"{event.action.node_executable} {how}"

    def fail(_: LaunchContext) -> None:
        raise RuntimeError(what)

    over: list[Action] = [Shutdown(reason=what)]
    return over if code == 0 else [*over, OpaqueFunction(function=fail)]
