"""The task families: what is moved, how far, and how near is near enough.

A family says how to read the state of its object (what its goals are about) from an
observation. To add one, add its measure to `damsel.scene` and its entry here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from damsel import scene
from damsel.errors import InvalidConfigError, InvalidTaskError, brief

__all__ = ["FAMILIES", "REST_TOLERANCE", "Family", "family", "for_every_family"]

T = TypeVar("T")

REST_TOLERANCE = 1e-3
"""Movement of the block, door handle or drawer, in metres, that still counts as untouched."""


@dataclass(frozen=True)
class Family:
    """One task family and its distribution of goals, uniform between `low` and `high`.

    Attributes:
        name: How tasks, bundles and commands call it.
        goal_names: Names of the goal's coordinates, goal_dim of them.
        unit: Unit of the goal and of distances, `m` or `rad`.
        low: Lower bound of each coordinate.
        high: Upper bound of each coordinate, inclusive.
        low_inclusive: Whether a goal may lie on `low`. It may not where `low` is the rest state.
        success_threshold: Largest final distance that solves a task.
        strict_threshold: The same for strict success.
        rest_tolerance: State this near to rest, in `unit`, counts as untouched.
        measure: Maps observations (..., 12) to the object's displacement from rest, (...) or
            (..., goal_dim).
    """

    name: str
    goal_names: tuple[str, ...]
    unit: str
    low: tuple[float, ...]
    high: tuple[float, ...]
    low_inclusive: bool
    success_threshold: float
    strict_threshold: float
    rest_tolerance: float
    measure: Callable[[NDArray[np.float64]], NDArray[np.float64]]

    @property
    def goal_dim(self) -> int:
        """Number of coordinates of a goal."""
        return len(self.goal_names)

    @property
    def goal_range(self) -> str:
        """The allowed goals in words, such as `angle in (0, 0.785398] rad`."""
        bracket = "[" if self.low_inclusive else "("
        return ", ".join(
            f"{name} in {bracket}{low:g}, {high:g}] {self.unit}"
            for name, low, high in zip(self.goal_names, self.low, self.high, strict=True)
        )

    @property
    def strict_reward(self) -> float:
        """Reward from which a task is solved strictly, wherever in the range its goal lies.

        The reward falls by the distance in parts of the way to the goal (`damsel.tasks`), and the
        longest way leaves the most room.
        """
        longest = math.hypot(
            *(max(-low, high) for low, high in zip(self.low, self.high, strict=True))
        )
        return 1.0 - self.strict_threshold / longest

    def state(self, observation: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the state of the family's object, 0 at rest.

        Args:
            observation: (..., 12), positions in frame `base`, metres.

        Returns:
            (..., goal_dim) in `unit`, on the goals' scale.
        """
        observation = np.asarray(observation, dtype=np.float64)
        return self.measure(observation).reshape(*observation.shape[:-1], self.goal_dim)

    def allows(self, goal: tuple[float, ...]) -> bool:
        """Return whether a goal of `goal_dim` finite coordinates lies in the family's range."""
        return all(
            (low <= value if self.low_inclusive else low < value) and value <= high
            for value, low, high in zip(goal, self.low, self.high, strict=True)
        )


_PUSH = Family(
    name="push",
    goal_names=("dx", "dy"),
    unit="m",
    low=(0.12, -0.10),
    high=(0.22, 0.10),
    low_inclusive=True,
    success_threshold=0.05,
    strict_threshold=0.02,
    rest_tolerance=REST_TOLERANCE,
    measure=scene.block_displacement,
)

_DOOR = Family(
    name="door",
    goal_names=("angle",),
    unit="rad",
    low=(0.0,),
    high=(math.pi / 4,),
    low_inclusive=False,
    success_threshold=0.1,
    strict_threshold=0.05,
    rest_tolerance=REST_TOLERANCE
    / math.hypot(scene.DOOR_HANDLE_FROM_HINGE_M, scene.DOOR_HANDLE_STANDOFF_M),
    measure=scene.door_angle,
)

_DRAWER = Family(
    name="drawer",
    goal_names=("opening",),
    unit="m",
    low=(0.0,),
    high=(0.15,),
    low_inclusive=False,
    success_threshold=0.02,
    strict_threshold=0.01,
    rest_tolerance=REST_TOLERANCE,
    measure=scene.drawer_opening,
)

FAMILIES: Mapping[str, Family] = MappingProxyType({f.name: f for f in (_PUSH, _DOOR, _DRAWER)})
"""Every family by name, in the order in which they are probed."""


def family(name: str) -> Family:
    """Return the family of that name.

    Args:
        name: One of `FAMILIES`.

    Raises:
        InvalidTaskError: If there is no such family.
    """
    if not _is_known(name):
        raise InvalidTaskError(f"unknown family {brief(name)}; allowed: {', '.join(FAMILIES)}")
    return FAMILIES[name]


def for_every_family(what: str, values: Mapping[str, T]) -> Mapping[str, T]:
    """Return what is said of every family by name, once it is known to be complete.

    Args:
        what: Name of the mapping, for the error.
        values: By name of the family.

    Raises:
        InvalidConfigError: If a family is missing.
    """
    missing = [name for name in FAMILIES if name not in values]
    if missing:
        raise InvalidConfigError(
            f"{what} says nothing of {', '.join(missing)}; allowed: an entry for every family"
        )
    return values


def _is_known(name: object) -> bool:
    return isinstance(name, str) and name in FAMILIES
