"""Parameter files of somebody's own set-up: whether one says anything to our nodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from damsel.errors import InvalidConfigError, brief
from damsel.safe_yaml import read_yaml
from damsel_ros.nodes import NAMESPACE, NODES

__all__ = ["check_parameter_file"]

_NODES = tuple(f"{NAMESPACE}/{name}" for name in (*NODES, "object_bridge", "recorder"))
_PARAMETERS = "ros__parameters"


def check_parameter_file(path: Path, option: str = "--parameters") -> None:
    """Refuse a file with a name that no node of ours has, which ROS takes in silence.

    Nodes of other namespaces may be in it, too, as long as it is not of them alone.

    Args:
        path: The file.
        option: How it was given, to begin messages with.

    Raises:
        InvalidConfigError: If it is not there, is no YAML, or such a name is in it.
    """
    try:
        there = path.is_file()
    except OSError as error:  # a name that is too long
        raise InvalidConfigError(f"{option} {brief(str(path))}: {error.strerror}") from None
    if not there:
        raise InvalidConfigError(
            f"{option} {brief(str(path))} is not there; allowed: a ROS parameter file"
        )
    names = list(_node_names(read_yaml(path, "parameter file", InvalidConfigError)))
    unknown = [name for name in names if not any(map(_pattern(name).fullmatch, _NODES))]
    ours = [name for name in unknown if name.startswith(f"{NAMESPACE}/") or "*" in name]
    if ours or len(unknown) == len(names):
        raise InvalidConfigError(
            f"{option} {brief(str(path))} names "
            f"{', '.join(map(brief, (ours or names)[:3])) or 'no node'}; "
            f"allowed: parameters of {', '.join(_NODES)} or /**"
        )


def _node_names(content: object, prefix: str = "") -> Iterator[str]:
    """Full names, with wildcards as they are; `a: {b: {ros__parameters: ...}}` is `/a/b`."""
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key == _PARAMETERS:
            yield prefix
        else:
            yield from _node_names(value, f"{prefix}/{str(key).strip('/')}")


def _pattern(name: str) -> re.Pattern[str]:
    """A name with `*` for one part of it and `**` for any number of them."""
    parts = {"*": "/[^/]+", "**": "(/[^/]+)*"}
    return re.compile(
        "".join(parts.get(part, f"/{re.escape(part)}") for part in name.split("/")[1:])
    )
