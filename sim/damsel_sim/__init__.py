"""MuJoCo simulation of the Sawyer tabletop: physics, environments, the robot, pictures."""

from __future__ import annotations

import ctypes
import os
import sys

__all__ = ["has_display"]


def has_display() -> bool:
    """Whether a window could be opened, as far as the environment tells."""
    displays = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform != "linux" or any(os.environ.get(name) for name in displays)


def _choose_graphics() -> None:
    """Pick MuJoCo's graphics before it is imported, where the user has not.

    Without a display its default, GLFW, does not fail but kills the process.
    """
    if has_display() or "MUJOCO_GL" in os.environ:
        return
    try:
        ctypes.CDLL("libEGL.so.1")
    except OSError:
        os.environ["MUJOCO_GL"] = "off"
    else:
        os.environ["MUJOCO_GL"] = "egl"


_choose_graphics()
