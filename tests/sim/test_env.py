"""The Gymnasium environments keep Gymnasium's contract, for a task of every family."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from damsel.families import FAMILIES
from damsel.tasks import Task
from damsel_sim.env import HORIZON, BatchedTabletopEnv, TabletopEnv

TASKS = {
    "push": Task("push", (0.17, -0.04)),
    "door": Task("door", (0.62,)),
    "drawer": Task("drawer", (0.1,)),
}


@pytest.mark.parametrize("family", list(FAMILIES))
def test_gymnasiums_checker_finds_nothing(family: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Rendering needs a graphics context; test_render.py covers it.
        check_env(TabletopEnv(TASKS[family]), skip_render_check=True)


def test_a_trajectory_is_cut_off_at_the_horizon_and_never_terminates() -> None:
    env = TabletopEnv(TASKS["push"])
    env.reset(seed=0)
    for step in range(1, HORIZON + 1):
        _, reward, terminated, truncated, info = env.step(np.zeros(3))
        assert reward == 0.0
        assert not terminated
        assert truncated == (step == HORIZON)
    assert info["distance"] == pytest.approx(np.hypot(0.17, 0.04), abs=1e-6)


def test_the_task_is_drawn_from_the_seed_and_can_be_given() -> None:
    env = TabletopEnv()
    _, first = env.reset(seed=5)
    _, again = env.reset(seed=5)
    assert first["task"] == again["task"]
    _, given = env.reset(options={"task": TASKS["door"]})
    assert given["task"] == TASKS["door"]


def test_the_observation_does_not_tell_the_task() -> None:
    starts = [TabletopEnv(task).reset(seed=0)[0] for task in TASKS.values()]
    np.testing.assert_array_equal(starts[0], starts[1])
    np.testing.assert_array_equal(starts[0], starts[2])


def test_rows_of_the_batch_are_the_single_environments() -> None:
    batch = BatchedTabletopEnv(list(TASKS.values()))
    singles = [TabletopEnv(task) for task in TASKS.values()]
    observations, _ = batch.reset(seed=0)
    for env in singles:
        env.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (HORIZON, len(singles), 3))
    for action in actions[:-1]:
        observations, rewards, *_ = batch.step(action)
        for row, env in enumerate(singles):
            observation, reward, *_ = env.step(action[row])
            np.testing.assert_array_equal(observations[row], observation)
            assert rewards[row] == reward
    start, _, _, truncated, info = batch.step(actions[-1])
    assert truncated.all()
    np.testing.assert_array_equal(start, batch.reset()[0])
    np.testing.assert_array_equal(info["final_obs"][0], singles[0].step(actions[-1][0])[0])
