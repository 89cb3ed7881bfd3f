"""A task, checked once on construction, and how fresh ones are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from damsel.errors import InvalidTaskError, brief
from damsel.families import family

__all__ = ["Task", "sample_tasks"]


@dataclass(frozen=True)
class Task:
    """What the robot should achieve and is never told.

    Attributes:
        family: Name of the family.
        goal: State that the family's object should reach, goal_dim finite numbers in the
            family's unit and range.
    """

    family: str
    goal: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check family and goal.

        Raises:
            InvalidTaskError: If the family is unknown, or the goal has the wrong type or number
                of coordinates, is not finite, or lies outside the family's range.
        """
        its_family = family(self.family)
        problem = None
        if not _is_tuple_of_numbers(self.goal):
            problem = "is not a tuple of numbers"
        elif len(self.goal) != its_family.goal_dim:
            problem = f"has {len(self.goal)} numbers, not {its_family.goal_dim}"
        elif not all(map(_is_finite, self.goal)):
            problem = "is not finite"
        elif not its_family.allows(self.goal):
            problem = "is out of range"
        if problem is not None:
            raise InvalidTaskError(
                f"{self.family} goal {brief(self.goal)} {problem}; allowed: {its_family.goal_range}"
            )


def sample_tasks(family_name: str, n: int, rng: np.random.Generator) -> list[Task]:
    """Draw tasks uniformly from a family's range.

    Args:
        family_name: One of `FAMILIES`.
        n: How many.
        rng: Source of randomness.

    Raises:
        InvalidTaskError: If the family is unknown.
    """
    its_family = family(family_name)
    low, high = np.array(its_family.low), np.array(its_family.high)
    # rng.random() is in [0, 1), so counting down from the top never yields an excluded `low`.
    goals = np.maximum(high - (high - low) * rng.random((n, its_family.goal_dim)), low)
    return [Task(family_name, tuple(goal)) for goal in goals.tolist()]


def _is_tuple_of_numbers(value: object) -> bool:
    return isinstance(value, tuple) and all(map(_is_number, value))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond the range of float
        return False
