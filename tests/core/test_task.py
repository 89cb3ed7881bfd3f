from __future__ import annotations

import numpy as np
import pytest

from damsel.errors import InvalidTaskError
from damsel.families import FAMILIES
from damsel.tasks import Task, sample_tasks

PUSH_RANGE = "allowed: dx in [0.12, 0.22] m, dy in [-0.1, 0.1] m"
DOOR_RANGE = "allowed: angle in (0, 0.785398] rad"


def message(family: object, goal: object) -> str:
    with pytest.raises(InvalidTaskError) as caught:
        Task(family, goal)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize(
    ("family", "goal", "problem"),
    [
        ("push", (0.17,), "(0.17,) has 1 numbers, not 2; " + PUSH_RANGE),
        ("push", (0.17, 0.0, 0.0), "(0.17, 0.0, 0.0) has 3 numbers, not 2; " + PUSH_RANGE),
        ("push", (0.11, 0.0), "(0.11, 0.0) is out of range; " + PUSH_RANGE),
        ("push", (0.17, -0.11), "(0.17, -0.11) is out of range; " + PUSH_RANGE),
        ("push", (0.17, float("nan")), "(0.17, nan) is not finite; " + PUSH_RANGE),
        ("door", (0.0,), "(0.0,) is out of range; " + DOOR_RANGE),
        ("door", (-0.1,), "(-0.1,) is out of range; " + DOOR_RANGE),
        ("door", (0.79,), "(0.79,) is out of range; " + DOOR_RANGE),
        ("door", (), "() has 0 numbers, not 1; " + DOOR_RANGE),
        ("door", (float("inf"),), "(inf,) is not finite; " + DOOR_RANGE),
        ("door", (True,), "(True,) is not a tuple of numbers; " + DOOR_RANGE),
        ("door", ("0.3",), "('0.3',) is not a tuple of numbers; " + DOOR_RANGE),
        ("door", (None,), "(None,) is not a tuple of numbers; " + DOOR_RANGE),
        ("door", 0.3, "0.3 is not a tuple of numbers; " + DOOR_RANGE),
        ("door", [0.3], "[0.3] is not a tuple of numbers; " + DOOR_RANGE),
    ],
)
def test_bad_goals_say_what_was_given_and_what_is_allowed(
    family: str, goal: object, problem: str
) -> None:
    assert message(family, goal) == f"{family} goal {problem}"


def test_an_integer_beyond_float_is_not_finite() -> None:
    assert "is not finite" in message("door", (10**400,))


def test_unknown_family() -> None:
    assert message("lid", (0.1,)) == "unknown family 'lid'; allowed: push, door, drawer"


@pytest.mark.parametrize("name", FAMILIES)
def test_samples_fill_the_range_and_nothing_else(name: str) -> None:
    its_family = FAMILIES[name]
    tasks = sample_tasks(name, 2000, np.random.default_rng(0))
    goals = np.array([task.goal for task in tasks])
    assert goals.shape == (2000, its_family.goal_dim)
    width = np.array(its_family.high) - its_family.low
    np.testing.assert_allclose(goals.min(axis=0), its_family.low, atol=float(0.01 * width.max()))
    np.testing.assert_allclose(goals.max(axis=0), its_family.high, atol=float(0.01 * width.max()))
    np.testing.assert_allclose(goals.mean(axis=0), its_family.low + width / 2, atol=0.02)


def test_samples_are_determined_by_the_generator() -> None:
    first = sample_tasks("push", 5, np.random.default_rng(3))
    assert first == sample_tasks("push", 5, np.random.default_rng(3))
    assert first != sample_tasks("push", 5, np.random.default_rng(4))
    assert sample_tasks("push", 0, np.random.default_rng(3)) == []


def test_a_draw_of_almost_one_stays_above_an_excluded_bottom() -> None:
    class Largest(np.random.Generator):
        def random(self, size: tuple[int, ...]) -> np.ndarray:  # type: ignore[override]
            return np.full(size, np.nextafter(1.0, 0.0))

    for name in FAMILIES:
        sample_tasks(name, 3, Largest(np.random.PCG64()))  # Task would refuse it


def test_samples_of_an_unknown_family() -> None:
    with pytest.raises(InvalidTaskError, match=r"^unknown family 'lid'; allowed: push, door, dr"):
        sample_tasks("lid", 1, np.random.default_rng(0))
