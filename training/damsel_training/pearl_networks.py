"""Networks of PEARL and its two formulas: the product of Gaussians and the KL to the prior.

Inputs are scaled as they are for DAMSEL, so that the methods differ in how they learn and not in
what they see.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from damsel.observation import (
    ACTION_DIM,
    END_EFFECTOR,
    OBJECTS,
    OBSERVATION_DIM,
    TRANSITION_DIM,
)
from damsel_training.bounds import require_counts
from damsel_training.networks import OBSERVATION_CENTRE, OBSERVATION_SCALE

__all__ = [
    "Actor",
    "Critic",
    "GaussianEncoder",
    "PearlNetworkCfg",
    "kl_to_unit_gaussian",
    "product_of_gaussians",
]

_STEP_M = 0.01
_NEAR_M = 0.02
_FEATURES = OBSERVATION_DIM + 2 * 3 * len(OBJECTS)
_LOG_STD_LOW, _LOG_STD_HIGH = -5.0, 2.0
_SMALLEST_VARIANCE = 1e-7


@dataclass(frozen=True)
class PearlNetworkCfg:
    """Sizes.

    Attributes:
        latent_dim: length of the latent.
        encoder_width: units in each of the encoder's three layers.
        width: units in each of the three layers of actor and critics.
    """

    latent_dim: int = 5
    encoder_width: int = 128
    width: int = 192

    def __post_init__(self) -> None:
        """Refuse what no network could be made of."""
        require_counts(self, "latent_dim", "encoder_width", "width")


def product_of_gaussians(means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (..., L) of the product of N diagonal Gaussians.

    Precisions add, and means are weighted by precision. An order of the factors does not matter.

    Args:
        means: (..., N, L).
        variances: (..., N, L), positive.
    """
    precision = 1.0 / variances.clamp(min=_SMALLEST_VARIANCE)
    variance = 1.0 / precision.sum(dim=-2)
    return variance * (precision * means).sum(dim=-2), variance


def kl_to_unit_gaussian(mean: Tensor, variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, I)) in nats, (...,), of diagonal Gaussians (..., L)."""
    return 0.5 * (variance + mean**2 - 1.0 - torch.log(variance)).sum(dim=-1)


def _mlp(sizes: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(sizes):
        layers += [nn.Linear(width_in, width_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class _SceneFeatures(nn.Module):
    """What actor and critics see of an observation, (..., 12) to (..., 30)."""

    centre: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.as_tensor(OBSERVATION_CENTRE, dtype=torch.float32))
        self.register_buffer("scale", torch.as_tensor(OBSERVATION_SCALE, dtype=torch.float32))

    def forward(self, observation: Tensor) -> Tensor:
        tool = observation[..., END_EFFECTOR]
        offsets = torch.cat([tool - observation[..., part] for part in OBJECTS.values()], dim=-1)
        from_rest = observation - self.centre
        return torch.cat(
            [
                from_rest / self.scale,
                torch.tanh(offsets / _NEAR_M),
                torch.tanh(from_rest[..., END_EFFECTOR.stop :] / _NEAR_M),
            ],
            dim=-1,
        )


class GaussianEncoder(nn.Module):
    """q(z | c): one Gaussian factor a transition, and their product."""

    centre: Tensor
    scale: Tensor

    def __init__(self, cfg: PearlNetworkCfg) -> None:
        super().__init__()
        width = cfg.encoder_width
        self.latent_dim = cfg.latent_dim
        self.network = _mlp([TRANSITION_DIM, width, width, width, 2 * cfg.latent_dim])
        self.register_buffer("centre", torch.as_tensor(OBSERVATION_CENTRE, dtype=torch.float32))
        self.register_buffer("scale", torch.as_tensor(OBSERVATION_SCALE, dtype=torch.float32))

    def forward(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and variance (..., L) of contexts (..., N, 28), N at least 1."""
        before, action, reward, after = torch.split(
            context, [OBSERVATION_DIM, ACTION_DIM, 1, OBSERVATION_DIM], dim=-1
        )
        inputs = torch.cat(
            [
                (before - self.centre) / self.scale,
                action,
                2.0 * reward - 1.0,
                (after - before) / _STEP_M,
            ],
            dim=-1,
        )
        means, spread = self.network(inputs).chunk(2, dim=-1)
        return product_of_gaussians(means, functional.softplus(spread))


class Actor(nn.Module):
    """pi(a | s, z): a Gaussian squashed to [-1, 1]^3 by tanh."""

    def __init__(self, cfg: PearlNetworkCfg) -> None:
        super().__init__()
        width = cfg.width
        self.features = _SceneFeatures()
        self.network = _mlp([_FEATURES + cfg.latent_dim, width, width, width, 2 * ACTION_DIM])

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """The most likely action before squashing, squashed: (..., 3)."""
        return torch.tanh(self._gaussian(observation, latent)[0])

    def sample(self, observation: Tensor, latent: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions (..., 3) and their log-density (...,), from standard normal noise (..., 3)."""
        mean, log_std = self._gaussian(observation, latent)
        raw = mean + log_std.exp() * noise
        log_density = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
        # log |d tanh(u) / du| = log(1 - tanh(u)^2), in a form that does not overflow.
        log_slope = 2.0 * (math.log(2.0) - raw - functional.softplus(-2.0 * raw))
        return torch.tanh(raw), (log_density - log_slope).sum(dim=-1)

    def _gaussian(self, observation: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
        output = self.network(torch.cat([self.features(observation), latent], dim=-1))
        mean, log_std = output.chunk(2, dim=-1)
        return mean, log_std.clamp(_LOG_STD_LOW, _LOG_STD_HIGH)


class Critic(nn.Module):
    """Two independent estimates of Q(s, a, z)."""

    def __init__(self, cfg: PearlNetworkCfg) -> None:
        super().__init__()
        width = cfg.width
        sizes = [_FEATURES + ACTION_DIM + cfg.latent_dim, width, width, width, 1]
        self.features = _SceneFeatures()
        self.first, self.second = _mlp(sizes), _mlp(sizes)

    def forward(self, observation: Tensor, action: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Both estimates, each (...,)."""
        inputs = torch.cat([self.features(observation), action, latent], dim=-1)
        return self.first(inputs).squeeze(-1), self.second(inputs).squeeze(-1)
