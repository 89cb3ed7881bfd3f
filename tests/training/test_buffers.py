"""What meta-training remembers, and what it draws from it."""

from __future__ import annotations

import numpy as np
import pytest

from damsel_training.buffers import TrajectoryBuffer

TASKS, HORIZON = 3, 5


def _goals(value: float) -> np.ndarray:
    return np.full((TASKS, 2), value) + np.arange(TASKS)[:, None]


def _filled(groups: int = 4, lengths: tuple[int, ...] = (2, 1, 3)) -> TrajectoryBuffer:
    """Observations say task, group, trajectory and step in their first coordinates."""
    buffer = TrajectoryBuffer(TASKS, groups, max(lengths), HORIZON)
    for group, length in enumerate(lengths):
        buffer.begin(_goals(10.0 * group))
        for trajectory in range(length):
            observations = np.zeros((TASKS, HORIZON + 1, 12))
            observations[..., 0] = np.arange(TASKS)[:, None]
            observations[..., 1], observations[..., 2] = group, trajectory
            observations[..., 3] = np.arange(HORIZON + 1)
            buffer.append(observations, np.full((TASKS, HORIZON, 3), group))
    return buffer


def test_the_newest_group_comes_whole_and_in_order() -> None:
    steps = _filled().newest()
    assert steps.before.shape == (TASKS, 3 * HORIZON, 12)
    np.testing.assert_array_equal(steps.before[1, :, 2], np.repeat(np.arange(3), HORIZON))
    np.testing.assert_array_equal(steps.after[1, :, 3], np.tile(np.arange(1, HORIZON + 1), 3))


def test_a_context_is_of_one_group_and_has_its_goal() -> None:
    buffer, rng = _filled(), np.random.default_rng(0)
    tasks = np.array([2, 0])
    lengths = set()
    for _ in range(50):
        steps, goals = buffer.sample_contexts(tasks, 40, rng)
        np.testing.assert_array_equal(steps.before[:, :, 0], tasks[:, None].repeat(40, 1))
        for row, task in enumerate(tasks):
            group = np.unique(steps.before[row, :, 1])
            assert group.size == 1
            np.testing.assert_array_equal(goals[row], 10.0 * group[0] + task)
            lengths.add((int(group[0]), int(steps.before[row, :, 2].max())))
        np.testing.assert_array_equal(steps.after[..., 3], steps.before[..., 3] + 1)
    assert {(2, 0), (2, 1), (2, 2)} <= lengths, "from the first trajectory to all of them"


def test_states_are_drawn_near_a_goal() -> None:
    buffer, rng = _filled(lengths=(1, 1, 1)), np.random.default_rng(0)
    relatives = np.array([[0, 1, 2]])
    near = buffer.sample_states_near(relatives, np.array([[21.0, 21.0]]), 100, 30, rng)
    assert (near[..., 1] == 2).mean() > 0.9, "of the group made for that goal"
    anywhere = buffer.sample_states_near(relatives, np.array([[21.0, 21.0]]), 100, 1, rng)
    assert set(np.unique(anywhere[..., 1])) == {0, 1, 2}


def test_the_oldest_group_makes_room() -> None:
    buffer, rng = _filled(groups=2, lengths=(1, 1, 1)), np.random.default_rng(0)
    states = buffer.sample_states(np.array([0]), 200, rng)
    assert set(np.unique(states[..., 1])) == {1, 2}


@pytest.mark.parametrize("seed", [0, 1])
def test_a_restored_buffer_draws_the_same(seed: int) -> None:
    buffer, other = _filled(), TrajectoryBuffer(TASKS, 4, 3, HORIZON)
    other.load_state_dict(buffer.state_dict())
    draws = [
        b.sample_contexts(np.array([1]), 8, np.random.default_rng(seed))[0].before
        for b in (buffer, other)
    ]
    np.testing.assert_array_equal(*draws)
