"""PEARL (Rakelly et al., 2019), the baseline without experts, top to bottom.

Every iteration rolls out all training tasks at once, a row a task: under a latent of the prior,
then under the posterior of the newest such trajectories, then the same from exploring starts. Then
actor, critics and encoder learn from what the buffers hold. Critics are SAC's newer pair without a
value network, with the temperature learned; otherwise the algorithm is the paper's: the encoder
learns from the critics' loss and a KL to the unit Gaussian, and no gradient passes from the actor
to latents.

The dense shaped reward of the experts trains actor and critics. Contexts hold the reward that the
robot receives, so that nothing at test time depends on a goal.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from damsel.errors import InvalidConfigError
from damsel.families import FAMILIES
from damsel.observation import ACTION_DIM, OBSERVATION_DIM, TRANSITION_DIM
from damsel.tasks import Task, reward
from damsel_sim.physics import TabletopPhysics
from damsel_training.errors import DivergedError
from damsel_training.expert_reward import ExpertRewardCfg, reward_terms
from damsel_training.exploring_starts import ExploringStarts
from damsel_training.pearl_buffers import TaskRing
from damsel_training.pearl_networks import (
    Actor,
    Critic,
    GaussianEncoder,
    PearlNetworkCfg,
    kl_to_unit_gaussian,
)

__all__ = ["Pearl", "PearlCfg"]

Array = NDArray[np.float64]

_EXPERIENCE_DIM = 2 * OBSERVATION_DIM + ACTION_DIM + 1


@dataclass(frozen=True)
class PearlCfg:
    """Hyper-parameters. The budget is whichever is spent first: steps or seconds.

    Attributes:
        environment_steps: of all tasks together.
        wall_seconds: of the training, interruptions not counted. By default there is no such limit:
            what it leaves room for depends on the machine.
        first_trajectories: trajectories a task under the prior before the first update.
        updates: gradient steps an iteration.
        meta_batch: tasks in a gradient step.
        batch_size: transitions a task in a gradient step.
        context_size: transitions a task that a latent is inferred from.
        kept_contexts: newest trajectories a task, under the prior, that contexts are drawn from.
        capacity: transitions a task that actor and critics learn from.
        kl_weight: weight of the KL to the prior.
        reward_scale: factor on the dense reward.
        learning_rate: of every Adam.
        discount: gamma.
        target_rate: tau of the target critics.
        first_temperature: SAC's temperature at the start.
        start_above: chance of an exploring start above the objects, in the third trajectory.
        start_at_object: chance of one at the task's object.
        horizon: control steps of a trajectory.
        evaluate_every: iterations between measurements on the training tasks.
        reward: weights of the dense reward.
        network: sizes of the networks.
    """

    environment_steps: int = 1_350_000
    wall_seconds: float = float("inf")
    first_trajectories: int = 4
    updates: int = 500
    meta_batch: int = 16
    batch_size: int = 64
    context_size: int = 100
    kept_contexts: int = 4
    capacity: int = 12_000
    kl_weight: float = 0.1
    reward_scale: float = 1.0
    learning_rate: float = 1e-3
    discount: float = 0.97
    target_rate: float = 0.005
    first_temperature: float = 0.2
    start_above: float = 0.3
    start_at_object: float = 0.4
    horizon: int = 100
    evaluate_every: int = 5
    reward: ExpertRewardCfg = field(default_factory=ExpertRewardCfg)
    network: PearlNetworkCfg = field(default_factory=PearlNetworkCfg)

    def __post_init__(self) -> None:
        """Refuse what could not be trained."""
        if self.first_trajectories < 1 or self.updates < 1:
            raise InvalidConfigError(
                f"first_trajectories is {self.first_trajectories} and updates is {self.updates}; "
                "allowed: from 1"
            )
        if not 0.0 <= self.start_above + self.start_at_object <= 1.0:
            raise InvalidConfigError(
                f"start_above + start_at_object is {self.start_above + self.start_at_object:g}; "
                "allowed: from 0 to 1"
            )


class Pearl:
    """State of the training and its two alternating halves, `collect` and `train`."""

    def __init__(self, cfg: PearlCfg, tasks: Sequence[Task], rng: np.random.Generator) -> None:
        self.cfg = cfg
        self.tasks = list(tasks)
        self._rng = rng
        rows, horizon = len(self.tasks), cfg.horizon
        self.encoder = GaussianEncoder(cfg.network)
        self.actor = Actor(cfg.network)
        self._critic = Critic(cfg.network)
        self._target = copy.deepcopy(self._critic).requires_grad_(False)
        self._log_temperature = torch.tensor(np.log(cfg.first_temperature), dtype=torch.float32)
        self._log_temperature.requires_grad_(True)
        rate = cfg.learning_rate
        self._critic_optimiser = torch.optim.Adam(
            [*self._critic.parameters(), *self.encoder.parameters()], lr=rate
        )
        self._actor_optimiser = torch.optim.Adam(self.actor.parameters(), lr=rate)
        self._temperature_optimiser = torch.optim.Adam([self._log_temperature], lr=rate)
        self._experience = TaskRing(rows, cfg.capacity, _EXPERIENCE_DIM)
        self._contexts = TaskRing(rows, cfg.kept_contexts * horizon, TRANSITION_DIM)
        self._physics = TabletopPhysics(rows)
        self._starts = ExploringStarts([t.family for t in self.tasks], np.random.default_rng(0))
        self.iteration = 0
        self.environment_steps = 0
        self.wall_seconds = 0.0

    @property
    def finished(self) -> bool:
        """Whether the budget of steps or of seconds is spent."""
        cfg = self.cfg
        return (
            self.environment_steps >= cfg.environment_steps or self.wall_seconds >= cfg.wall_seconds
        )

    # Meta-training, lines 4-10: collect data for every task.
    def collect(self) -> None:
        """Add trajectories of every task under the prior, under the posterior, and exploring.

        Contexts are drawn from the first alone: what is done under the posterior gives the task
        away by itself, and an encoder that reads it there has nothing to read at test time.
        """
        cfg = self.cfg
        for _ in range(cfg.first_trajectories if self.iteration == 0 else 1):
            self._roll_out(self._prior(), into_contexts=True)
        self._roll_out(self._posterior(), into_contexts=False)
        joints = self._starts.draw(cfg.start_above, cfg.start_at_object, self._rng)
        self._roll_out(self._posterior(), into_contexts=False, joint_positions=joints)
        self.iteration += 1

    # Meta-training, lines 11-20: update encoder, critics and actor.
    def train(self) -> dict[str, float]:
        """Run this iteration's gradient steps; returns the mean of each loss."""
        sums: dict[str, float] = {}
        for _ in range(self.cfg.updates):
            losses = self._update()
            if not np.isfinite(list(losses.values())).all():
                values = ", ".join(f"{name} {value:g}" for name, value in losses.items())
                raise DivergedError(
                    f"PEARL, iteration {self.iteration}: a loss is not finite ({values})"
                )
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value / self.cfg.updates
        return sums

    def measure(self) -> dict[str, float]:
        """Mean final distance by family, of the likeliest actions under posteriors, from home."""
        latents = self._posterior()
        observation = self._reset(None)
        for _ in range(self.cfg.horizon):
            with torch.no_grad():
                action = self.actor(_tensor(observation), latents).double().numpy()
            self._physics.step(action * self._physics.cfg.step_size_m)
            observation = self._physics.observation()
        distances: dict[str, list[float]] = {}
        for task, final in zip(self.tasks, observation, strict=True):
            state = FAMILIES[task.family].state(final)
            distances.setdefault(task.family, []).append(float(np.linalg.norm(state - task.goal)))
        return {f"final_distance/{name}": float(np.mean(each)) for name, each in distances.items()}

    def _update(self) -> dict[str, float]:
        cfg = self.cfg
        chosen = self._rng.choice(
            len(self.tasks), min(cfg.meta_batch, len(self.tasks)), replace=False
        )
        context = torch.from_numpy(self._contexts.sample(chosen, cfg.context_size, self._rng))
        mean, variance = self.encoder(context)
        latent = mean + variance.sqrt() * self._noise(*mean.shape)
        kl = kl_to_unit_gaussian(mean, variance).mean()

        experience = torch.from_numpy(self._experience.sample(chosen, cfg.batch_size, self._rng))
        before, action, gain, after = torch.split(
            experience, [OBSERVATION_DIM, ACTION_DIM, 1, OBSERVATION_DIM], dim=-1
        )
        latents = latent[:, None].expand(-1, cfg.batch_size, -1)
        detached = latents.detach()

        # Critics, and through them the encoder. Nothing ends but by the clock, so every value is
        # followed by another.
        temperature = self._log_temperature.exp().detach()
        with torch.no_grad():
            next_action, next_density = self.actor.sample(
                after, detached, self._noise(*action.shape)
            )
            following = torch.minimum(*self._target(after, next_action, detached))
            goal = gain.squeeze(-1) + cfg.discount * (following - temperature * next_density)
        first, second = self._critic(before, action, latents)
        critic_loss = functional.mse_loss(first, goal) + functional.mse_loss(second, goal)
        self._critic_optimiser.zero_grad()
        (critic_loss + cfg.kl_weight * kl).backward()  # type: ignore[no-untyped-call]
        self._critic_optimiser.step()

        # Actor. Its loss passes through the critics without changing them.
        for weight in self._critic.parameters():
            weight.requires_grad_(False)
        own, density = self.actor.sample(before, detached, self._noise(*action.shape))
        value = torch.minimum(*self._critic(before, own, detached))
        actor_loss = (temperature * density - value).mean()
        self._actor_optimiser.zero_grad()
        actor_loss.backward()  # type: ignore[no-untyped-call]
        self._actor_optimiser.step()
        for weight in self._critic.parameters():
            weight.requires_grad_(True)

        # Temperature: the entropy is held at minus the number of action coordinates.
        excess = float((density.detach() - ACTION_DIM).mean())
        self._temperature_optimiser.zero_grad()
        (-self._log_temperature * excess).backward()  # type: ignore[no-untyped-call]
        self._temperature_optimiser.step()

        with torch.no_grad():
            for old, new in zip(self._target.parameters(), self._critic.parameters(), strict=True):
                old.lerp_(new, cfg.target_rate)
        return {
            "critic": critic_loss.item(),
            "actor": actor_loss.item(),
            "kl": kl.item(),
            "temperature": temperature.item(),
        }

    def _roll_out(
        self, latents: Tensor, *, into_contexts: bool, joint_positions: Array | None = None
    ) -> None:
        """One trajectory of every task, by sampled actions, into the buffers."""
        step_size = self._physics.cfg.step_size_m
        observation = self._reset(joint_positions)
        observations, actions, applied, forces = [observation], [], [], []
        for _ in range(self.cfg.horizon):
            with torch.no_grad():
                noise = self._noise(len(self.tasks), ACTION_DIM)
                action = self.actor.sample(_tensor(observation), latents, noise)[0]
            actions.append(action.double().numpy())
            step = self._physics.step(actions[-1] * step_size)
            observation = self._physics.observation()
            observations.append(observation)
            applied.append(step.applied / step_size)
            forces.append(step.peak_contact_force)
        seen, acted = np.stack(observations, axis=1), np.stack(actions, axis=1)
        before, after = seen[:, :-1], seen[:, 1:]
        dense = self._dense_rewards(after, acted, np.stack(forces, axis=1))
        self._experience.add(np.concatenate([before, acted, dense[..., None], after], axis=-1))
        if into_contexts:
            robot = np.stack([reward(o, task) for o, task in zip(after, self.tasks, strict=True)])
            moved = np.stack(applied, axis=1)
            self._contexts.add(np.concatenate([before, moved, robot[..., None], after], axis=-1))
        self.environment_steps += acted.shape[0] * acted.shape[1]

    def _dense_rewards(self, after: Array, actions: Array, forces: Array) -> Array:
        """The experts' shaped reward (tasks, T), which knows each task's goal."""
        rewards = np.empty(forces.shape)
        for row, task in enumerate(self.tasks):
            goals = np.repeat(np.array([task.goal]), forces.shape[1], axis=0)
            terms = reward_terms(
                self.cfg.reward, task.family, after[row], goals, actions[row], forces[row]
            )
            rewards[row] = self.cfg.reward_scale * np.sum(list(terms.values()), axis=0)
        return rewards

    def _reset(self, joint_positions: Array | None) -> Array:
        self._physics.reset(joint_positions=joint_positions)
        return self._physics.observation()

    def _prior(self) -> Tensor:
        return self._noise(len(self.tasks), self.cfg.network.latent_dim)

    def _posterior(self) -> Tensor:
        every = np.arange(len(self.tasks))
        context = self._contexts.sample(every, self.cfg.context_size, self._rng)
        with torch.no_grad():
            mean, variance = self.encoder(torch.from_numpy(context))
            latent: Tensor = mean + variance.sqrt() * self._noise(*mean.shape)
        return latent

    def _noise(self, *shape: int) -> Tensor:
        return torch.from_numpy(self._rng.standard_normal(shape, dtype=np.float32))

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the training depends on; see `load_state_dict`."""
        state: dict[str, Any] = {
            name: part.state_dict() for name, part in self._stateful_parts().items()
        }
        state["log_temperature"] = self._log_temperature.detach()
        state["rng"] = self._rng.bit_generator.state
        for name in ("iteration", "environment_steps", "wall_seconds"):
            state[name] = getattr(self, name)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on exactly as the run that `state` was taken from would have."""
        for name, part in self._stateful_parts().items():
            part.load_state_dict(state[name])
        with torch.no_grad():
            self._log_temperature.copy_(state["log_temperature"])
        self._rng.bit_generator.state = state["rng"]
        for name in ("iteration", "environment_steps", "wall_seconds"):
            setattr(self, name, state[name])

    def _stateful_parts(self) -> dict[str, Any]:
        return {
            "encoder": self.encoder,
            "actor": self.actor,
            "critic": self._critic,
            "target": self._target,
            "critic_optimiser": self._critic_optimiser,
            "actor_optimiser": self._actor_optimiser,
            "temperature_optimiser": self._temperature_optimiser,
            "experience": self._experience,
            "contexts": self._contexts,
        }


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)
