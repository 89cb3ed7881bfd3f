"""Networks learn on a GPU if there is one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from damsel.tasks import Task
from damsel_training.devices import learning_device, move
from damsel_training.errors import DivergedError
from damsel_training.pearl import Pearl
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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
def test_all_that_learns_is_moved_in_place() -> None:
    network, weight = nn.Linear(2, 3), torch.zeros((), requires_grad=True)
    optimiser = torch.optim.Adam([*network.parameters(), weight])
    (network(torch.ones(2)).sum() + weight).backward()
    optimiser.step()
    before = [*network.parameters(), weight]
    move(torch.device("cuda"), [network], [weight], [optimiser])
    after = [*network.parameters(), weight]
    assert all(one is other for one, other in zip(before, after, strict=True))
    assert all(one.is_cuda for one in after)
    (network(torch.ones(2, device="cuda")).sum() + weight).backward()
    optimiser.step()


@pytest.mark.parametrize("gpu", [True, False])
def test_a_gpu_is_taken_if_there_is_one(monkeypatch: pytest.MonkeyPatch, gpu: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert learning_device().type == ("cuda" if gpu else "cpu")


def test_networks_are_back_after_updates_that_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = Pearl(dataclasses.replace(CFG, updates=1), TASKS, np.random.default_rng(0))
    learner.collect()
    seen = []

    def diverge() -> dict[str, float]:
        seen.append(learner._device.type)
        return {"critic": float("nan")}

    monkeypatch.setattr(learner, "_update", diverge)
    with pytest.raises(DivergedError):
        learner.train()
    assert seen == [learning_device().type]
    assert learner._device.type == "cpu"
    assert not any(weight.is_cuda for weight in learner.actor.parameters())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
def test_a_checkpoint_of_a_gpu_goes_on_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = Pearl(CFG, TASKS, np.random.default_rng(0))
    for _ in range(2):
        learner.collect()
        assert np.isfinite(list(learner.train().values())).all()
    resumed = Pearl(CFG, TASKS, np.random.default_rng(1))
    resumed.load_state_dict(learner.state_dict())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    resumed.collect()
    assert np.isfinite(list(resumed.train().values())).all()
