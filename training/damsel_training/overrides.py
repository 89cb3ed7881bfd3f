"""Single entries of a run's configuration, changed from the command line: `--set KEY=VALUE`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import yaml

from damsel.errors import InvalidConfigError, brief

__all__ = ["overridden"]

_Cfg = TypeVar("_Cfg")


def overridden(cfg: _Cfg, assignments: Sequence[str]) -> _Cfg:
    """A configuration with some of its entries changed; the names are those of `run.yaml`.

    Args:
        cfg: a data class of values, tuples, mappings and further data classes.
        assignments: each `a.b.c=value`, the value in YAML.

    Raises:
        InvalidConfigError: an entry does not exist, or cannot have that value.
    """
    for assignment in assignments:
        path, sign, text = assignment.partition("=")
        if not sign:
            raise InvalidConfigError(f"--set {assignment}; allowed: KEY=VALUE")
        cfg = _with(cfg, path.split("."), text, f"--set {assignment}")
    return cfg


def _with(value: Any, path: Sequence[str], text: str, what: str) -> Any:
    entries = _entries(value)
    if not path:
        if entries is not None:
            raise InvalidConfigError(f"{what} names a group; allowed in it: {_listed(entries)}")
        return _parsed(text, value, what)
    name, *rest = path
    if entries is None or name not in entries:
        allowed = f"; allowed there: {_listed(entries)}" if entries else ""
        raise InvalidConfigError(f"{what}: there is no {name or 'empty name'}{allowed}")
    changed = _with(entries[name], rest, text, what)
    if isinstance(value, Mapping):
        return {**value, name: changed}
    return dataclasses.replace(value, **{name: changed})


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
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = None
    converted, allowed = _converted(value, now)
    if converted is None:
        raise InvalidConfigError(f"{what}: {brief(value)}; allowed: {allowed}")
    return converted


def _converted(value: Any, now: Any) -> tuple[Any, str]:
    """The value as one of the kind of `now`, None if it cannot be one, and what can."""
    match now:
        case bool():
            return (value if isinstance(value, bool) else None), "true, false"
        case int():
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            return (value if whole else None), "a whole number from 0"
        case float():
            return _number(value), "a number from 0"
        case tuple():
            numbers = [_number(entry) for entry in value] if isinstance(value, list) else []
            fits = len(numbers) == len(now) and None not in numbers
            return (tuple(numbers) if fits else None), f"[{', '.join('number' for _ in now)}]"
        case _:
            return (value if isinstance(value, str) else None), "a word"


def _number(value: object) -> float | None:
    """A finite number from 0; also from a word, which 1e-3 is to YAML 1.1."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
