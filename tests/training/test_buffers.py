"""Buffers forget the oldest, and draw only what is there."""

from __future__ import annotations

import numpy as np

from damsel_training.buffers import ContextBuffers, LabelledStates


def _trajectory(value: float, width: int) -> np.ndarray:
    return np.full((2, 4, width), value)


def test_labels_are_kept_with_their_states_and_the_oldest_go() -> None:
    labels = LabelledStates(tasks=2, capacity=3, horizon=4)
    for value in range(5):
        labels.add(_trajectory(value, 12), _trajectory(-value, 3))
    states, actions = labels.sample(200, np.random.default_rng(0))
    assert states.shape == (2, 200, 12)
    np.testing.assert_array_equal(states[..., 0], -actions[..., 0])
    assert set(np.unique(states)) == {2.0, 3.0, 4.0}


def test_contexts_begin_with_the_first_attempt_of_a_group() -> None:
    buffers = ContextBuffers(tasks=2, groups=2, trajectories=2, horizon=4)
    for group in range(3):
        buffers.begin()
        buffers.append(_trajectory(10 * group, 28))
        if group == 2:
            buffers.append(_trajectory(10 * group + 1, 28))
    np.testing.assert_array_equal(np.unique(buffers.newest()), [20.0, 21.0])
    seen = {
        tuple(np.unique(context))
        for seed in range(40)
        for context in buffers.sample(64, np.random.default_rng(seed))
    }
    assert seen == {(10.0,), (20.0,), (20.0, 21.0)}


def test_a_state_dict_restores_everything() -> None:
    labels = LabelledStates(tasks=1, capacity=2, horizon=3)
    labels.add(np.ones((1, 3, 12)), np.ones((1, 3, 3)))
    other = LabelledStates(tasks=1, capacity=2, horizon=3)
    other.load_state_dict(labels.state_dict())
    drawn = [part.sample(5, np.random.default_rng(0)) for part in (labels, other)]
    np.testing.assert_array_equal(drawn[0][0], drawn[1][0])
