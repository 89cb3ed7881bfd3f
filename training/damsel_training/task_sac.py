"""Soft actor-critic for many tasks at once: an independent agent a task, computed together.

Every weight has a leading axis of agents, so one batched product serves all of them and what a
gradient step costs beside arithmetic is paid once. Losses are summed over agents and Adam works
element by element, so no agent's numbers depend on another's.

Haarnoja et al., Soft Actor-Critic Algorithms and Applications, arXiv 1812.05905.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from damsel.observation import ACTION_DIM

__all__ = ["Actors", "Batch", "ParallelMlp", "TaskSac"]

_TARGET_ENTROPY = -float(ACTION_DIM)
_FIRST_TEMPERATURE = 0.2
_LOG_STD_RANGE = (-20.0, 2.0)


class Batch(NamedTuple):
    """Transitions of A agents, N each; at a horizon the value goes on, so there is no end.

    Attributes:
        seen: (A, N, F), features of what the agent saw.
        known: (A, N, F), of what was there, which only critics are told (Pinto et al., arXiv
            1710.06542).
        actions: (A, N, 3) in [-1, 1].
        rewards: (A, N), of each agent's own task.
        next_seen: (A, N, F).
        next_known: (A, N, F).
    """

    seen: Tensor
    known: Tensor
    actions: Tensor
    rewards: Tensor
    next_seen: Tensor
    next_known: Tensor


class ParallelMlp(nn.Module):
    """Equal multi-layer perceptrons with weights of their own, applied side by side."""

    def __init__(self, members: int, sizes: tuple[int, ...]) -> None:
        """Draw the weights.

        Args:
            members: how many networks.
            sizes: units of each layer, input and output included.
        """
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for inputs, outputs in pairwise(sizes):
            bound = 1 / math.sqrt(inputs)
            for group, shape in (
                (self.weights, (members, inputs, outputs)),
                (self.biases, (members, 1, outputs)),
            ):
                group.append(nn.Parameter(torch.empty(shape).uniform_(-bound, bound)))

    def forward(self, values: Tensor) -> Tensor:
        """Outputs (members, N, out) of inputs (members, N, in)."""
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = torch.baddbmm(bias, values, weight)
            if layer < last:
                values = torch.relu(values)
        return values


class Actors(ParallelMlp):
    """Gaussian policies, squashed by tanh."""

    def __init__(self, agents: int, features: int, width: int) -> None:
        super().__init__(agents, (features, width, width, 2 * ACTION_DIM))
        self.width = width

    def mode(self, features: Tensor) -> Tensor:
        """Deterministic actions (A, N, 3) in [-1, 1]."""
        return torch.tanh(self(features)[..., :ACTION_DIM])

    def sample(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Random actions (A, N, 3) in [-1, 1] and their log density (A, N)."""
        mean, log_std = self(features).chunk(2, dim=-1)
        log_std = log_std.clamp(*_LOG_STD_RANGE)
        noise = torch.randn_like(mean)
        raw = mean + log_std.exp() * noise
        density = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
        # log(1 - tanh(x)^2) in a form that does not run out of digits.
        squash = 2 * (math.log(2) - raw - nn.functional.softplus(-2 * raw))
        return torch.tanh(raw), (density - squash).sum(-1)


class TaskSac:
    """Networks and optimisers of A agents, and their gradient step."""

    def __init__(
        self, agents: int, features: int, width: int, discount: float, target_rate: float
    ) -> None:
        """Draw the networks.

        Args:
            agents: how many, one a task.
            features: length of what an agent sees.
            width: units in each of two hidden layers.
            discount: gamma.
            target_rate: tau of the target networks.
        """
        self._agents, self._discount, self._target_rate = agents, discount, target_rate
        self.actors = Actors(agents, features, width)
        sizes = (features + ACTION_DIM, width, width, 1)
        self._critics = ParallelMlp(2 * agents, sizes)  # the first of each agent, then the second
        self._targets = ParallelMlp(2 * agents, sizes)
        self._targets.load_state_dict(self._critics.state_dict())
        self._log_temperature = nn.Parameter(torch.full((agents,), math.log(_FIRST_TEMPERATURE)))
        self._optimisers = {
            "actors": torch.optim.Adam(self.actors.parameters(), fused=True),
            "critics": torch.optim.Adam(self._critics.parameters(), fused=True),
            "temperature": torch.optim.Adam([self._log_temperature], fused=True),
        }

    def update(self, batch: Batch, learning_rate: float) -> None:
        """One gradient step of critics, actors and temperatures."""
        temperature = self._log_temperature.detach().exp()[:, None]
        actions, log_density = self.actors.sample(batch.seen)
        with torch.no_grad():
            next_actions, next_log_density = self.actors.sample(batch.next_seen)
            value = self._least(self._targets, batch.next_known, next_actions)
            target = batch.rewards + self._discount * (value - temperature * next_log_density)
        error = self._values(self._critics, batch.known, batch.actions) - target
        self._descend("critics", 0.5 * (error**2).mean(-1).sum(), learning_rate)
        value = self._least(self._critics, batch.known, actions)
        self._descend("actors", (temperature * log_density - value).mean(-1).sum(), learning_rate)
        surplus = log_density.detach().mean(-1) + _TARGET_ENTROPY
        self._descend("temperature", -(self._log_temperature * surplus).sum(), learning_rate)
        with torch.no_grad():
            for mean, new in zip(
                self._targets.parameters(), self._critics.parameters(), strict=True
            ):
                mean.lerp_(new, self._target_rate)

    def state_dict(self) -> dict[str, Any]:
        """All that further learning depends on, but for the random numbers."""
        return {name: part.state_dict() for name, part in self._parts().items()} | {
            "log_temperature": self._log_temperature.detach().clone()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state of `state_dict`."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        with torch.no_grad():
            self._log_temperature.copy_(state["log_temperature"])

    def _parts(self) -> dict[str, Any]:
        networks = {"actors": self.actors, "critics": self._critics, "targets": self._targets}
        optimisers = {f"optimiser/{name}": part for name, part in self._optimisers.items()}
        return networks | optimisers

    def _values(self, critics: ParallelMlp, features: Tensor, actions: Tensor) -> Tensor:
        """(2, A, N), by critic and agent."""
        inputs = torch.cat([features, actions], dim=-1).repeat(2, 1, 1)
        values: Tensor = critics(inputs).view(2, self._agents, -1)
        return values

    def _least(self, critics: ParallelMlp, features: Tensor, actions: Tensor) -> Tensor:
        return self._values(critics, features, actions).amin(0)

    def _descend(self, part: str, loss: Tensor, learning_rate: float) -> None:
        optimiser = self._optimisers[part]
        (group,) = optimiser.param_groups
        group["lr"] = learning_rate
        # Only these gradients: those of the critics would be wasted on the actors' loss.
        for parameter, gradient in zip(
            group["params"], torch.autograd.grad(loss, group["params"]), strict=True
        ):
            parameter.grad = gradient
        optimiser.step()
