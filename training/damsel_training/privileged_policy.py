"""SAC whose critics know what the actor only sees (Pinto et al., arXiv 1710.06542).

An observation is what the actor sees, followed by as much that the critics are told.
"""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.sac.policies import Actor, SACPolicy
from torch import Tensor

__all__ = ["PrivilegedPolicy"]


class _Half(BaseFeaturesExtractor):
    def __init__(self, space: spaces.Space[Any], second: int) -> None:
        assert space.shape is not None
        length = space.shape[0] // 2
        super().__init__(space, length)
        self._part = slice(second * length, (second + 1) * length)

    def forward(self, observations: Tensor) -> Tensor:
        return observations[:, self._part]


class PrivilegedPolicy(SACPolicy):
    """The actor is given the first half of an observation, the critics the second."""

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Actor:
        """An actor that sees."""
        del features_extractor  # it would be shared
        return super().make_actor(_Half(self.observation_space, 0))

    def make_critic(
        self, features_extractor: BaseFeaturesExtractor | None = None
    ) -> ContinuousCritic:
        """A critic that knows."""
        del features_extractor
        return super().make_critic(_Half(self.observation_space, 1))
