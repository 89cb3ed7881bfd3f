"""Where networks learn."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

__all__ = ["learning_device", "move"]


def learning_device() -> torch.device:
    """The first GPU that torch finds, or else the processor.

    An empty `CUDA_VISIBLE_DEVICES` in the environment hides all GPUs.
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def move(
    device: torch.device,
    networks: Iterable[nn.Module],
    weights: Iterable[torch.Tensor],
    optimisers: Iterable[torch.optim.Optimizer],
) -> None:
    """Move networks, single weights and what their optimisers remember, all in place.

    Args:
        device: where to.
        networks: whole ones.
        weights: leaves that belong to none of them; their gradients are dropped.
        optimisers: of all of these. Counts of steps stay on the processor, where Adam wants them.
    """
    for network in networks:
        network.to(device)
    for weight in weights:
        weight.grad = None
        weight.data = weight.data.to(device)
    for optimiser in optimisers:
        for state in optimiser.state.values():
            for name, value in state.items():
                if name != "step":
                    state[name] = value.to(device)
