"""DAMSEL meta-training: Algorithm 1 of the paper, from line 3 on, top to bottom.

An iteration trains first and collects then, as the experts' data are there to begin with; what the
last one collects is measured only.

Losses are positive squared errors; the minus signs printed before L^BC and L^model are typos.
What goes beyond the paper, and why, is in docs/decisions.md: experts label the states that the
policy itself visits (DAgger); trajectories are seen in hindsight as those of other goals; an empty
context imitates a probe that tells goals apart; and observations are noisy, physics randomised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from damsel.adaptation import INFERENCE_PERIOD
from damsel.families import FAMILIES
from damsel.observation import ACTION_DIM, OBSERVATION_DIM
from damsel.tasks import Task
from damsel_sim.arm_parameters import NOMINAL_ARM, apply_arm
from damsel_sim.physics import TabletopPhysics, load_model
from damsel_sim.randomisation import randomised_models
from damsel_training.augmentation import SHIFTED_CONTEXT, SHIFTED_OBSERVATION, Augmentation
from damsel_training.buffers import Steps, TrajectoryBuffer
from damsel_training.damsel_cfg import DamselCfg
from damsel_training.dataset import ExpertDataset, ExpertPolicy
from damsel_training.errors import DivergedError
from damsel_training.hindsight import padded, random_goals, robot_rewards
from damsel_training.networks import DynamicsModel, Encoder, NetworkCfg, Policy
from damsel_training.probes import probe_goal
from damsel_training.rollouts import Rollouts, roll_out

__all__ = ["MetaLearner", "prior_components"]

Array = NDArray[np.float64]
Array32 = NDArray[np.float32]
IntArray = NDArray[np.int64]


def prior_components(cfg: NetworkCfg) -> dict[str, Array]:
    """Mixture components (L,) by family: equally long, along different axes."""
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
        self._experts = experts
        self.rng = rng
        self.augmentation = Augmentation(cfg.observation_noise_m, cfg.largest_shift_m, rng)
        self._goals = np.stack([padded(task.goal) for task in self.tasks])
        self._family = np.array([task.family for task in self.tasks])
        self._of_family = {
            name: np.flatnonzero(self._family == name) for name in FAMILIES if name in self._family
        }
        self.encoder, self.policy = Encoder(cfg.network), Policy(cfg.network)
        self.model = DynamicsModel(cfg.network)
        fixed = prior_components(cfg.network)
        self._components = nn.Parameter(
            _tensor(np.stack(list(fixed.values()))), requires_grad=cfg.learned_components
        )
        self._component_of = torch.tensor([list(fixed).index(task.family) for task in self.tasks])
        self._physics = TabletopPhysics(
            len(self.tasks), variants=self._scenes(), arm=cfg.randomisation.arm
        )
        self._optimiser = torch.optim.Adam(
            [
                *self.encoder.parameters(),
                *self.policy.parameters(),
                *self.model.parameters(),
                *([self._components] if cfg.learned_components else []),
            ],
            lr=cfg.learning_rate,
        )
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self._optimiser, cfg.iterations * cfg.training_steps, cfg.learning_rate / 20
        )
        # Line 3: replay buffers B_i; the states of D_i*, and beside it those of probes.
        rows, horizon = len(self.tasks), cfg.horizon
        self._buffers = TrajectoryBuffer(rows, cfg.kept_iterations, cfg.collect_rounds, horizon)
        self._states = TrajectoryBuffer(rows, cfg.kept_states, 1, horizon)
        self._probe_states = TrajectoryBuffer(rows, cfg.kept_states, 1, horizon)
        self.iteration = 0

    @property
    def components(self) -> dict[str, Array]:
        """Prior components (L,) by family."""
        values = self._components.detach().double().numpy()
        return dict(zip(FAMILIES, values, strict=True))

    @property
    def component(self) -> Tensor:
        """The prior component of each task's family, (tasks, L)."""
        return self._components[self._component_of]

    # Lines 1-2 happened: the experts exist, and so does the data set of their roll-outs.
    def store(self, dataset: ExpertDataset) -> None:
        """Fill D_i* with expert trajectories, and the first contexts with the experts' probes."""
        for attempts, probes in zip(dataset.experts, dataset.probes, strict=True):
            for buffer, rollouts in (
                (self._states, attempts),
                (self._probe_states, probes),
                (self._buffers, probes),
            ):
                buffer.begin(self._goals)
                buffer.append(rollouts.observations, rollouts.actions)

    # Lines 6-14.
    def collect(self) -> dict[str, float]:
        """Run the current policy on every task: the probe first, then under inferred latents.

        Returns:
            Mean final distance to the goals pursued by family under each inferred latent, and
            the median of the peak contact force under the last.
        """
        cfg = self.cfg
        elsewhere = self.rng.random(len(self.tasks)) < cfg.hindsight
        goals = np.where(elsewhere[:, None], random_goals(self._family, self.rng), self._goals)
        self._buffers.begin(goals)
        metrics: dict[str, float] = {}
        for k in range(cfg.collect_rounds):  # lines 7-13
            agent = _Agent(self, goals, probing=k == 0)
            rollouts = roll_out(self._physics, agent.act, cfg.horizon, watch=agent.watch)  # line 11
            self._buffers.append(rollouts.observations, rollouts.actions)  # line 12
            if cfg.dagger:
                states = self._states if k > 0 else self._probe_states
                states.begin(goals)
                states.append(rollouts.observations, rollouts.actions)
            if k > 0:
                metrics |= self._distances(rollouts, goals, f"final_distance_{k}")
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
                + self.cfg.probe_weight * losses["probe_bc"]
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
        state["components"] = self._components.detach()
        state["rng"] = self.rng.bit_generator.state
        state["iteration"] = self.iteration
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly as the run that `state` was taken from would have."""
        for name, part in self._stateful_parts().items():
            part.load_state_dict(state[name])
        with torch.no_grad():
            self._components.copy_(state["components"])
        self.rng.bit_generator.state = state["rng"]
        self.iteration = state["iteration"]

    def _stateful_parts(self) -> dict[str, Any]:
        return {
            "encoder": self.encoder,
            "policy": self.policy,
            "model": self.model,
            "optimiser": self._optimiser,
            "schedule": self._schedule,
            "buffers": self._buffers,
            "states": self._states,
            "probe_states": self._probe_states,
        }

    def _scenes(self) -> list[Any]:
        """A scene a task, nominal or randomised; the same in every run, so a resumed one's too."""
        rng = np.random.default_rng(list(b"scenes of meta-training"))
        count = len(self.tasks)
        varied = randomised_models(self.cfg.randomisation, count, rng)
        chosen = rng.random(count) < self.cfg.randomised
        nominal = apply_arm(load_model(), self.cfg.randomisation.arm or NOMINAL_ARM)
        return [varied[row] if chosen[row] else nominal for row in range(count)]

    def _losses(self) -> dict[str, Tensor]:
        cfg = self.cfg
        tasks = self._draw_tasks()  # line 16
        family, component = self._family[tasks], self.component[tasks]
        steps, goals = self._buffers.sample_contexts(tasks, cfg.context_size, self.rng)  # line 17
        elsewhere = self.rng.random(len(tasks)) < cfg.hindsight
        goals = np.where(elsewhere[:, None], random_goals(family, self.rng), goals)
        context = self._context(self.augmentation.noisy_steps(steps), family, goals)
        shift = self.augmentation.shifts(len(tasks))
        context = context + _tensor(shift @ SHIFTED_CONTEXT)[:, None]
        latents = self.encoder(context, component)
        # Lines 18-20. The expert of a goal knows what to do in any state of its family.
        relatives = np.stack([self._of_family[name] for name in family])
        states = self._states.sample_states_near(
            relatives, goals, cfg.expert_size, cfg.candidates, self.rng
        )
        actions = self._expert_actions(states, family, goals)
        bc = self._imitation(states, actions, latents, shift)
        probe_bc = self._probe_loss(tasks, shift) if cfg.probe_weight else bc.new_zeros(())
        part = context[:, : cfg.model_size]
        s, a, r, s_next = torch.split(part, [OBSERVATION_DIM, ACTION_DIM, 1, OBSERVATION_DIM], -1)
        predicted = self.model(s, a, latents[:, None].expand(-1, cfg.model_size, -1))
        model = ((predicted - self.model.target(s, r, s_next)) ** 2).sum(-1).mean()
        constraint = ((latents - component) ** 2).sum(-1).mean()
        return {"bc": bc, "probe_bc": probe_bc, "model": model, "constraint": constraint}

    def _probe_loss(self, tasks: IntArray, shift: Array) -> Tensor:
        """Imitation under the empty context, whose latent is the family's component."""
        states = self._probe_states.sample_states(tasks, self.cfg.probe_size, self.rng)
        actions = self._expert_actions(states, self._family[tasks], None)
        return self._imitation(states, actions, self.component[tasks], shift)

    def _draw_tasks(self) -> IntArray:
        return np.concatenate(
            [self.rng.permutation(rows)[: self.cfg.task_batch] for rows in self._of_family.values()]
        )

    def _expert_actions(
        self, states: Array32, family: NDArray[np.str_], goals: Array | None
    ) -> Array:
        """What the experts would do in states (M, S, 12), (M, S, 3): pursue goals, or probe."""
        count, size, _ = states.shape
        actions = np.empty((count, size, ACTION_DIM))
        for name in self._of_family:
            rows = family == name
            flat = states[rows].reshape(-1, OBSERVATION_DIM).astype(np.float64)
            if goals is None:
                goal = probe_goal(name, flat)
            else:
                goal = np.repeat(goals[rows, : FAMILIES[name].goal_dim], size, axis=0)
            actions[rows] = self._experts[name](flat, goal).reshape(-1, size, ACTION_DIM)
        return actions

    def _imitation(self, states: Array32, actions: Array, latents: Tensor, shift: Array) -> Tensor:
        """L^BC: squared error of the policy under each task's latent, summed over the action.

        The policy sees the states through noise and shifted; the expert that it imitates saw them
        as they are. What to do does not change when all of the scene moves, arm included.
        """
        seen = (
            states + self.augmentation.noise(states.shape) + (shift @ SHIFTED_OBSERVATION)[:, None]
        )
        predicted = self.policy(_tensor(seen), latents[:, None].expand(-1, states.shape[1], -1))
        error: Tensor = ((predicted - _tensor(actions)) ** 2).sum(-1).mean()
        return error

    def _context(self, steps: Steps, family: NDArray[np.str_], goals: Array) -> Tensor:
        """Transitions (M, N, 28) with the rewards that the goals would give."""
        rewards = robot_rewards(family, steps.after, goals)[..., None]
        return _tensor(np.concatenate([steps.before, steps.action, rewards, steps.after], axis=-1))

    def context_under_way(self) -> Steps:
        """What every task has gathered so far in this iteration, (tasks, N, ...)."""
        return self._buffers.newest()

    def first_latents(self) -> Tensor:
        """Latents (tasks, L) of probes, before there is any context (line 7)."""
        return self.component.detach()

    def infer(self, steps: Steps, goals: Array) -> Tensor:
        """Latents (tasks, L) from steps (tasks, N, ...) of tasks with these goals (line 10)."""
        with torch.no_grad():
            context = self._context(steps, self._family, goals)
            latents: Tensor = self.encoder(context, self.component)
        return latents

    def act(self, observation: Array, latents: Tensor) -> Array:
        """Actions (tasks, 3) of the policy for observations (tasks, 12)."""
        with torch.no_grad():
            action: Array = self.policy(_tensor(observation), latents).double().numpy()
        return action

    def _distances(self, rollouts: Rollouts, goals: Array, label: str) -> dict[str, float]:
        distances = {}
        for name, rows in self._of_family.items():
            kind = FAMILIES[name]
            state = kind.state(rollouts.observations[rows, -1])
            gap = np.linalg.norm(state - goals[rows, : kind.goal_dim], axis=1)
            distances[f"{label}/{name}"] = float(np.mean(gap))
        return distances


class _Agent:
    """The policy in one trajectory a task, as it will be on the robot.

    Under the prior components while probing; later under latents that are inferred before and
    during the trajectory. Rows see their observations through noise of their own strength.
    """

    def __init__(self, learner: MetaLearner, goals: Array, *, probing: bool) -> None:
        self._learner, self._goals, self._probing = learner, goals, probing
        self._noise_m = learner.augmentation.noise_strength(len(learner.tasks))
        self._seen: list[Array] = []
        self._actions: list[Array] = []
        if probing:
            self._latents = learner.first_latents()
        else:
            before, action, after = learner.context_under_way()
            self._earlier = Steps(self._look(before), action, self._look(after))
            self._latents = learner.infer(self._earlier, goals)

    def act(self, observation: Array) -> Array:
        """Actions (tasks, 3) for observations (tasks, 12)."""
        self._seen.append(self._look(observation))
        steps = len(self._actions)
        if not self._probing and steps and steps % INFERENCE_PERIOD == 0:
            seen = np.stack(self._seen, axis=1)
            now = Steps(seen[:, :-1], np.stack(self._actions, axis=1), seen[:, 1:])
            both = [np.concatenate(pair, axis=1) for pair in zip(self._earlier, now, strict=True)]
            self._latents = self._learner.infer(Steps(*both), self._goals)
        return self._learner.act(self._seen[-1], self._latents)

    def watch(self, _before: Array, action: Array, _after: Array) -> None:
        """Take note of what was applied."""
        self._actions.append(action)

    def _look(self, observation: NDArray[np.floating[Any]]) -> Array:
        return self._learner.augmentation.look(observation, self._noise_m)


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)
