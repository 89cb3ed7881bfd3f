"""Networks learn on a GPU if there is one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from damsel_training.devices import learning_device, move


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
