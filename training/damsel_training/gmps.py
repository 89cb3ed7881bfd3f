"""DAMSEL without structure in the latent: the paper's ablation, "similar to GMPS".

All families share one prior. With their components in the origin the encoder is told no family, and
the constraint would have nothing to hold latents to. What is left of a prior is the Gaussian that
the latents of the training tasks make up: the first trajectory explores under a sample of it, as
PEARL explores. (A single point would not do: the policy under it imitates the average of all
experts, touches nothing, and no context ever tells one task from another.) So nothing acts under
an empty context, and nothing is trained to: in the common origin it would imitate the average, with
weights that all other latents share.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from damsel_training.buffers import Steps
from damsel_training.damsel import MetaLearner
from damsel_training.damsel_cfg import DamselCfg

__all__ = ["GmpsLearner", "without_structure"]


def without_structure(cfg: DamselCfg) -> DamselCfg:
    """The ablation's variant of a configuration; nothing else in it changes."""
    network = dataclasses.replace(cfg.network, component_distance=0.0)
    return dataclasses.replace(
        cfg, constraint_weight=0.0, probe_weight=0.0, learned_components=False, network=network
    )


class GmpsLearner(MetaLearner):
    """Meta-training whose exploration samples one common prior.

    Attributes:
        prior_mean: (L,), of the latents last inferred for the training tasks.
        prior_std: (L,), their standard deviations.
    """

    prior_mean: Tensor | None = None
    prior_std: Tensor | None = None

    def first_latents(self) -> Tensor:
        """Samples (tasks, L) of the prior; of the unit Gaussian before anything was inferred."""
        noise = _tensor(self.rng.standard_normal(tuple(self.component.shape)))
        if self.prior_mean is None or self.prior_std is None:
            return noise
        return self.prior_mean + self.prior_std * noise

    def infer(self, steps: Steps, goals: NDArray[np.float64]) -> Tensor:
        """As `MetaLearner`; the prior is from then on that of these latents."""
        latents = super().infer(steps, goals)
        self.prior_mean, self.prior_std = latents.mean(dim=0), latents.std(dim=0)
        return latents

    def state_dict(self) -> dict[str, Any]:
        """As `MetaLearner`, and the prior."""
        return super().state_dict() | {"prior_mean": self.prior_mean, "prior_std": self.prior_std}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly as the run that `state` was taken from would have."""
        super().load_state_dict(state)
        self.prior_mean, self.prior_std = state["prior_mean"], state["prior_std"]


def _tensor(values: NDArray[np.float64]) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)
