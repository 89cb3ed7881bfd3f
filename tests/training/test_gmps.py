"""The ablation: one prior for all families, fitted to the latents of the training tasks."""

from __future__ import annotations

import copy

import numpy as np
import torch

from damsel_training.dataset import CollectCfg, collect_dataset
from damsel_training.gmps import GmpsLearner, without_structure
from tests.training.test_meta import CFG, TASKS, TEACHERS


def _learner(seed: int = 0) -> GmpsLearner:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    learner = GmpsLearner(without_structure(CFG), TASKS, TEACHERS, rng)
    learner.store(collect_dataset(TASKS, TEACHERS, CollectCfg(rollouts=2, horizon=8), rng))
    return learner


def test_every_task_explores_under_a_latent_of_its_own() -> None:
    learner = _learner()
    learner.prior_mean, learner.prior_std = torch.full((5,), 7.0), torch.full((5,), 0.5)
    latents = learner.first_latents()
    assert latents.shape == (3, 5)
    assert len(torch.unique(latents, dim=0)) == 3
    assert (latents - 7.0).abs().max() < 2.5


def test_the_prior_is_that_of_the_latents_last_inferred() -> None:
    learner = _learner()
    learner.collect()
    latents = learner.infer(learner.context_under_way(), learner._goals)
    torch.testing.assert_close(learner.prior_mean, latents.mean(dim=0))
    torch.testing.assert_close(learner.prior_std, latents.std(dim=0))
    assert learner.prior_std is not None
    assert (learner.prior_std > 0).all()


def test_the_constraint_is_measured_but_not_followed() -> None:
    learner = _learner()
    losses = learner._losses()
    (learner.cfg.constraint_weight * losses["constraint"]).backward()
    gradients = [p.grad for p in learner.encoder.parameters() if p.grad is not None]
    assert all((gradient == 0.0).all() for gradient in gradients)


def test_nothing_is_trained_to_act_under_an_empty_context() -> None:
    assert _learner()._losses()["probe_bc"] == 0.0


def test_an_interrupted_run_ends_as_an_uninterrupted_one() -> None:
    whole, interrupted = _learner(), _learner()
    for learner in (whole, interrupted):
        learner.train()
        learner.collect()
    resumed = GmpsLearner(without_structure(CFG), TASKS, TEACHERS, np.random.default_rng(99))
    resumed.load_state_dict(copy.deepcopy(interrupted.state_dict()))
    for learner in (whole, resumed):
        learner.train()
        learner.collect()
    for ours, theirs in zip(whole.policy.parameters(), resumed.policy.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    torch.testing.assert_close(whole.prior_std, resumed.prior_std)
