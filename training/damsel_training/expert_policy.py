"""A trained expert: the deterministic policy of a family's goal-conditioned SAC agent."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from damsel_training.errors import InvalidDatasetError, MissingStageError
from damsel_training.expert_env import expert_observation
from damsel_training.files import archive_fault, written_whole

__all__ = ["BEST", "DONE", "Expert", "GoalConditioned"]

DONE = "done.json"
"""The record in an expert's folder that its training has ended."""

BEST = "best.pt"
"""An expert's weights in its folder."""

Array = NDArray[np.float64]


class GoalConditioned(Protocol):
    """A policy for all goals of one family."""

    family: str

    def __call__(self, observation: Array, goal: Array) -> Array:
        """Actions (n, 3) in [-1, 1] for observations (n, 12) and goals (n, goal_dim)."""


class Expert:
    """A trained expert's deterministic policy."""

    def __init__(self, family: str, weights: Mapping[str, Tensor]) -> None:
        """Set up.

        Args:
            family: name of the family.
            weights: of the actor, as Stable-Baselines3 names them.
        """
        self.family = family
        names = [name.removesuffix(".weight") for name in weights if name.endswith(".weight")]
        hidden = [name for name in names if name.startswith("latent_pi.")]
        self._weights = {
            f"{name}.{part}": weights[f"{name}.{part}"].clone()
            for name in (*hidden, "mu")
            for part in ("weight", "bias")
        }
        parameters = list(self._weights.values())
        self._layers = list(zip(parameters[::2], parameters[1::2], strict=True))

    def save(self, folder: Path) -> None:
        """Write it as the best policy of its family, all of it or nothing.

        Raises:
            StorageError: it cannot be written.
        """
        with written_whole(folder / self.family / BEST) as file:
            torch.save(self._weights, file)

    @classmethod
    def load(cls, family: str, folder: Path) -> Expert:
        """Load the best policy of a family.

        Raises:
            MissingStageError: there is none, or its training has not ended.
            InvalidDatasetError: it cannot be read.
        """
        path = folder / family / BEST
        if not path.exists():
            raise MissingStageError(
                f"no expert for {family} in {folder}; run `damsel-train experts` first"
            )
        if not path.with_name(DONE).exists():
            raise MissingStageError(
                f"the expert in {path.parent} is not finished; run `damsel-train experts`"
            )
        fault = archive_fault(path)
        if not fault:
            try:
                return cls(family, torch.load(path, weights_only=True))
            except (AttributeError, KeyError, RuntimeError, TypeError, pickle.UnpicklingError) as e:
                fault = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise InvalidDatasetError(
            f"{path} is not a readable expert ({fault}); delete {path.parent} to train it anew"
        )

    def __call__(self, observation: Array, goal: Array) -> Array:
        """Actions (n, 3) in [-1, 1] for observations (n, 12) and goals (n, goal_dim)."""
        values = torch.as_tensor(expert_observation(self.family, observation, goal))
        *hidden, last = self._layers
        for weight, bias in hidden:
            values = functional.relu(functional.linear(values, weight, bias))
        action: Array = torch.tanh(functional.linear(values, *last)).double().numpy()
        return action
