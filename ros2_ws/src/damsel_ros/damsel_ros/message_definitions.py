"""Definitions of messages, as the installed interface packages have them, for `ros2msg` schemas."""

from __future__ import annotations

import re
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_path

from damsel.errors import InvalidConfigError

__all__ = ["message_definition"]

_SEPARATOR = "=" * 80
_PRIMITIVES = {
    *("bool", "byte", "char", "float32", "float64", "string", "wstring"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}
_FIELD_TYPE = re.compile(r"^\s*([A-Za-z][\w/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+[A-Za-z]\w*")


def message_definition(name: str) -> str:
    """Return the definition of a message followed by those of all messages inside it.

    The format is that of rosbag2 and of MCAP's `ros2msg` encoding: parts are separated by a line
    of equals signs and one that names the message.

    Args:
        name: Such as `sensor_msgs/msg/JointState`.

    Raises:
        InvalidConfigError: If there is no such message.
    """
    package, _, kind = name.split("/")
    first = f"{package}/{kind}"
    texts = {first: _text(first)}
    waiting = _inside(first, texts[first])
    while waiting:
        other = waiting.pop(0)
        if other not in texts:
            texts[other] = _text(other)
            waiting += _inside(other, texts[other])
    parts = [texts.pop(first), *(f"MSG: {other}\n{text}" for other, text in texts.items())]
    return f"{_SEPARATOR}\n".join(part if part.endswith("\n") else f"{part}\n" for part in parts)


def _text(name: str) -> str:
    package, kind = name.split("/")
    try:
        file = Path(get_package_share_path(package)) / "msg" / f"{kind}.msg"
        return file.read_text(encoding="utf-8")
    except (PackageNotFoundError, OSError):
        raise InvalidConfigError(
            f"there is no definition of the message {name}; allowed: one of an installed package"
        ) from None


def _inside(name: str, text: str) -> list[str]:
    """The messages that a definition has fields of, as package/Name."""
    package, _ = name.split("/")
    found = []
    for line in text.splitlines():
        match = _FIELD_TYPE.match(line.split("#", 1)[0])
        if match and (kind := match[1]) not in _PRIMITIVES:
            found.append(kind if "/" in kind else f"{package}/{kind}")
    return found
