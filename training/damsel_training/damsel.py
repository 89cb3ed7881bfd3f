"""DAMSEL meta-training: Algorithm 1 of the paper, from line 3 on, top to bottom.

Losses are positive squared errors; the minus signs printed before L^BC and L^model are typos.
What goes beyond the paper, and why, is in docs/decisions.md: an expert relabels the states that
the policy itself visits (DAgger), and an empty context imitates a probe that tells goals apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from damsel.errors import InvalidConfigError
from damsel.families import FAMILIES
from damsel.observation import ACTION_DIM, OBSERVATION_DIM
from damsel.tasks import Task, reward
from damsel_sim.physics import TabletopPhysics
from damsel_training.buffers import ContextBuffers, LabelledStates
from damsel_training.dataset import ExpertDataset, ExpertPolicy, Teacher, relabel
from damsel_training.errors import DivergedError
from damsel_training.networks import DynamicsModel, Encoder, NetworkCfg, Policy
from damsel_training.rollouts import Rollouts, roll_out

__all__ = ["DamselCfg", "MetaLearner", "prior_components"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DamselCfg:
    """Hyper-parameters.

    Attributes:
        iterations: outer iterations (lines 5-24).
        collect_rounds: K of line 9: trajectories a task and iteration, the probe included.
        training_steps: gradient steps an iteration (line 15).
        context_size: transitions drawn for one context (line 17).
        expert_size: expert states drawn a task and step (line 18).
        probe_size: probe states drawn a task and step for the empty context.
        kept_iterations: how many iterations' trajectories the buffers B_i keep.
        kept_labels: how many relabelled trajectories a task are kept.
        model_weight: weight of L^model.
        constraint_weight: weight of L^constraint.
        model_size: transitions of a context that L^model is taken over.
        learning_rate: of Adam at the start; falls to a twentieth along a cosine.
        horizon: control steps of a trajectory.
        network: sizes of the networks.
    """

    iterations: int = 24
    collect_rounds: int = 4
    training_steps: int = 400
    context_size: int = 96
    expert_size: int = 32
    probe_size: int = 8
    kept_iterations: int = 5
    kept_labels: int = 60
    model_weight: float = 0.2
    constraint_weight: float = 0.01
    model_size: int = 32
    learning_rate: float = 1e-3
    horizon: int = 100
    network: NetworkCfg = field(default_factory=NetworkCfg)

    def __post_init__(self) -> None:
        """Refuse what could not be trained."""
        if self.collect_rounds < 2:
            raise InvalidConfigError(
                f"collect_rounds is {self.collect_rounds}; allowed: from 2, a probe and an attempt"
            )


def prior_components(cfg: NetworkCfg) -> dict[str, Array]:
    """Fixed mixture components (L,) by family: equally long, along different axes."""
    if cfg.latent_dim < len(FAMILIES):
        raise InvalidConfigError(
            f"latent_dim is {cfg.latent_dim}; allowed: from {len(FAMILIES)}, the number of families"
        )
    axes = cfg.component_distance * np.eye(cfg.latent_dim)
    return {name: axes[index] for index, name in enumerate(FAMILIES)}


class MetaLearner:
    """State of meta-training and its two alternating halves, `collect` and `train`."""

    def __init__(
        self,
        cfg: DamselCfg,
        tasks: Sequence[Task],
        experts: Mapping[str, ExpertPolicy],
        rng: np.random.Generator,
    ) -> None:
        self.cfg = cfg
        self.tasks = list(tasks)
        self._teacher = Teacher(self.tasks, experts)
        self._rng = rng
        self.encoder, self.policy = Encoder(cfg.network), Policy(cfg.network)
        self.model = DynamicsModel(cfg.network)
        self.components = prior_components(cfg.network)
        self._component = _tensor(np.stack([self.components[t.family] for t in self.tasks]))
        self._physics = TabletopPhysics(len(self.tasks))
        self._optimiser = torch.optim.Adam(
            [*self.encoder.parameters(), *self.policy.parameters(), *self.model.parameters()],
            lr=cfg.learning_rate,
        )
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self._optimiser, cfg.iterations * cfg.training_steps, cfg.learning_rate / 20
        )
        # Line 3: replay buffers B_i; expert data D_i*, and beside it what probes should do.
        rows, horizon = len(self.tasks), cfg.horizon
        self._buffers = ContextBuffers(rows, cfg.kept_iterations, cfg.collect_rounds, horizon)
        self._labels = LabelledStates(rows, cfg.kept_labels, horizon)
        self._probe_labels = LabelledStates(rows, cfg.kept_labels, horizon)
        self.iteration = 0

    # Lines 1-2 happened: the experts exist, and so does the data set of their roll-outs.
    def store(self, dataset: ExpertDataset) -> None:
        """Fill D_i* with expert trajectories, and the first contexts with the experts' probes."""
        for tasks, probes in zip(dataset.experts, dataset.probes, strict=True):
            self._labels.add(tasks.observations[:, :-1], tasks.labels)
            self._probe_labels.add(probes.observations[:, :-1], probes.labels)
            self._buffers.begin()
            self._buffers.append(self._transitions(probes))

    # Lines 6-14.
    def collect(self) -> dict[str, float]:
        """Run the current policy on every task: the probe first, then under inferred latents.

        Returns:
            Mean final distance by family under each inferred latent, and the median of the peak
            contact force under the last.
        """
        cfg = self.cfg
        self._buffers.begin()
        latents = self._first_latents()  # line 7
        metrics: dict[str, float] = {}
        for k in range(cfg.collect_rounds):  # lines 8-13
            if k > 0:
                latents = self._infer(self._buffers.newest())
            rollouts = roll_out(self._physics, self._act_under(latents), cfg.horizon)  # line 11
            self._buffers.append(self._transitions(rollouts))  # line 12
            states = rollouts.observations[:, :-1]
            if k == 0:
                self._probe_labels.add(states, relabel(self._teacher.probe, states))
            else:
                self._labels.add(states, relabel(self._teacher.expert, states))
                metrics |= self._distances(rollouts, f"final_distance_{k}")
        metrics["peak_contact_force"] = float(np.median(rollouts.peak_contact_force))
        self.iteration += 1
        return metrics

    # Lines 15-23.
    def train(self) -> dict[str, float]:
        """Run this iteration's gradient steps; returns the mean of each loss."""
        sums: dict[str, float] = {}
        for _ in range(self.cfg.training_steps):
            losses = self._losses()
            total = (
                losses["bc"]
                + losses["probe_bc"]
                + self.cfg.model_weight * losses["model"]
                + self.cfg.constraint_weight * losses["constraint"]
            )
            if not torch.isfinite(total):
                values = ", ".join(f"{name} {value.item():g}" for name, value in losses.items())
                raise DivergedError(f"iteration {self.iteration}: a loss is not finite ({values})")
            self._optimiser.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()  # lines 21-22
            self._schedule.step()
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.item() / self.cfg.training_steps
        return sums

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the training depends on; see `load_state_dict`."""
        state: dict[str, Any] = {
            name: part.state_dict() for name, part in self._stateful_parts().items()
        }
        state["rng"] = self._rng.bit_generator.state
        state["iteration"] = self.iteration
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly as the run that `state` was taken from would have."""
        for name, part in self._stateful_parts().items():
            part.load_state_dict(state[name])
        self._rng.bit_generator.state = state["rng"]
        self.iteration = state["iteration"]

    def _stateful_parts(self) -> dict[str, Any]:
        return {
            "encoder": self.encoder,
            "policy": self.policy,
            "model": self.model,
            "optimiser": self._optimiser,
            "schedule": self._schedule,
            "buffers": self._buffers,
            "labels": self._labels,
            "probe_labels": self._probe_labels,
        }

    def _losses(self) -> dict[str, Tensor]:
        cfg = self.cfg
        context = _tensor(self._buffers.sample(cfg.context_size, self._rng))  # line 17
        latents = self.encoder(context, self._component)
        bc = self._imitation(self._labels, cfg.expert_size, latents)  # lines 18-20
        # The same for the empty context, whose latent is the family's component.
        probe_bc = self._imitation(self._probe_labels, cfg.probe_size, self._component)
        part = context[:, : cfg.model_size]
        s, a, r, s_next = torch.split(part, [OBSERVATION_DIM, ACTION_DIM, 1, OBSERVATION_DIM], -1)
        predicted = self.model(s, a, latents[:, None].expand(-1, cfg.model_size, -1))
        model = ((predicted - self.model.target(s, r, s_next)) ** 2).sum(-1).mean()
        constraint = ((latents - self._component) ** 2).sum(-1).mean()
        return {"bc": bc, "probe_bc": probe_bc, "model": model, "constraint": constraint}

    def _imitation(self, labels: LabelledStates, size: int, latents: Tensor) -> Tensor:
        """L^BC: squared error of the policy under each task's latent, summed over the action."""
        states, actions = labels.sample(size, self._rng)
        predicted = self.policy(_tensor(states), latents[:, None].expand(-1, size, -1))
        error: Tensor = ((predicted - _tensor(actions)) ** 2).sum(-1).mean()
        return error

    def _first_latents(self) -> Tensor:
        return self._component.clone()

    def _infer(self, contexts: NDArray[np.float32]) -> Tensor:
        with torch.no_grad():
            latents: Tensor = self.encoder(_tensor(contexts), self._component)
        return latents

    def _act_under(self, latents: Tensor) -> Callable[[Array], Array]:
        def act(observation: Array) -> Array:
            with torch.no_grad():
                action: Array = self.policy(_tensor(observation), latents).double().numpy()
            return action

        return act

    def _transitions(self, rollouts: Rollouts) -> Array:
        """Transitions (tasks, T, 28) with each row's own reward."""
        rewards = np.stack(
            [
                reward(observations[1:], task)
                for task, observations in zip(self.tasks, rollouts.observations, strict=True)
            ]
        )
        before, after = rollouts.observations[:, :-1], rollouts.observations[:, 1:]
        return np.concatenate([before, rollouts.actions, rewards[..., None], after], axis=-1)

    def _distances(self, rollouts: Rollouts, label: str) -> dict[str, float]:
        distances: dict[str, list[float]] = {}
        for task, observations in zip(self.tasks, rollouts.observations, strict=True):
            state = FAMILIES[task.family].state(observations[-1])
            distances.setdefault(task.family, []).append(float(np.linalg.norm(state - task.goal)))
        return {f"{label}/{name}": float(np.mean(values)) for name, values in distances.items()}


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)
