"""Methods that infer latents from all they have seen of a task, at test time: GMPS and PEARL."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from damsel.adaptation import INFERENCE_PERIOD
from damsel.errors import InvalidConfigError
from damsel.families import FAMILIES
from damsel.observation import CONTEXT_LAYOUT, TRANSITION_DIM, Trajectory
from damsel_training.methods import Plan
from damsel_training.networks import Encoder, Policy
from damsel_training.pearl_networks import Actor, GaussianEncoder

__all__ = ["Gmps", "Pearl"]

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_REWARD = CONTEXT_LAYOUT.index("reward")

_SOLVED_REWARD = max(family.strict_reward for family in FAMILIES.values())
"""Last reward from which a task is solved strictly, whichever it is: when to stop, as DAMSEL does,
which knows the family."""


class _ByContext:
    """What GMPS and PEARL share: contexts that grow by whole trajectories, and when to stop."""

    def __init__(self, trajectories: int) -> None:
        if trajectories < 1:
            raise InvalidConfigError(f"trajectories is {trajectories}; allowed: from 1")
        self._limit = trajectories
        self._made = 0
        self._plans: list[Plan | None] = []
        self._contexts: list[Array] = []
        self._under_way: list[Array] = []
        self._latents = torch.empty(0)

    def begin(self, rows: int) -> None:
        """See `Method`."""
        self._made = 0
        self._under_way = []
        self._contexts = [np.empty((0, TRANSITION_DIM))] * rows
        self._plans = [self._plan(context) for context in self._contexts]
        self._gather()

    def plans(self) -> list[Plan | None]:
        """See `Method`."""
        return list(self._plans)

    def watch(self, transitions: Array) -> BoolArray:
        """See `Method`."""
        self._under_way.append(transitions)
        return np.zeros(len(transitions), bool)

    def receive(self, trajectories: Sequence[Trajectory | None]) -> None:
        """See `Method`."""
        self._made += 1
        self._under_way = []
        for row, (plan, trajectory) in enumerate(zip(self._plans, trajectories, strict=True)):
            if plan is None or trajectory is None:
                continue
            self._contexts[row] = np.concatenate([self._contexts[row], trajectory.transitions])
            solved = plan.stage == "adapt" and trajectory.last_reward >= _SOLVED_REWARD
            finished = solved or self._made == self._limit
            self._plans[row] = None if finished else self._plan(self._contexts[row])
        self._gather()

    def _plan(self, context: Array) -> Plan:
        raise NotImplementedError

    def _gather(self) -> None:
        size = max((len(plan.latent) for plan in self._plans if plan), default=0)
        still = np.zeros(size)
        latents = np.stack([plan.latent if plan else still for plan in self._plans])
        self._latents = _tensor(latents)


class Gmps(_ByContext):
    """Explores under samples of the common prior until a reward is seen, then infers latents.

    It explores in all trajectories but the last at most.
    """

    def __init__(
        self,
        encoder: Encoder,
        policy: Policy,
        trajectories: int,
        horizon: int,
        prior_mean: Array,
        prior_std: Array,
        rng: np.random.Generator,
    ) -> None:
        """Set up.

        Args:
            encoder: trained.
            policy: trained.
            trajectories: most trajectories a task.
            horizon: control steps of each.
            prior_mean: (L,), of the common prior.
            prior_std: (L,), its standard deviations.
            rng: source of latents.
        """
        super().__init__(trajectories)
        self._encoder, self._policy = encoder, policy
        self._horizon = horizon
        self._mean, self._std = prior_mean, prior_std
        self._rng = rng
        self._no_family = torch.zeros(encoder.cfg.latent_dim)

    def act(self, observation: Array) -> Array:
        """See `Method`."""
        with torch.no_grad():
            actions: Array = self._policy(_tensor(observation), self._latents).double().numpy()
        return actions

    def watch(self, transitions: Array) -> BoolArray:
        """See `Method`; the latent is inferred anew as often as DAMSEL's is."""
        enough = super().watch(transitions)
        steps = len(self._under_way)
        if steps % INFERENCE_PERIOD == 0 and steps < self._horizon:
            now = np.stack(self._under_way, axis=1)
            for row, plan in enumerate(self._plans):
                if plan is not None and plan.stage == "adapt":
                    self._plans[row] = self._adapt(np.concatenate([self._contexts[row], now[row]]))
            self._gather()
        return enough

    def _plan(self, context: Array) -> Plan:
        rewarded = len(context) > 0 and bool((context[:, _REWARD] > 0).any())
        if not rewarded and self._made < self._limit - 1:
            noise = self._rng.standard_normal(len(self._mean))
            return Plan("probe", latent=self._mean + self._std * noise)
        return self._adapt(context)

    def _adapt(self, context: Array) -> Plan:
        with torch.no_grad():
            latent = self._encoder(_tensor(context), self._no_family)
        return Plan("adapt", latent=latent.double().numpy())


class Pearl(_ByContext):
    """Latents of the prior first; from some trajectory on, latents of the posterior."""

    def __init__(
        self,
        encoder: GaussianEncoder,
        actor: Actor,
        trajectories: int,
        prior_trajectories: int,
        rng: np.random.Generator,
    ) -> None:
        """Set up.

        Args:
            encoder: trained.
            actor: trained; its likeliest actions are used.
            trajectories: most trajectories a task.
            prior_trajectories: how many of them are under latents of the prior.
            rng: source of latents.
        """
        super().__init__(trajectories)
        if prior_trajectories < 1:
            raise InvalidConfigError(f"prior_trajectories is {prior_trajectories}; allowed: from 1")
        self._encoder, self._actor = encoder, actor
        self._prior_trajectories = prior_trajectories
        self._rng = rng
        self._size = encoder.latent_dim

    def act(self, observation: Array) -> Array:
        """See `Method`."""
        with torch.no_grad():
            actions: Array = self._actor(_tensor(observation), self._latents).double().numpy()
        return actions

    def _plan(self, context: Array) -> Plan:
        noise = self._rng.standard_normal(self._size)
        if self._made < self._prior_trajectories:
            return Plan("probe", latent=noise)
        with torch.no_grad():
            mean, variance = self._encoder(_tensor(context))
        latent = mean.double().numpy() + np.sqrt(variance.double().numpy()) * noise
        return Plan("adapt", latent=latent)


def _tensor(values: Array) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float32)
