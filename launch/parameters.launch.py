"""Refuses a parameter file of one's own that says nothing to our nodes, before anything starts.

`ros2` runs on the system's Python, which sees ROS but neither damsel nor what it needs. So no
launch file imports anything of ours, and the check is a program of the package.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from ament_index_python.packages import get_package_prefix
from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction
from launch.substitutions import LaunchConfiguration


def generate_launch_description() -> LaunchDescription:
    """Check the file that `parameters` names; ROS takes names of no node in silence."""
    return LaunchDescription([OpaqueFunction(function=_check)])


def _check(context: LaunchContext) -> None:
    package = "damsel_ros"
    program = Path(get_package_prefix(package), "lib", package, "check_parameters")
    file = LaunchConfiguration("parameters").perform(context)
    done = subprocess.run([program, file], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
