"""Parameter files of somebody's own set-up: whether one says to our nodes what they understand.

ROS takes names that no node has in silence, and so it does a value of another type than a file read
before has for the parameter: that of the other file stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

from damsel.errors import InvalidConfigError, brief
from damsel.safe_yaml import read_yaml
from damsel_ros.nodes import NAMESPACE, NODES
from damsel_ros.parameters import Parameter

__all__ = ["check_parameter_file", "value_in"]

_NODES = tuple(f"{NAMESPACE}/{name}" for name in (*NODES, "object_bridge", "recorder"))
_PARAMETERS = "ros__parameters"
# A number to ROS, a text to readers of YAML 1.1.
_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


def check_parameter_file(path: Path, option: str = "--parameters") -> None:
    """Refuse a file with a name that no node of ours has, or a value of another type than it has.

    Nodes of other namespaces may be in it, too, as long as it is not of them alone.

    Args:
        path: The file.
        option: How it was given, to begin messages with.

    Raises:
        InvalidConfigError: If it is not there, is no YAML, or such a name or value is in it.
    """
    try:
        there = path.is_file()
    except OSError as error:  # a name that is too long
        raise InvalidConfigError(f"{option} {brief(str(path))}: {error.strerror}") from None
    if not there:
        raise InvalidConfigError(
            f"{option} {brief(str(path))} is not there; allowed: a ROS parameter file"
        )
    given = list(_nodes(read_yaml(path, "parameter file", InvalidConfigError)))
    names = [name for name, _ in given]
    unknown = [name for name in names if not any(map(_pattern(name).fullmatch, _NODES))]
    ours = [name for name in unknown if name.startswith(f"{NAMESPACE}/") or "*" in name]
    if ours or len(unknown) == len(names):
        raise InvalidConfigError(
            f"{option} {brief(str(path))} names "
            f"{', '.join(map(brief, (ours or names)[:3])) or 'no node'}; "
            f"allowed: parameters of {', '.join(_NODES)} or /**"
        )

    for name, values in given:
        for node in filter(_pattern(name).fullmatch, _NODES):
            problem = _type_problem(node, dict(_flat(values)))
            if problem:
                raise InvalidConfigError(f"{option} {brief(str(path))}: {problem}")


def value_in(path: Path, node: str, name: str) -> object:
    """What a parameter file says of a node's parameter; None for nothing.

    Args:
        path: The file, checked before.
        node: The node's name in our namespace.
        name: Of the parameter.
    """
    values = [
        dict(_flat(given)).get(name)
        for pattern, given in _nodes(read_yaml(path, "parameter file", InvalidConfigError))
        if _pattern(pattern).fullmatch(f"{NAMESPACE}/{node}")
    ]
    return next((value for value in reversed(values) if value is not None), None)


def _nodes(content: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Full names, with wildcards as they are, and what is below `ros__parameters` of each.

    `a: {b: {ros__parameters: ...}}` is `/a/b`.
    """
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key == _PARAMETERS:
            yield prefix, value
        else:
            yield from _nodes(value, f"{prefix}/{str(key).strip('/')}")


def _flat(values: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Parameters by name; `a: {b: 1}` is `a.b: 1`."""
    if not isinstance(values, dict):
        return
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _type_problem(node: str, values: Mapping[str, object]) -> str:
    """Which parameter has another type than the node's, in one line; empty for none."""
    if not values:
        return ""
    declared: tuple[Parameter, ...]
    declared = import_module(f"damsel_ros.{node.rsplit('/', 1)[-1]}_node").PARAMETERS
    for one in declared:
        if one.name in values and not _has_type(values[one.name], one.default):
            return (
                f"parameter {one.name} of {node} is {brief(values[one.name])}; "
                f"allowed: {one.allowed}"
            )
    return ""


def _has_type(value: object, example: object) -> bool:
    if isinstance(example, list):
        return isinstance(value, list) and all(_has_type(one, example[0]) for one in value)
    if isinstance(example, float) and isinstance(value, str):
        return _EXPONENT.fullmatch(value) is not None
    return type(value) is type(example)


def _pattern(name: str) -> re.Pattern[str]:
    """A name with `*` for one part of it and `**` for any number of them."""
    parts = {"*": "/[^/]+", "**": "(/[^/]+)*"}
    return re.compile(
        "".join(parts.get(part, f"/{re.escape(part)}") for part in name.split("/")[1:])
    )
