"""What is left of an expert for those who imitate it: its mean action over all that looks alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from damsel.observation import END_EFFECTOR, OBSERVATION_DIM
from damsel_training import expert_score
from damsel_training.expert_cfg import ExpertCfg
from damsel_training.expert_env import ExpertEnvCfg
from damsel_training.expert_score import ExpertScore, evaluate_expert

GOALS = 6
CFG = ExpertCfg(evaluation_goals=GOALS, env=ExpertEnvCfg(horizon=4, variants=2))


class Handwritten:
    """An expert whose every action component follows from where its tool is."""

    family = "push"

    def __init__(self, action_of: Callable[[np.ndarray], np.ndarray]) -> None:
        self._action_of = action_of

    def __call__(self, observation: np.ndarray, goal: np.ndarray) -> np.ndarray:
        assert goal.shape == (len(observation), 2)
        return self._action_of(observation[:, END_EFFECTOR])


def steady(tool: np.ndarray) -> np.ndarray:
    return np.full_like(tool, 0.5)


def tapping(tool: np.ndarray) -> np.ndarray:
    """Forth and back, a millimetre each."""
    return np.sign(np.sin(np.pi * tool / 0.001))


@pytest.fixture
def policies(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[np.ndarray], np.ndarray]]:
    """What is rolled out: first the expert, then what can be learned from it."""
    kept: list[Callable[[np.ndarray], np.ndarray]] = []
    roll_out = expert_score.roll_out

    def keep(physics: Any, act: Callable[[np.ndarray], np.ndarray], horizon: int) -> Any:
        kept.append(act)
        return roll_out(physics, act, horizon)

    monkeypatch.setattr(expert_score, "roll_out", keep)
    return kept


@pytest.mark.parametrize(
    ("action_of", "left"), [(steady, 1.0), (tapping, 0.45)], ids=["steady", "tapping"]
)
def test_whoever_learns_from_an_expert_that_taps_moves_little(
    action_of: Callable[[np.ndarray], np.ndarray],
    left: float,
    policies: list[Callable[[np.ndarray], np.ndarray]],
) -> None:
    evaluate_expert(Handwritten(action_of), CFG)
    itself, learned = policies
    observation = np.random.default_rng(1).uniform(0.0, 0.1, (GOALS, OBSERVATION_DIM))
    own, mean = itself(observation), learned(observation)
    assert own == pytest.approx(action_of(observation[:, END_EFFECTOR]))
    assert mean.shape == own.shape
    assert np.abs(mean).mean() <= left * np.abs(own).mean()


def test_the_score_of_an_expert_that_does_nothing() -> None:
    score = evaluate_expert(Handwritten(np.zeros_like), CFG)
    assert score.success == score.strict_success == score.disturbed_success == 0.0
    assert score.peak_force == score.disturbed_force == 0.0
    assert evaluate_expert(Handwritten(np.zeros_like), CFG) == score


def test_merit_is_accuracy_less_what_presses() -> None:
    gentle = ExpertScore(1.0, 0.9, 0.01, 24.0, 0.8, 20.0)
    assert gentle.merit == pytest.approx(2.7)
    assert gentle._replace(disturbed_success=0.5).merit == pytest.approx(2.4)
    assert gentle._replace(peak_force=45.0).merit == pytest.approx(1.7)
    assert gentle._replace(disturbed_force=45.0).merit == pytest.approx(1.7)
    assert ExpertScore.none().merit == -np.inf
