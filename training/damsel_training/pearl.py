"""PEARL (Rakelly et al., 2019), the baseline without experts, top to bottom.

Every iteration rolls out all training tasks at once, a row a task: under a latent of the prior,
then under the posterior of the newest such trajectories, then the same from exploring starts. Then
actor, critics and encoder learn from what the buffers hold. Critics are SAC's newer pair without a
value network, with the temperature learned; otherwise the algorithm is the paper's: the encoder
learns from the critics' loss and a KL to the unit Gaussian, and no gradient passes from the actor
to latents.

The dense shaped reward of the experts trains actor and critics. Contexts hold the reward that the
robot receives, so that nothing at test time depends on a goal. Both follow from what happened, so
buffers hold no rewards, and a step can be learned from as one of another goal: see
`PearlCfg.hindsight`.

Networks learn on a GPU if there is one, and act on the processor, a row a task.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from damsel.families import FAMILIES
from damsel.observation import ACTION_DIM, OBSERVATION_DIM
from damsel.tasks import Task
from damsel_sim.arm_parameters import ArmParameters
from damsel_sim.physics import TabletopPhysics
from damsel_training.devices import learning_device, move
from damsel_training.errors import DivergedError
from damsel_training.expert_reward import reward_terms
from damsel_training.exploring_starts import ExploringStarts
from damsel_training.hindsight import padded, random_goals, robot_rewards
from damsel_training.pearl_buffers import TaskRing
from damsel_training.pearl_cfg import PearlCfg
from damsel_training.pearl_networks import (
    Actor,
    Critic,
    GaussianEncoder,
    kl_to_unit_gaussian,
)

__all__ = ["Pearl"]

Array = NDArray[np.float64]
Array32 = NDArray[np.float32]
IntArray = NDArray[np.int64]

# An observation, an action, the contact force (newtons), the next observation; and without force.
_EXPERIENCE_DIM = 2 * OBSERVATION_DIM + ACTION_DIM + 1
_CONTEXT_DIM = 2 * OBSERVATION_DIM + ACTION_DIM


class Pearl:
    """State of the training and its two alternating halves, `collect` and `train`."""

    def __init__(
        self,
        cfg: PearlCfg,
        tasks: Sequence[Task],
        rng: np.random.Generator,
        arm: ArmParameters | None = None,
    ) -> None:
        self.cfg = cfg
        self.tasks = list(tasks)
        self._rng = rng
        self._family = np.array([task.family for task in self.tasks])
        self._goals = np.stack([padded(task.goal) for task in self.tasks])
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
        self._contexts = TaskRing(rows, cfg.kept_contexts * horizon, _CONTEXT_DIM)
        self._physics = TabletopPhysics(rows, arm=arm)
        self._starts = ExploringStarts([t.family for t in self.tasks], np.random.default_rng(0))
        self._device = torch.device("cpu")
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
        with self._learning():
            return self._updates()

    def _updates(self) -> dict[str, float]:
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
                action = self.actor(self._tensor(observation), latents).double().numpy()
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
        family, goals = self._family[chosen], self._goals[chosen]
        if cfg.hindsight:
            elsewhere = self._rng.random(len(chosen)) < cfg.hindsight
            goals = np.where(elsewhere[:, None], random_goals(family, self._rng), goals)
        mean, variance = self.encoder(self._context(chosen, goals))
        latent = mean + variance.sqrt() * self._noise(*mean.shape)
        kl = kl_to_unit_gaussian(mean, variance).mean()

        experience = self._experience.sample(chosen, cfg.batch_size, self._rng)
        gain = self._tensor(self._dense_rewards(experience, family, goals))
        before, action, _, after = torch.split(
            self._tensor(experience), [OBSERVATION_DIM, ACTION_DIM, 1, OBSERVATION_DIM], dim=-1
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
            aim = gain + cfg.discount * (following - temperature * next_density)
        first, second = self._critic(before, action, latents)
        critic_loss = functional.mse_loss(first, aim) + functional.mse_loss(second, aim)
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
                action = self.actor.sample(self._tensor(observation), latents, noise)[0]
            actions.append(action.double().numpy())
            step = self._physics.step(actions[-1] * step_size)
            observation = self._physics.observation()
            observations.append(observation)
            applied.append(step.applied / step_size)
            forces.append(step.peak_contact_force)
        seen, acted = np.stack(observations, axis=1), np.stack(actions, axis=1)
        before, after = seen[:, :-1], seen[:, 1:]
        force = np.stack(forces, axis=1)[..., None]
        self._experience.add(np.concatenate([before, acted, force, after], axis=-1))
        if into_contexts:
            moved = np.stack(applied, axis=1)
            self._contexts.add(np.concatenate([before, moved, after], axis=-1))
        self.environment_steps += acted.shape[0] * acted.shape[1]

    def _dense_rewards(self, experience: Array32, family: NDArray[np.str_], goals: Array) -> Array:
        """The experts' shaped reward (M, N) of experience (M, N, ...) under goals (M, GOAL_DIM)."""
        count, size, _ = experience.shape
        rewards = np.empty((count, size))
        for name in np.unique(family):
            rows, kind = family == name, FAMILIES[str(name)]
            steps = experience[rows].reshape(-1, _EXPERIENCE_DIM).astype(np.float64)
            terms = reward_terms(
                self.cfg.reward,
                kind.name,
                steps[:, -OBSERVATION_DIM:],
                np.repeat(goals[rows, : kind.goal_dim], size, axis=0),
                steps[:, OBSERVATION_DIM:][:, :ACTION_DIM],
                steps[:, OBSERVATION_DIM + ACTION_DIM],
            )
            rewards[rows] = np.sum(list(terms.values()), axis=0).reshape(-1, size)
        return self.cfg.reward_scale * rewards

    def _context(self, tasks: IntArray, goals: Array) -> Tensor:
        """Transitions (M, N, 28) of tasks (M,), with the rewards that goals (M, ...) would give."""
        steps = self._contexts.sample(tasks, self.cfg.context_size, self._rng)
        before, after = steps[..., :-OBSERVATION_DIM], steps[..., -OBSERVATION_DIM:]
        rewards = robot_rewards(self._family[tasks], after, goals)[..., None]
        return self._tensor(np.concatenate([before, rewards, after], axis=-1))

    def _reset(self, joint_positions: Array | None) -> Array:
        self._physics.reset(joint_positions=joint_positions)
        return self._physics.observation()

    def _prior(self) -> Tensor:
        return self._noise(len(self.tasks), self.cfg.network.latent_dim)

    def _posterior(self) -> Tensor:
        every = np.arange(len(self.tasks))
        context = self._context(every, self._goals)
        with torch.no_grad():
            mean, variance = self.encoder(context)
            latent: Tensor = mean + variance.sqrt() * self._noise(*mean.shape)
        return latent

    def _noise(self, *shape: int) -> Tensor:
        return self._tensor(self._rng.standard_normal(shape, dtype=np.float32))

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=self._device)

    @contextmanager
    def _learning(self) -> Iterator[None]:
        self._move(learning_device())
        try:
            yield
        finally:
            self._move(torch.device("cpu"))

    def _move(self, device: torch.device) -> None:
        networks = (self.encoder, self.actor, self._critic, self._target)
        optimisers = (self._critic_optimiser, self._actor_optimiser, self._temperature_optimiser)
        move(device, networks, [self._log_temperature], optimisers)
        self._device = device

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
