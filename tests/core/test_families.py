from __future__ import annotations

import math

import numpy as np
import pytest

from damsel import scene
from damsel.errors import InvalidTaskError
from damsel.families import FAMILIES, REST_TOLERANCE, Family, family
from tests.support.observations import observation_of

every_family = pytest.mark.parametrize("its_family", FAMILIES.values(), ids=list(FAMILIES))


def test_families_are_those_of_the_paper_in_the_order_of_probing() -> None:
    assert list(FAMILIES) == ["push", "door", "drawer"]
    assert {name: (f.success_threshold, f.strict_threshold) for name, f in FAMILIES.items()} == {
        "push": (0.05, 0.02),
        "door": (0.1, 0.05),
        "drawer": (0.02, 0.01),
    }


@every_family
def test_state_is_zero_at_rest_and_broadcasts(its_family: Family) -> None:
    rest = observation_of()
    assert its_family.state(rest).shape == (its_family.goal_dim,)
    np.testing.assert_allclose(its_family.state(rest), 0.0, atol=1e-15)
    batch = np.broadcast_to(rest, (2, 5, 12))
    assert its_family.state(batch).shape == (2, 5, its_family.goal_dim)


@every_family
def test_state_reads_the_goal_back_from_an_observation(its_family: Family) -> None:
    bounds = zip(its_family.low, its_family.high, strict=True)
    goal = tuple(0.3 * low + 0.7 * high for low, high in bounds)
    state = its_family.state(observation_of(**{its_family.name: goal}))
    np.testing.assert_allclose(state, goal, atol=1e-12)


@every_family
def test_state_does_not_depend_on_the_other_objects(its_family: Family) -> None:
    others = {name: f.high for name, f in FAMILIES.items() if name != its_family.name}
    np.testing.assert_allclose(its_family.state(observation_of(**others)), 0.0, atol=1e-15)


@every_family
def test_range_includes_its_top_and_its_bottom_where_it_says_so(its_family: Family) -> None:
    assert its_family.allows(its_family.high)
    assert its_family.allows(its_family.low) == its_family.low_inclusive
    above = tuple(math.nextafter(high, math.inf) for high in its_family.high)
    below = tuple(math.nextafter(low, -math.inf) for low in its_family.low)
    assert not its_family.allows(above)
    assert not its_family.allows(below)


def test_range_in_words() -> None:
    assert FAMILIES["push"].goal_range == "dx in [0.12, 0.22] m, dy in [-0.1, 0.1] m"
    assert FAMILIES["door"].goal_range == "angle in (0, 0.785398] rad"
    assert FAMILIES["drawer"].goal_range == "opening in (0, 0.15] m"


@every_family
def test_the_strict_reward_is_just_enough_for_the_farthest_goal(its_family: Family) -> None:
    goals = np.random.default_rng(0).uniform(
        its_family.low, its_family.high, (1000, its_family.goal_dim)
    )
    lengths = np.maximum(np.linalg.norm(goals, axis=1), its_family.success_threshold)
    distances = (1.0 - its_family.strict_reward) * lengths
    assert (distances <= its_family.strict_threshold).all()
    farthest = np.linalg.norm(its_family.high)
    distance = (1.0 - its_family.strict_reward) * farthest
    assert distance == pytest.approx(its_family.strict_threshold)


def test_rest_tolerance_of_the_door_is_the_same_movement_at_its_handle() -> None:
    tolerance = FAMILIES["door"].rest_tolerance
    moved = scene.door_handle_position(np.array(tolerance)) - scene.door_handle_position(
        np.array(0.0)
    )
    assert np.linalg.norm(moved) == pytest.approx(REST_TOLERANCE, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("lid", "'lid'"), ("Door", "'Door'"), ("", "''"), (None, "None"), ([], "[]")],
)
def test_unknown_family_names_what_is_allowed(name: str, shown: str) -> None:
    with pytest.raises(InvalidTaskError) as caught:
        family(name)
    assert str(caught.value) == f"unknown family {shown}; allowed: push, door, drawer"


def test_known_family() -> None:
    assert family("drawer") is FAMILIES["drawer"]
