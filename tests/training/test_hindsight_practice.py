"""Practice in hindsight: an expert that stops short learns to arrive, by gentle examples alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from damsel.families import FAMILIES
from damsel.observation import DRAWER_HANDLE
from damsel_sim.physics import TabletopPhysics
from damsel_training import hindsight_practice
from damsel_training.distillation import DistilledExpert, Imitation
from damsel_training.expert_env import expert_observation
from damsel_training.hindsight_practice import PracticeCfg, practise
from damsel_training.rollouts import Rollouts

DRAWER = FAMILIES["drawer"]
CFG = PracticeCfg(rounds=6, rows=64, horizon=4, training_steps=100, learning_rate=2e-3)
FORCE_N = 10.0
GOALS = np.linspace(0.02, 0.13, 12)[:, None]


@pytest.fixture(autouse=True)
def _a_drawer_that_stops_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """It opens at once, to nine tenths of what the x of the action asks for."""

    def roll_out(
        physics: TabletopPhysics, act: Callable[[np.ndarray], np.ndarray], horizon: int, **_: object
    ) -> Rollouts:
        resting = _resting(physics.rows)
        actions = act(resting)
        opened = resting.copy()
        opened[:, DRAWER_HANDLE.start] -= 0.9 * _asked(actions)
        observations = np.stack([*[resting] * horizon, opened], axis=1)
        labels = np.repeat(actions[:, None], horizon, axis=1)
        return Rollouts(observations, labels, labels, np.full(physics.rows, FORCE_N))

    monkeypatch.setattr(hindsight_practice, "roll_out", roll_out)


def _resting(rows: int) -> np.ndarray:
    return np.repeat(TabletopPhysics(1).observation(), rows, axis=0)


def _asked(actions: np.ndarray) -> np.ndarray:
    """Openings (n,), metres, that actions (n, 3) stand for here: 0.2 m at 1."""
    return 0.2 * actions[:, 0]


@pytest.fixture
def expert() -> DistilledExpert:
    """Asks for exactly the goal that it is given."""
    torch.manual_seed(0)
    expert = DistilledExpert("drawer", 32)
    goals = np.linspace(-0.01, 0.16, 64)[:, None]
    features = torch.as_tensor(expert_observation("drawer", _resting(64), goals))
    actions = torch.as_tensor(np.repeat(goals / 0.2, 3, axis=1), dtype=torch.float32)
    Imitation(expert, 3e-3, 64, 500).fit(features, actions, 500)
    np.testing.assert_allclose(_asked(expert(_resting(12), GOALS)), GOALS[:, 0], atol=4e-3)
    return expert


def test_an_expert_that_stops_short_learns_to_ask_for_more(expert: DistilledExpert) -> None:
    told: list[tuple[int, str]] = []
    practise(expert, CFG, None, np.random.default_rng(0), lambda *news: told.append(news))
    reached = 0.9 * _asked(expert(_resting(12), GOALS))
    np.testing.assert_allclose(reached, GOALS[:, 0], atol=3e-3)
    assert [done for done, _ in told] == [1, 2, 3, 4, 5, 6]
    assert told[0][1].startswith("ended 0.00")
    assert told[0][1].endswith(" m from the goal")


def test_trajectories_that_press_are_no_example(expert: DistilledExpert) -> None:
    before = expert(_resting(12), GOALS)
    cfg = replace(CFG, rounds=2, largest_force_n=FORCE_N - 1)
    practise(expert, cfg, None, np.random.default_rng(0))
    np.testing.assert_array_equal(expert(_resting(12), GOALS), before)


def test_the_same_seed_practises_the_same(expert: DistilledExpert) -> None:
    state = {name: value.clone() for name, value in expert.network.state_dict().items()}
    outcomes = []
    for _ in range(2):
        expert.network.load_state_dict(state)
        torch.manual_seed(0)
        practise(expert, replace(CFG, rounds=2), None, np.random.default_rng(0))
        outcomes.append(expert(_resting(12), GOALS))
    np.testing.assert_array_equal(*outcomes)
