"""The arms that the robot node can own, by name.

A backend's module is imported only when it is asked for: `damsel_ros` needs `damsel_sim` for the
simulated arm alone.
"""

from __future__ import annotations

from damsel.errors import InvalidConfigError, brief
from damsel_ros.backends.base import Robot

__all__ = ["BACKEND_NAMES", "make_robot"]

BACKEND_NAMES = ("sim", "sawyer")
"""Every backend that the `backend` parameter and `--robot` know."""


def make_robot(name: str) -> Robot:
    """Return the robot of a backend, not yet connected.

    Args:
        name: One of `BACKEND_NAMES`.

    Raises:
        InvalidConfigError: If there is no such backend, or it cannot be had here.
    """
    if name == "sim":
        from damsel_ros.backends.sim import SimBackend

        return SimBackend()
    if name == "sawyer":
        raise InvalidConfigError(
            "robot sawyer: the physical Sawyer is not available in this version; allowed: sim"
        )
    raise InvalidConfigError(f"unknown robot {brief(name)}; allowed: {', '.join(BACKEND_NAMES)}")
