"""Reading YAML that somebody else wrote: bounded, plain data only, every value written out."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, cast

import yaml

from damsel.errors import DamselError, brief

__all__ = ["read_yaml"]

_MAX_BYTES = 1 << 20


class _StrictLoader(yaml.SafeLoader):
    """`yaml.SafeLoader` that refuses repeated keys, instead of dropping one, and aliases.

    With aliases a file of a few lines can stand for more data than fits into any memory, or
    contain itself.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node that is written out."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, f"the alias *{event.anchor} is not allowed", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Construct a mapping after checking that its plain keys differ."""
        seen: set[str] = set()
        for key in (key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {brief(key)} is given twice", node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: Path, what: str, error: type[DamselError]) -> object:
    """Read a small YAML file as plain data.

    Args:
        path: The file, at most 1 MiB of UTF-8.
        what: What the file is, to begin messages with, such as `task file`.
        error: What to raise.

    Returns:
        Whatever the file holds: mappings, lists and scalars, unchecked.

    Raises:
        DamselError: Of type `error`, if the file cannot be read or is not YAML.
    """
    name = f"{what} {str(path)!r}"
    try:
        if not path.is_file():
            reason = "is not a regular file" if path.exists() else "does not exist"
            raise error(f"{name} {reason}")
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as cause:  # ValueError: a null byte in the path
        reason = getattr(cause, "strerror", None) or str(cause)
        raise error(f"{name} cannot be read: {reason}") from None
    if len(content) > _MAX_BYTES:
        raise error(f"{name} is larger than {_MAX_BYTES} bytes, the most allowed")
    try:
        return cast("object", _StrictLoader(content.decode("utf-8")).get_single_data())
    except UnicodeDecodeError:
        raise error(f"{name} is not UTF-8 text") from None
    except RecursionError:
        raise error(f"{name} is nested too deeply") from None
    except yaml.MarkedYAMLError as cause:
        line = f" at line {cause.problem_mark.line + 1}" if cause.problem_mark else ""
        raise error(f"{name} is not valid YAML{line}: {cause.problem}") from None
    except (yaml.YAMLError, ValueError, KeyError, IndexError, TypeError, AttributeError) as cause:
        # PyYAML lets conversions of scalars such as `2001-99-99` or `!!bool x` fail as they will.
        raise error(f"{name} is not valid YAML: {cause}") from None
