"""Goals in hindsight: where they lie, and what the robot would have been paid."""

from __future__ import annotations

import numpy as np

from damsel.families import FAMILIES
from damsel.tasks import Task, reward
from damsel_sim.physics import TabletopPhysics
from damsel_training.hindsight import padded, random_goals, robot_rewards

NAMES = np.array(["door", "push", "drawer", "push"])


def test_goals_fill_the_range_of_their_family() -> None:
    goals = random_goals(np.repeat(NAMES, 200), np.random.default_rng(0))
    for name, kind in FAMILIES.items():
        its = goals[np.repeat(NAMES, 200) == name]
        low, high = np.array(kind.low), np.array(kind.high)
        used = its[:, : kind.goal_dim]
        assert (low <= used).all()
        assert (used <= high).all()
        np.testing.assert_allclose(np.ptp(used, axis=0), high - low, rtol=0.1)
        assert not its[:, kind.goal_dim :].any()


def test_rewards_are_those_of_the_tasks() -> None:
    rng = np.random.default_rng(0)
    start = TabletopPhysics(1).observation()
    after = start + rng.uniform(-0.1, 0.1, (4, 5, 12))
    goals = random_goals(NAMES, rng)
    tasks = [
        Task(name, tuple(goal[: FAMILIES[name].goal_dim]))
        for name, goal in zip(NAMES, goals, strict=True)
    ]
    expected = [reward(seen, task) for seen, task in zip(after, tasks, strict=True)]
    np.testing.assert_allclose(robot_rewards(NAMES, after, goals), expected)
    assert np.any(expected)


def test_short_goals_are_padded() -> None:
    np.testing.assert_array_equal(padded((0.4,)), [0.4, 0.0])
