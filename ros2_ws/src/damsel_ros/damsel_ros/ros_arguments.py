"""ROS arguments of a command that is no node: refused, but for what `ros2 launch` adds.

The nodes that such a command starts would not get them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from damsel.errors import InvalidConfigError, brief

__all__ = ["without_ros_arguments"]

_NAMED_BY_LAUNCH = re.compile(r"((-r|--remap) __node:=\w+ ?)*")


def without_ros_arguments(argv: Sequence[str]) -> list[str]:
    """Return a command line without its ROS arguments.

    Args:
        argv: Arguments without the program's name.

    Raises:
        InvalidConfigError: If they do more than give a name, as a launch does.
    """
    if "--ros-args" not in argv:
        return list(argv)
    begin = argv.index("--ros-args")
    end = argv.index("--", begin) if "--" in argv[begin:] else len(argv)
    given = " ".join(one for one in argv[begin + 1 : end] if one != "--ros-args")
    if not _NAMED_BY_LAUNCH.fullmatch(given):
        raise InvalidConfigError(
            f"--ros-args has {brief(given)}; allowed: no ROS arguments; the nodes are in /damsel, "
            "--parameters FILE sets parameters, and topics are remapped where cameras are started"
        )
    return [*argv[:begin], *argv[end + 1 :]]
