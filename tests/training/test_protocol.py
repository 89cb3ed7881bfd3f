"""One evaluation for all methods, with methods that can be followed by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from damsel.adaptation import INFERENCE_PERIOD
from damsel.bundle import Bundle
from damsel.errors import InvalidConfigError
from damsel.observation import Trajectory
from damsel.tasks import Task, distance
from damsel_sim.physics import TabletopPhysics
from damsel_training.context_methods import Gmps, Pearl
from damsel_training.methods import Damsel, Method, Plan, Still, Told
from damsel_training.networks import Encoder, NetworkCfg, Policy
from damsel_training.pearl_networks import Actor, GaussianEncoder, PearlNetworkCfg
from damsel_training.protocol import Setting, evaluate_method
from damsel_training.trajectory_table import TrajectoryRow

TASKS = [Task("push", (0.17, -0.04)), Task("door", (0.62,)), Task("drawer", (0.01,))]
HORIZON = 4


def _evaluate(method: Method, name: str = "any", **changes: object) -> list[TrajectoryRow]:
    setting = Setting(name, 0, "three", horizon=HORIZON, **changes)  # type: ignore[arg-type]
    return evaluate_method(method, setting, TASKS, np.random.default_rng(0))


def _trajectory(last_reward: float) -> Trajectory:
    rewards = np.zeros(HORIZON)
    rewards[-1] = last_reward
    return Trajectory(np.zeros((HORIZON + 1, 12)), np.zeros((HORIZON, 3)), rewards)


def _gmps(trajectories: int = 5, horizon: int = HORIZON) -> Gmps:
    torch.manual_seed(0)
    cfg = NetworkCfg(encoder_width=16, policy_width=16)
    prior = np.arange(5.0), np.full(5, 0.5)
    return Gmps(Encoder(cfg), Policy(cfg), trajectories, horizon, *prior, np.random.default_rng(0))


def _pearl(seed: int = 0, trajectories: int = 4, prior: int = 2) -> Pearl:
    torch.manual_seed(0)
    cfg = PearlNetworkCfg(latent_dim=2, encoder_width=16, width=16)
    rng = np.random.default_rng(seed)
    return Pearl(GaussianEncoder(cfg), Actor(cfg), trajectories, prior, rng)


def test_doing_nothing_is_one_trajectory_that_ends_where_it_began() -> None:
    rows = _evaluate(Still(), "nothing")
    assert [(row.family, row.task, row.trajectory) for row in rows] == [
        ("push", 0, 0),
        ("door", 1, 0),
        ("drawer", 2, 0),
    ]
    push, door, drawer = rows
    assert push.distance == pytest.approx(np.hypot(0.17, 0.04), abs=1e-6)
    assert door.distance == pytest.approx(0.62, abs=1e-6)
    assert (push.success, drawer.success, drawer.strict_success) == (False, True, True)
    assert all(row.return_sum == 0.0 and row.peak_force == 0.0 for row in rows)


def test_damsel_probes_every_family_and_then_adapts(bundle: Bundle) -> None:
    rows = _evaluate(Damsel(bundle, iterations=2))
    stages = [(row.stage, row.inferred) for row in rows if row.task == 1]
    assert stages[:3] == [("probe", "push"), ("probe", "door"), ("probe", "drawer")]
    assert [stage for stage, _ in stages[3:]] == ["adapt", "adapt"]
    assert rows[0].latent == (1.0, 0.0, 0.0)


def test_the_oracle_alone_is_told_goals() -> None:
    asked: list[np.ndarray] = []

    def expert(observation: np.ndarray, goal: np.ndarray) -> np.ndarray:
        asked.append(goal)
        return np.zeros((len(observation), 3))

    rows = _evaluate(Told(TASKS, dict.fromkeys(("push", "door", "drawer"), expert)))
    assert [row.inferred for row in rows] == ["push", "door", "drawer"]
    np.testing.assert_array_equal(asked[1], [[0.62]])


def test_gmps_explores_under_its_prior_until_it_is_rewarded() -> None:
    rows = _evaluate(_gmps())
    assert [row.stage for row in rows if row.task == 0] == ["probe"] * 4 + ["adapt"]
    explored = np.array([row.latent for row in rows if row.stage == "probe"])
    assert len(np.unique(explored, axis=0)) == 4 * len(TASKS)
    np.testing.assert_allclose(explored.mean(axis=0), np.arange(5.0), atol=0.6)

    method = _gmps()
    method.begin(2)
    method.receive([_trajectory(0.0), _trajectory(0.1)])
    assert [plan and plan.stage for plan in method.plans()] == ["probe", "adapt"]


def test_pearl_samples_the_prior_and_then_the_posterior() -> None:
    method = _pearl()
    rows = _evaluate(method)
    assert [row.stage for row in rows if row.task == 0] == ["probe", "probe", "adapt", "adapt"]
    assert len({row.latent for row in rows if row.stage == "probe"}) == 2 * len(TASKS)
    assert method._contexts[0].shape == (4 * HORIZON, 28)


@pytest.mark.parametrize("make", [_gmps, _pearl])
def test_a_row_that_is_solved_stops_and_the_others_go_on(make) -> None:
    method = make()
    method.begin(2)
    made = 0
    while any(plans := method.plans()):
        adapting = plans[0] is not None and plans[0].stage == "adapt"
        first = _trajectory(0.96 if adapting else 0.5) if plans[0] else None
        method.receive([first, _trajectory(0.5)])
        made += 1
        if adapting:
            assert method.plans()[0] is None
    assert made == method._limit


def test_a_reward_while_probing_does_not_stop_a_method() -> None:
    method = _gmps()
    method.begin(1)
    method.receive([_trajectory(1.0)])
    assert method.plans()[0] is not None


def test_the_same_seed_gives_the_same_table() -> None:
    assert _evaluate(_pearl(), disturbance="noise_5mm") == _evaluate(
        _pearl(), disturbance="noise_5mm"
    )
    assert _evaluate(_pearl()) != _evaluate(_pearl(seed=1))


class _Watcher(Still):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Trajectory | None] = []

    def plans(self) -> list[Plan | None]:
        return [plan and Plan("adapt", latent=np.ones(1)) for plan in super().plans()]

    def receive(self, trajectories: Sequence[Trajectory | None]) -> None:
        super().receive(trajectories)
        self.given = list(trajectories)


def test_noise_reaches_observation_and_reward_but_not_the_verdict() -> None:
    watcher = _Watcher()
    rows = _evaluate(watcher, disturbance="noise_5mm")
    drawer = watcher.given[2]
    assert drawer is not None
    assert drawer.observations[:, 9].std() > 1e-3
    assert drawer.total_return > 0.0, "noise alone is paid for, as it would be on the table"
    at_rest = distance(TabletopPhysics(1).observation()[0], TASKS[2])
    assert rows[2].distance == pytest.approx(float(at_rest), abs=1e-6)


class _Restless(_Watcher):
    """Moves ahead; its row 1 has enough after two steps; latents count the steps."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def plans(self) -> list[Plan | None]:
        return [plan and Plan("adapt", latent=np.array([self.steps])) for plan in super().plans()]

    def act(self, observation: np.ndarray) -> np.ndarray:
        return np.tile([[1.0, 0.0, 0.0]], (len(observation), 1))

    def watch(self, transitions: np.ndarray) -> np.ndarray:
        self.steps += 1
        return np.array([False, self.steps == 2, False])


def test_a_row_that_has_enough_ends_early_and_waits() -> None:
    method = _Restless()
    rows = _evaluate(method)
    assert [row.steps for row in rows] == [HORIZON, 2, HORIZON]
    first, second = method.given[0], method.given[1]
    assert first is not None
    assert second is not None
    assert len(second) == 2
    np.testing.assert_array_equal(second.observations, first.observations[:3])


def test_the_table_holds_the_latent_of_the_last_step() -> None:
    assert {row.latent for row in _evaluate(_Restless())} == {(float(HORIZON),)}


def test_steps_under_way_reach_the_method_as_transitions() -> None:
    seen: list[np.ndarray] = []

    class Listener(_Restless):
        def watch(self, transitions: np.ndarray) -> np.ndarray:
            seen.append(transitions[0])
            return np.zeros(len(transitions), bool)

    method = Listener()
    _evaluate(method)
    first = method.given[0]
    assert first is not None
    np.testing.assert_array_equal(np.stack(seen), first.transitions)


def test_gmps_infers_anew_within_a_trajectory() -> None:
    method = _gmps(horizon=INFERENCE_PERIOD + 1)
    method.begin(1)
    for _ in range(4):
        method.receive([_trajectory(0.0)])
    [before] = method.plans()
    assert before is not None
    assert before.stage == "adapt"
    for _ in range(INFERENCE_PERIOD):
        method.watch(np.full((1, 28), 0.3))
    [after] = method.plans()
    assert after is not None
    assert not np.array_equal(before.latent, after.latent)


def test_too_few_trajectories_are_refused() -> None:
    with pytest.raises(InvalidConfigError, match="trajectories is 0; allowed: from 1"):
        _gmps(0)
    with pytest.raises(InvalidConfigError, match="prior_trajectories is 0"):
        _pearl(prior=0)
