"""Finds ROS 1's Python packages, whatever else is on the path.

`std_msgs`, `sensor_msgs` and others exist in ROS 1 and ROS 2 under the same names. A process that
has called `activate` gets ROS 1's, even where a ROS 2 is sourced or installed in the same
environment; everything that is not ROS comes from where it always does.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from damsel_intera.errors import RobotPortError

__all__ = ["activate"]

# Debian's and Ubuntu's packages, and a ROS Noetic from the ROS project's own.
_FOLDERS = ("/usr/lib/python3/dist-packages", "/opt/ros/noetic/lib/python3/dist-packages")

_NAMES = frozenset(
    {
        "actionlib",
        "actionlib_msgs",
        "control_msgs",
        "cv_bridge",
        "dynamic_reconfigure",
        "genmsg",
        "genpy",
        "geometry_msgs",
        "rosgraph",
        "rosgraph_msgs",
        "roslib",
        "rospy",
        "sensor_msgs",
        "std_msgs",
        "std_srvs",
        "trajectory_msgs",
    }
)


class _Ros1First:
    """Answers for the packages of ROS 1 before any other finder is asked."""

    def __init__(self, folders: list[str]) -> None:
        self._folders = folders

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> Any:
        if name in _NAMES:
            return importlib.machinery.PathFinder.find_spec(name, self._folders)
        return None


def activate() -> None:
    """Make ROS 1's packages importable and first; harmless to call again.

    Raises:
        RobotPortError: If no ROS 1 is installed, or one of another kind is imported already.
    """
    if any(isinstance(finder, _Ros1First) for finder in sys.meta_path):
        return
    sourced = [folder for folder in sys.path if Path(folder, "rospy").is_dir()]
    folders = [*sourced, *(folder for folder in _FOLDERS if Path(folder, "rospy").is_dir())]
    if not folders:
        raise RobotPortError(
            "no rospy found; allowed: a sourced ROS Noetic, or the packages that "
            "scripts/install_ros1 installs"
        )
    # A catkin workspace that is sourced may hold message packages of its own.
    search = [*os.environ.get("PYTHONPATH", "").split(os.pathsep), *folders]
    foreign = sorted(name for name in _NAMES & set(sys.modules) if name != "genmsg")
    if foreign:
        raise RobotPortError(f"{foreign[0]} is imported already; allowed: activate ROS 1 first")
    sys.meta_path.insert(0, _Ros1First(_without_ros2(search)))
    # What rospy itself needs and this environment may lack comes last.
    sys.path.extend(folder for folder in folders if folder not in sys.path)


def _without_ros2(folders: list[str]) -> list[str]:
    return [folder for folder in folders if folder and not Path(folder, "rclpy").is_dir()]
