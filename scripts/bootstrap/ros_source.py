"""Which ROS 2 is used: one that is sourced, else Jazzy from PyPI."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["TESTED_DISTRO", "RosSource", "find_ros", "without_ros"]

TESTED_DISTRO = "jazzy"

_SYSTEM_PYTHON = "/usr/bin/python3"

# What a sourced ROS, this project's environment, or an active virtual environment leaves behind.
_ROS_VARIABLES = (
    "AMENT_PREFIX_PATH",
    "CMAKE_PREFIX_PATH",
    "COLCON_PREFIX_PATH",
    "LD_LIBRARY_PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "ROS_DISTRO",
    "ROS_PYTHON_VERSION",
    "ROS_VERSION",
    "_DAMSEL_OVERLAY_PID",
    "_ROS_WHEELS_BOOTSTRAP_COMPLETE",
)


@dataclass(frozen=True)
class RosSource:
    """Where ROS 2 comes from.

    Attributes:
        python: Interpreter to make the environment with.
        sourced_distro: Name of the sourced distribution, or None for ROS 2 from PyPI.
        prefixes: AMENT_PREFIX_PATH of the sourced ROS 2; empty for ROS 2 from PyPI.
    """

    python: str
    sourced_distro: str | None = None
    prefixes: str = ""


def find_ros(environ: Mapping[str, str]) -> RosSource:
    """Return the ROS 2 to use.

    A sourced ROS 2 counts if a Python can import its rclpy: ours, or the system's, which is the
    one that distributions build ROS 2 for.

    Args:
        environ: The environment variables to judge by.
    """
    # Not sys.executable: it may lie in the very environment that is about to be replaced.
    ours = str(getattr(sys, "_base_executable", None) or sys.executable)
    distro = environ.get("ROS_DISTRO")
    if distro:
        for python in dict.fromkeys((ours, _SYSTEM_PYTHON)):
            if _imports_rclpy(python, environ):
                return RosSource(python, distro, environ.get("AMENT_PREFIX_PATH", ""))
    return RosSource(ours)


def without_ros(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those by which another ROS 2 or Python would leak in."""
    kept = {name: value for name, value in environ.items() if name not in _ROS_VARIABLES}
    kept.pop("PIP_USER", None)  # in an environment pip refuses it
    return kept


def _imports_rclpy(python: str, environ: Mapping[str, str]) -> bool:
    command = [python, "-c", "import sys; assert sys.version_info >= (3, 11); import rclpy"]
    try:
        run = subprocess.run(
            command, env=dict(environ), capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return run.returncode == 0
