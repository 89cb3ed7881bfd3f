"""Single entries of a run's configuration, changed from the command line: `--set KEY=VALUE`."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from damsel.errors import InvalidConfigError, brief

__all__ = ["overridden"]

_Cfg = TypeVar("_Cfg")

_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
_NUMBER = re.compile(r"\+?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LIST = re.compile(r"\[(.*)\]")


def overridden(cfg: _Cfg, assignments: Sequence[str]) -> _Cfg:
    """A configuration with some of its entries changed; the names are those of `run.yaml`.

    All are changed at once, so what depends on one another may come in any order.

    Args:
        cfg: a data class of values, tuples, mappings and further data classes.
        assignments: each `a.b.c=value`; of two for one entry the last counts.

    Raises:
        InvalidConfigError: an entry does not exist, or cannot have that value.
    """
    changes: dict[str, Any] = {}
    for assignment in assignments:
        path, sign, text = assignment.partition("=")
        what = f"--set {brief(assignment)}"
        if not sign:
            raise InvalidConfigError(f"{what}; allowed: KEY=VALUE")
        names = path.split(".")
        value = _parsed(text, _entry(cfg, names, what), what)
        group = changes
        for name in names[:-1]:
            group = group.setdefault(name, {})
        group[names[-1]] = value
    changed: _Cfg = _rebuilt(cfg, changes)
    return changed


def _entry(value: Any, path: Sequence[str], what: str) -> Any:
    """The entry of that name, which is no group."""
    for name in path:
        entries = _entries(value)
        if entries is None or name not in entries:
            allowed = f"; allowed there: {_listed(entries)}" if entries else ""
            raise InvalidConfigError(f"{what}: there is no {name or 'empty name'}{allowed}")
        value = entries[name]
    entries = _entries(value)
    if entries is not None:
        raise InvalidConfigError(f"{what} names a group; allowed in it: {_listed(entries)}")
    return value


def _rebuilt(value: Any, changes: Mapping[str, Any]) -> Any:
    entries = _entries(value)
    if entries is None:
        return changes
    parts = {name: _rebuilt(entries[name], change) for name, change in changes.items()}
    if isinstance(value, Mapping):
        return {**value, **parts}
    return dataclasses.replace(value, **parts)


def _entries(value: Any) -> dict[str, Any] | None:
    """What a group holds that can be changed; None of what is no group."""
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        # What is None has an option of its own, as has what the run is called.
        hidden = ("preset", "seed")
        return {name: v for name, v in fields.items() if v is not None and name not in hidden}
    return None


def _listed(entries: Mapping[str, Any]) -> str:
    return ", ".join(entries)


def _parsed(text: str, now: Any, what: str) -> Any:
    """The text as a value of the kind that is there now."""
    value, allowed = _converted(text.strip(), now)
    if value is None:
        raise InvalidConfigError(f"{what}: {brief(text)}; allowed: {allowed}")
    return value


def _converted(text: str, now: Any) -> tuple[Any, str]:
    """The text as a value of the kind of `now`, None if it cannot be one, and what can."""
    match now:
        case bool():
            return {"true": True, "false": False}.get(text), "true, false"
        case int():
            return (int(text) if _WHOLE.fullmatch(text) else None), "a whole number from 0"
        case float():
            return _number(text), "a number from 0"
        case tuple():
            listed = _LIST.fullmatch(text)
            numbers = [_number(part.strip()) for part in listed[1].split(",")] if listed else []
            fits = len(numbers) == len(now) and None not in numbers
            allowed = f"[{', '.join('number' for _ in now)}], each from 0"
            return (tuple(numbers) if fits else None), allowed
        case _:
            return text or None, "a word"


def _number(text: str) -> float | None:
    """A finite number from 0."""
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    return number if math.isfinite(number) else None
