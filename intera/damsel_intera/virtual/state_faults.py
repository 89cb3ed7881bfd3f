"""Spoils the virtual robot's joint states on their way out."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from damsel_intera.errors import SettingError

__all__ = ["StateFaults"]

T = TypeVar("T")

_LIMITS = {
    "drop": (0.0, 1.0),
    "delay_s": (0.0, 10.0),
    "duplicate": (0.0, 1.0),
    "reorder": (0.0, 1.0),
    "invalid": (0.0, 1.0),
    "clock_s": (-1e5, 1e5),
}


@dataclass
class StateFaults(Generic[T]):
    """What happens to messages; all off at first.

    Attributes:
        drop: part of the messages that is lost, 0 to 1.
        delay_s: how late the others are, seconds.
        duplicate: part of the messages that comes twice, 0 to 1.
        reorder: part of the messages that changes places with the next, 0 to 1.
        invalid: whether positions are not numbers.
        clock_s: how far the robot's clock has been set forward, seconds; negative for back.
    """

    drop: float = 0.0
    delay_s: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    invalid: bool = False
    clock_s: float = 0.0
    _random: random.Random = field(default_factory=lambda: random.Random(0))
    _waiting: list[tuple[float, T]] = field(default_factory=list)
    _kept_back: list[T] = field(default_factory=list)

    def set(self, name: str, value: float) -> None:
        """Set one of the attributes.

        Raises:
            SettingError: If there is none of this name or the value is out of range.
        """
        if name not in _LIMITS:
            raise SettingError(f"no fault {name!r} of states; allowed: {', '.join(_LIMITS)}")
        low, high = _LIMITS[name]
        if not low <= value <= high:
            raise SettingError(f"{name} is {value}; allowed: {low:g} to {high:g}")
        setattr(self, name, bool(value) if name == "invalid" else float(value))

    def clear(self) -> None:
        """All off; what is delayed still comes, at once."""
        self.drop = self.delay_s = self.duplicate = self.reorder = self.clock_s = 0.0
        self.invalid = False
        self._waiting = [(0.0, message) for _, message in self._waiting]

    def pass_on(self, message: T, now_s: float) -> list[T]:
        """What to send now, given what was meant to be sent."""
        overtaken, self._kept_back = self._kept_back, []
        if self._random.random() >= self.drop:
            copies = 2 if self._random.random() < self.duplicate else 1
            if not overtaken and self._random.random() < self.reorder:
                self._kept_back = [message] * copies
            else:
                self._waiting += [(now_s + self.delay_s, message)] * copies
        self._waiting += [(now_s + self.delay_s, one) for one in overtaken]
        due = [one for when_s, one in self._waiting if when_s <= now_s]
        self._waiting = [(when_s, one) for when_s, one in self._waiting if when_s > now_s]
        return due
