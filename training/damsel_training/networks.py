"""Encoder, policy and dynamics-and-reward model, in the raw units of the robot's interface.

Normalisation is part of each network, so the exported graphs take metres, actions and rewards
exactly as they come off the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from damsel.bundle_metadata import LARGEST_LATENT
from damsel.errors import InvalidConfigError
from damsel.families import FAMILIES
from damsel.observation import (
    ACTION_DIM,
    END_EFFECTOR,
    OBJECTS,
    OBSERVATION_DIM,
    TRANSITION_DIM,
)
from damsel.perception import rest_positions
from damsel.scene import WORKSPACE_HIGH_BASE, WORKSPACE_LOW_BASE
from damsel_training.bounds import require_counts

__all__ = [
    "CONTEXT_CENTRE",
    "CONTEXT_SCALE",
    "DynamicsModel",
    "Encoder",
    "NetworkCfg",
    "Policy",
]

OBSERVATION_CENTRE = np.concatenate(
    [(WORKSPACE_LOW_BASE + WORKSPACE_HIGH_BASE) / 2, rest_positions()]
)
OBSERVATION_SCALE = np.full(OBSERVATION_DIM, 0.1)
STEP_SCALE_M = 0.01
FINE_SCALE_M = 0.02

CONTEXT_CENTRE = np.concatenate(
    [OBSERVATION_CENTRE, np.zeros(ACTION_DIM), [0.5], OBSERVATION_CENTRE]
)
CONTEXT_SCALE = np.concatenate([OBSERVATION_SCALE, np.ones(ACTION_DIM), [0.5], OBSERVATION_SCALE])


@dataclass(frozen=True)
class NetworkCfg:
    """Sizes.

    Attributes:
        latent_dim: length of the latent.
        component_distance: length of each family's prior component, all along different axes.
        encoder_width: units in each of the encoder's layers.
        policy_width: units in each of the policy's three layers.
        model_width: units in each of the dynamics model's layers.
        pooling: how transitions become one vector: `attention` or `mean`.
        heads: attention heads.
    """

    latent_dim: int = 5
    component_distance: float = 2.0
    encoder_width: int = 128
    policy_width: int = 256
    model_width: int = 128
    pooling: str = "attention"
    heads: int = 8

    def __post_init__(self) -> None:
        """Refuse what no network could be made of."""
        require_counts(self, "encoder_width", "policy_width", "model_width", "heads")
        if not len(FAMILIES) <= self.latent_dim <= LARGEST_LATENT:
            raise InvalidConfigError(
                f"latent_dim is {self.latent_dim}; allowed: from {len(FAMILIES)}, the number of "
                f"families, to {LARGEST_LATENT}"
            )
        if self.pooling not in ("attention", "mean"):
            raise InvalidConfigError(f"pooling is {self.pooling!r}; allowed: attention, mean")
        if self.encoder_width % self.heads:
            raise InvalidConfigError(
                f"heads is {self.heads}; allowed: what divides encoder_width ({self.encoder_width})"
            )


def _mlp(sizes: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(sizes):
        layers += [nn.Linear(width_in, width_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _constant(values: np.ndarray) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)


class Encoder(nn.Module):
    """Context to latent: z = f + g(pool_i phi(x_i), f).

    Deterministic and invariant to the order of transitions. The latent starts at the family's
    prior component f, and an empty context leaves it there.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, cfg: NetworkCfg) -> None:
        super().__init__()
        width = cfg.encoder_width
        self.cfg = cfg
        self.transition = _mlp([TRANSITION_DIM, width, width])
        self.attention = nn.Linear(width, cfg.heads)
        self.head = _mlp([width + cfg.latent_dim, width, width, cfg.latent_dim])
        self.register_buffer("centre", _constant(CONTEXT_CENTRE))
        self.register_buffer("scale", _constant(CONTEXT_SCALE))

    def forward(self, context: Tensor, component: Tensor) -> Tensor:
        """Latent of each context.

        Args:
            context: (..., N, 28), N >= 1 transitions (s, a, r, s') in raw units.
            component: (..., L), prior component of the context's family.

        Returns:
            (..., L).
        """
        split = OBSERVATION_DIM + ACTION_DIM + 1
        scaled = (context - self.centre) / self.scale
        moved = (context[..., split:] - context[..., :OBSERVATION_DIM]) / STEP_SCALE_M
        features = torch.relu(self.transition(torch.cat([scaled[..., :split], moved], dim=-1)))
        if self.cfg.pooling == "attention":
            weights = torch.softmax(self.attention(features), dim=-2)
            heads = features.reshape(*features.shape[:-1], self.cfg.heads, -1)
            pooled = (weights.unsqueeze(-1) * heads).sum(dim=-3).flatten(-2)
        else:
            pooled = features.mean(dim=-2)
        latent: Tensor = component + self.head(torch.cat([pooled, component], dim=-1))
        return latent


class Policy(nn.Module):
    """Observation and latent to action in [-1, 1]^3."""

    centre: Tensor
    scale: Tensor

    def __init__(self, cfg: NetworkCfg) -> None:
        super().__init__()
        width = cfg.policy_width
        features = OBSERVATION_DIM + 2 * 3 * len(OBJECTS)
        self.network = _mlp([features + cfg.latent_dim, width, width, width, ACTION_DIM])
        self.register_buffer("centre", _constant(OBSERVATION_CENTRE))
        self.register_buffer("scale", _constant(OBSERVATION_SCALE))

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Action (..., 3) for observations (..., 12) and latents (..., L)."""
        tool = observation[..., END_EFFECTOR]
        offsets = torch.cat([tool - observation[..., part] for part in OBJECTS.values()], dim=-1)
        moved = (observation - self.centre)[..., END_EFFECTOR.stop :]
        features = torch.cat(
            [
                (observation - self.centre) / self.scale,
                torch.tanh(offsets / FINE_SCALE_M),
                torch.tanh(moved / FINE_SCALE_M),
                latent,
            ],
            dim=-1,
        )
        return torch.tanh(self.network(features))


class DynamicsModel(nn.Module):
    """Predicts (s' - s, r) from (s, a, z); its loss shapes the encoder (the paper's L^model)."""

    centre: Tensor
    scale: Tensor

    def __init__(self, cfg: NetworkCfg) -> None:
        super().__init__()
        width = cfg.model_width
        self.network = _mlp(
            [OBSERVATION_DIM + ACTION_DIM + cfg.latent_dim, width, width, OBSERVATION_DIM + 1]
        )
        self.register_buffer("centre", _constant(OBSERVATION_CENTRE))
        self.register_buffer("scale", _constant(OBSERVATION_SCALE))

    def forward(self, observation: Tensor, action: Tensor, latent: Tensor) -> Tensor:
        """Predicted step in units of 1 cm and reward, (..., 13)."""
        scaled = (observation - self.centre) / self.scale
        prediction: Tensor = self.network(torch.cat([scaled, action, latent], dim=-1))
        return prediction

    @staticmethod
    def target(observation: Tensor, reward: Tensor, next_observation: Tensor) -> Tensor:
        """What `forward` should predict, (..., 13); reward is (..., 1)."""
        return torch.cat([(next_observation - observation) / STEP_SCALE_M, reward], dim=-1)
