"""PEARL's learner on a small problem: what moves, what is remembered, and determinism."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch

from damsel.errors import InvalidConfigError
from damsel.tasks import Task
from damsel_training.devices import learning_device
from damsel_training.errors import DivergedError
from damsel_training.expert_reward import reward_terms
from damsel_training.pearl import Pearl
from damsel_training.pearl_buffers import TaskRing
from damsel_training.pearl_cfg import PearlCfg
from damsel_training.pearl_networks import PearlNetworkCfg

TASKS = [Task("push", (0.17, -0.04)), Task("door", (0.62,)), Task("drawer", (0.1,))]
CFG = PearlCfg(
    environment_steps=120,
    first_trajectories=1,
    updates=3,
    meta_batch=2,
    batch_size=4,
    context_size=6,
    horizon=6,
    capacity=40,
    network=PearlNetworkCfg(latent_dim=2, encoder_width=16, width=16),
)


def _learner(seed: int = 0, cfg: PearlCfg = CFG) -> Pearl:
    torch.manual_seed(seed)
    return Pearl(cfg, TASKS, np.random.default_rng(seed))


def _weights(learner: Pearl) -> torch.Tensor:
    parts = (learner.encoder, learner.actor, learner._critic, learner._target)
    return torch.cat([p.detach().flatten() for part in parts for p in part.parameters()])


def test_a_ring_keeps_the_newest() -> None:
    ring = TaskRing(2, 4, 1)
    ring.add(np.arange(6.0).reshape(2, 3, 1))
    assert len(ring) == 3
    ring.add(np.array([[[10.0], [11.0]], [[20.0], [21.0]]]))
    drawn = ring.sample(np.array([1, 0]), 200, np.random.default_rng(0))
    assert set(drawn[0].ravel()) == {4.0, 5.0, 20.0, 21.0}
    assert set(drawn[1].ravel()) == {1.0, 2.0, 10.0, 11.0}


def test_the_budget_counts_every_step() -> None:
    learner = _learner()
    learner.collect()
    # Of each task one trajectory under the prior, one under the posterior, one that explores.
    assert learner.environment_steps == 3 * 3 * 6
    assert not learner.finished
    learner.collect()
    learner.collect()
    assert learner.environment_steps == 3 * 3 * 3 * 6
    assert learner.finished


def test_time_is_a_budget_too() -> None:
    learner = _learner()
    learner.wall_seconds = CFG.wall_seconds
    assert learner.finished


def test_contexts_hold_the_robots_reward_and_experience_the_dense_one() -> None:
    learner = _learner()
    learner.collect()
    every = np.arange(3)
    # Nothing moves an object in six steps from home: the robot is paid nothing.
    context = learner._context(every, learner._goals)
    assert context.shape == (3, 6, 28)
    assert not context[..., 15].any()
    experience = learner._experience.sample(every, 5, np.random.default_rng(0))
    dense = learner._dense_rewards(experience, learner._family, learner._goals)
    for row, task in enumerate(TASKS):
        _, action, force, after = np.split(experience[row].astype(float), [12, 15, 16], axis=1)
        terms = reward_terms(
            CFG.reward, task.family, after, np.tile(task.goal, (5, 1)), action, force[:, 0]
        )
        np.testing.assert_allclose(dense[row], sum(terms.values()))


def test_hindsight_teaches_other_goals() -> None:
    """All else being equal: what is collected is the same, what is learned is not."""
    plain, relabelled = _learner(), _learner(cfg=dataclasses.replace(CFG, hindsight=1.0))
    for learner in (plain, relabelled):
        learner.collect()
    np.testing.assert_array_equal(plain._experience._rows, relabelled._experience._rows)
    assert torch.equal(_weights(plain), _weights(relabelled))
    for learner in (plain, relabelled):
        learner.train()
    assert not torch.equal(_weights(plain), _weights(relabelled))


def test_what_is_done_under_the_posterior_stays_out_of_contexts() -> None:
    learner = _learner()
    learner.collect()
    assert len(learner._contexts) == 6
    assert len(learner._experience) == 18
    home = learner._contexts._rows[:, 0, :3]
    np.testing.assert_allclose(home, np.repeat(home[:1], 3, axis=0))


def test_training_moves_encoder_actor_critics_and_target() -> None:
    learner = _learner()
    learner.collect()
    before = {
        name: copy.deepcopy(part)
        for name, part in learner._stateful_parts().items()
        if isinstance(part, torch.nn.Module)
    }
    losses = learner.train()
    assert set(losses) == {"critic", "actor", "kl", "temperature"}
    for name, old in before.items():
        new = learner._stateful_parts()[name]
        moved = [
            not torch.equal(a, b) for a, b in zip(old.parameters(), new.parameters(), strict=True)
        ]
        assert all(moved), name


def test_the_actors_loss_does_not_reach_the_encoder() -> None:
    """With neither critics nor KL to learn from, the encoder stays what it was."""
    learner = _learner()
    learner.collect()
    for group in learner._critic_optimiser.param_groups:
        group["lr"] = 0.0
    before = _weights(learner)
    encoder = [p.detach().clone() for p in learner.encoder.parameters()]
    learner.train()
    assert not torch.equal(before, _weights(learner))
    assert all(
        torch.equal(a, b) for a, b in zip(encoder, learner.encoder.parameters(), strict=True)
    )


def test_the_same_seed_gives_the_same_numbers() -> None:
    first, second, other = _learner(), _learner(), _learner(1)
    for learner in (first, second, other):
        learner.collect()
        learner.train()
    assert torch.equal(_weights(first), _weights(second))
    assert not torch.equal(_weights(first), _weights(other))


def test_an_interrupted_run_ends_as_an_uninterrupted_one() -> None:
    whole, interrupted = _learner(), _learner()
    for learner in (whole, interrupted):
        learner.collect()
        learner.train()
    resumed = _learner(5)
    resumed.load_state_dict(copy.deepcopy(interrupted.state_dict()))
    for learner in (whole, resumed):
        learner.collect()
        learner.train()
    assert torch.equal(_weights(whole), _weights(resumed))
    assert whole.environment_steps == resumed.environment_steps


def test_a_diverging_loss_stops_the_training() -> None:
    learner = _learner()
    learner.collect()
    with torch.no_grad():
        next(learner._critic.parameters()).fill_(torch.nan)
    with pytest.raises(DivergedError, match="PEARL, iteration 1: a loss is not finite"):
        learner.train()


@pytest.mark.parametrize(
    "changes",
    [
        {"updates": 0},
        {"hindsight": 2.0},
        {"start_above": 0.9, "start_at_object": 0.2},
        {"environment_steps": 0},
        {"discount": 1.5},
        {"target_rate": -0.1},
        {"first_temperature": 0.0},
        {"wall_seconds": 0.0},
    ],
)
def test_what_could_not_be_trained_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(InvalidConfigError, match=r"allowed: (from|above)"):
        PearlCfg(**changes)  # type: ignore[arg-type]


def test_networks_are_back_after_updates_that_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = _learner()
    moved: list[torch.device] = []
    learner.collect()
    monkeypatch.setattr(learner, "_move", moved.append)
    monkeypatch.setattr(learner, "_update", lambda: {"critic": float("nan")})
    with pytest.raises(DivergedError):
        learner.train()
    assert moved == [learning_device(), torch.device("cpu")]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
def test_a_checkpoint_of_a_gpu_goes_on_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = _learner()
    for _ in range(2):
        learner.collect()
        assert np.isfinite(list(learner.train().values())).all()
    resumed = _learner(1)
    resumed.load_state_dict(learner.state_dict())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    resumed.collect()
    assert np.isfinite(list(resumed.train().values())).all()
