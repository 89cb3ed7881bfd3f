from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from damsel.errors import InvalidTrajectoryError
from damsel.observation import (
    ACTION_DIM,
    ACTION_LAYOUT,
    BLOCK,
    CONTEXT_LAYOUT,
    DOOR_HANDLE,
    DRAWER_HANDLE,
    END_EFFECTOR,
    OBSERVATION_DIM,
    OBSERVATION_LAYOUT,
    TRANSITION_DIM,
    Trajectory,
)

Array = NDArray[np.float64]


def arrays(steps: int = 3) -> dict[str, Array]:
    return {
        "observations": np.arange((steps + 1) * 12, dtype=float).reshape(steps + 1, 12),
        "actions": np.linspace(-1.0, 1.0, steps * 3).reshape(steps, 3),
        "rewards": np.arange(steps) / 10,
    }


def test_layouts_have_the_dimensions_of_the_interface() -> None:
    assert len(OBSERVATION_LAYOUT) == OBSERVATION_DIM == 12
    assert len(ACTION_LAYOUT) == ACTION_DIM == 3
    assert len(CONTEXT_LAYOUT) == TRANSITION_DIM == 28


@pytest.mark.parametrize(
    ("part", "point"),
    [
        (END_EFFECTOR, "end_effector"),
        (BLOCK, "block"),
        (DOOR_HANDLE, "door_handle"),
        (DRAWER_HANDLE, "drawer_handle"),
    ],
)
def test_slices_are_the_named_points(part: slice, point: str) -> None:
    assert OBSERVATION_LAYOUT[part] == (f"{point}.x", f"{point}.y", f"{point}.z")


def test_transitions_are_state_action_reward_next_state() -> None:
    given = arrays()
    transitions = Trajectory(**given).transitions
    assert transitions.shape == (3, 28)
    for step in range(3):
        row = transitions[step]
        np.testing.assert_array_equal(row[:12], given["observations"][step])
        np.testing.assert_array_equal(row[12:15], given["actions"][step])
        assert row[CONTEXT_LAYOUT.index("reward")] == given["rewards"][step]
        np.testing.assert_array_equal(row[16:], given["observations"][step + 1])


def test_returns_of_a_trajectory() -> None:
    trajectory = Trajectory(**arrays())
    assert len(trajectory) == 3
    assert trajectory.total_return == pytest.approx(0.3)
    assert trajectory.average_return == pytest.approx(0.1)
    assert trajectory.last_reward == pytest.approx(0.2)


def test_a_trajectory_keeps_its_own_copy_and_cannot_be_written() -> None:
    given = arrays()
    trajectory = Trajectory(**given)
    given["rewards"][0] = 7.0
    assert trajectory.rewards[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        trajectory.rewards[0] = 7.0


def test_actions_may_exceed_the_range_by_round_off_only() -> None:
    given = arrays()
    given["actions"][0, 0] = -1.0 - 5e-7
    Trajectory(**given)
    given["actions"][0, 0] = -1.01
    with pytest.raises(InvalidTrajectoryError) as caught:
        Trajectory(**given)
    assert str(caught.value) == "actions of a trajectory reach 1.01, outside [-1, 1]"


@pytest.mark.parametrize("name", ["observations", "actions", "rewards"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(name: str, value: float) -> None:
    given = arrays()
    given[name].flat[-1] = value
    with pytest.raises(InvalidTrajectoryError) as caught:
        Trajectory(**given)
    assert str(caught.value) == f"{name} of a trajectory are not finite"


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("observations", (3, 12), "have shape (3, 12), not (4, 12)"),
        ("observations", (4, 11), "have shape (4, 11), not (4, 12)"),
        ("actions", (4, 3), "have shape (4, 3), not (3, 3)"),
        ("rewards", (3, 1), "have shape (3, 1), not (T,) with T > 0"),
        ("rewards", (0,), "have shape (0,), not (T,) with T > 0"),
    ],
)
def test_wrong_shapes_are_refused(name: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InvalidTrajectoryError) as caught:
        Trajectory(**(arrays() | {name: np.zeros(shape)}))
    assert str(caught.value) == f"{name} of a trajectory {message}"


def test_what_is_not_numbers_is_refused() -> None:
    with pytest.raises(InvalidTrajectoryError, match=r"^actions .* are not an array of numbers$"):
        Trajectory(**(arrays() | {"actions": [["a", "b", "c"]] * 3}))  # type: ignore[dict-item]
