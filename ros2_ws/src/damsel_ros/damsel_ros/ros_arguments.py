"""ROS arguments given to tools that start nodes of their own, which would not get them."""

from __future__ import annotations

from collections.abc import Sequence

from damsel.errors import InvalidConfigError

__all__ = ["refuse_ros_arguments"]

_FLAG = "--ros-args"


def refuse_ros_arguments(argv: Sequence[str]) -> list[str]:
    """Return the arguments if none of them are for ROS, such as a remapping that nobody would see.

    Raises:
        InvalidConfigError: If there are ROS arguments.
    """
    if _FLAG in argv:
        raise InvalidConfigError(
            f"{_FLAG} is not taken here; allowed: --parameters FILE for parameters, and remapping "
            "topics where the cameras' own nodes are started"
        )
    return list(argv)
