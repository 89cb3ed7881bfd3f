from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from damsel.families import FAMILIES
from damsel.tasks import (
    Task,
    distance,
    is_solved,
    reward,
    sample_tasks,
)
from tests.support.observations import observation_of

PUSH, DOOR, DRAWER = Task("push", (0.16, 0.0)), Task("door", (0.6,)), Task("drawer", (0.1,))

tasks = st.builds(
    lambda name, seed: sample_tasks(name, 1, np.random.default_rng(seed))[0],
    st.sampled_from(list(FAMILIES)),
    st.integers(0, 10_000),
)


@pytest.mark.parametrize(
    ("task", "moved", "expected"),
    [
        (PUSH, {"push": (0.16, 0.0)}, 0.0),
        (PUSH, {"push": (0.13, 0.04)}, 0.05),
        (PUSH, {}, 0.16),
        (DOOR, {"door": (0.45,)}, 0.15),
        (DOOR, {"door": (0.7,)}, 0.1),
        (DRAWER, {"drawer": (0.02,)}, 0.08),
        (DRAWER, {"door": (0.5,), "push": (0.2, 0.1)}, 0.1),
    ],
)
def test_distances_computed_by_hand(
    task: Task, moved: dict[str, tuple[float, ...]], expected: float
) -> None:
    assert distance(observation_of(**moved), task) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("task", "moved", "expected"),
    [
        (PUSH, {"push": (0.16, 0.0)}, 1.0),
        (PUSH, {"push": (0.08, 0.0)}, 0.5),
        (PUSH, {"push": (0.13, 0.04)}, 1 - 0.05 / 0.16),
        (PUSH, {"push": (-0.01, 0.0)}, 0.0),  # farther away than at rest
        (PUSH, {"push": (0.40, 0.0)}, 0.0),  # far past the goal
        (DOOR, {"door": (0.45,)}, 0.75),
        (DOOR, {"door": (0.75,)}, 0.75),
        (DRAWER, {"drawer": (0.09,)}, 0.9),
        (DRAWER, {"door": (0.6,), "push": (0.16, 0.0)}, 0.0),  # the wrong objects
    ],
)
def test_rewards_computed_by_hand(
    task: Task, moved: dict[str, tuple[float, ...]], expected: float
) -> None:
    assert reward(observation_of(**moved), task) == pytest.approx(expected, abs=1e-12)


def test_the_scale_is_floored_at_the_success_threshold() -> None:
    """A goal next to rest: d0 would be 5 mm, so 20 mm are the scale."""
    near = Task("drawer", (0.005,))
    assert reward(observation_of(drawer=(0.005,)), near) == pytest.approx(1.0)
    assert reward(observation_of(drawer=(0.015,)), near) == pytest.approx(0.5)
    assert reward(observation_of(), near) == 0.0


@pytest.mark.parametrize("name", FAMILIES)
def test_reward_is_exactly_zero_until_the_object_moved(name: str) -> None:
    its_family = FAMILIES[name]
    task = Task(name, its_family.high)
    along = np.array(its_family.high) / np.linalg.norm(its_family.high)
    just_untouched = observation_of(**{name: tuple(0.99 * its_family.rest_tolerance * along)})
    just_moved = observation_of(**{name: tuple(1.01 * its_family.rest_tolerance * along)})
    assert reward(observation_of(), task) == 0.0
    assert reward(just_untouched, task) == 0.0
    assert reward(just_moved, task) > 0.0


@given(
    task=tasks,
    observation=npst.arrays(np.float64, (3, 12), elements=st.floats(-1e6, 1e6)),
)
def test_reward_is_in_the_unit_interval_whatever_is_observed(
    task: Task, observation: np.ndarray
) -> None:
    rewards = reward(observation, task)
    assert rewards.shape == (3,)
    assert ((rewards >= 0.0) & (rewards <= 1.0)).all()


@given(task=tasks, part=st.floats(0.1, 1.0))
def test_reward_is_the_fraction_of_the_way_made(task: Task, part: float) -> None:
    moved = {task.family: tuple(part * value for value in task.goal)}
    found = float(reward(observation_of(**moved), task))
    if math.hypot(*task.goal) >= FAMILIES[task.family].success_threshold:
        assert found == pytest.approx(part, abs=1e-9)
    else:
        assert found >= part - 1e-9 or found == 0.0


@given(task=tasks)
def test_reward_is_one_at_the_goal(task: Task) -> None:
    if math.hypot(*task.goal) > FAMILIES[task.family].rest_tolerance:
        assert float(reward(observation_of(**{task.family: task.goal}), task)) == pytest.approx(1.0)


@settings(max_examples=20)
@given(task=tasks, seed=st.integers(0, 100))
def test_rows_are_rewarded_as_if_alone(task: Task, seed: int) -> None:
    batch = np.random.default_rng(seed).normal(size=(4, 5, 12))
    rewards, distances = reward(batch, task), distance(batch, task)
    assert rewards.shape == distances.shape == (4, 5)
    for index in np.ndindex(4, 5):
        assert rewards[index] == reward(batch[index], task)
        assert distances[index] == distance(batch[index], task)


def test_what_cannot_be_seen_is_neither_rewarded_nor_solved() -> None:
    blind = np.full(12, np.nan)
    for task in (PUSH, DOOR, DRAWER):
        assert math.isnan(reward(blind, task))
        assert math.isnan(distance(blind, task))
        assert not is_solved(float(distance(blind, task)), task)


@pytest.mark.parametrize(
    ("task", "threshold", "strict"), [(PUSH, 0.05, 0.02), (DOOR, 0.1, 0.05), (DRAWER, 0.02, 0.01)]
)
def test_solved_up_to_and_including_the_thresholds(
    task: Task, threshold: float, strict: float
) -> None:
    assert is_solved(threshold, task)
    assert not is_solved(math.nextafter(threshold, 1.0), task)
    assert is_solved(strict, task, strict=True)
    assert not is_solved(math.nextafter(strict, 1.0), task, strict=True)
    np.testing.assert_array_equal(is_solved(np.array([0.0, 1.0]), task), [True, False])
