"""Lines 1-2 of Algorithm 1 as in the paper: an off-policy agent for each training task.

The agents of some tasks of one family learn together (`task_sac`): each acts in rows of its own,
and since rewards follow from what was observed, half of what each learns from is what the others
did, with its own task's reward.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from damsel.families import FAMILIES
from damsel.observation import ACTION_DIM, OBSERVATION_DIM
from damsel.tasks import Task
from damsel_sim.arm_parameters import NOMINAL_ARM, apply_arm
from damsel_sim.physics import TabletopPhysics, load_model
from damsel_sim.randomisation import randomised_models
from damsel_training.expert_env import expert_observation, expert_observation_dim
from damsel_training.expert_reward import reward_terms
from damsel_training.expert_score import ExpertScore
from damsel_training.exploring_starts import ExploringStarts
from damsel_training.rollouts import roll_out
from damsel_training.task_agents_cfg import TaskAgentsCfg
from damsel_training.task_sac import Actors, Batch, TaskSac

__all__ = ["TaskAgents"]

Array = NDArray[np.float64]


class _Replay:
    """Every step of every row since the beginning; rows belong to tasks in turn."""

    def __init__(self, steps: int, rows: int) -> None:
        self.length = 0
        # What really was, which rewards and critics are of, and what was seen of it.
        self.before = np.zeros((steps, rows, OBSERVATION_DIM), np.float32)
        self.seen_before = np.zeros((steps, rows, OBSERVATION_DIM), np.float32)
        self.action = np.zeros((steps, rows, ACTION_DIM), np.float32)
        self.after = np.zeros((steps, rows, OBSERVATION_DIM), np.float32)
        self.seen_after = np.zeros((steps, rows, OBSERVATION_DIM), np.float32)
        self.force = np.zeros((steps, rows), np.float32)

    def append(self, **step: NDArray[np.floating[Any]]) -> None:
        for name, values in step.items():
            getattr(self, name)[self.length] = values
        self.length += 1

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


class TaskAgents:
    """The agents of some tasks of one family, their rows and their experience.

    Between two trajectories `state_dict` holds all of it: the scene begins anew anyway.
    """

    def __init__(self, tasks: Sequence[Task], cfg: TaskAgentsCfg, seed: int) -> None:
        """Set up agents that know nothing.

        Args:
            tasks: of one family.
            cfg: hyper-parameters.
            seed: of networks, scenes and exploration.
        """
        (self.family,) = {task.family for task in tasks}
        self.cfg = cfg
        self._goals = np.array([task.goal for task in tasks])
        self._rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        agents, env = len(tasks), cfg.env
        rows = agents * cfg.rows
        self._row_goals = np.tile(self._goals, (cfg.rows, 1))
        scenes = np.random.default_rng(list(b"scenes of experts"))
        self._physics = TabletopPhysics(
            rows,
            variants=randomised_models(env.randomisation, env.variants, scenes),
            arm=env.randomisation.arm,
        )
        self._starts = ExploringStarts([self.family] * rows, scenes)
        nominal = apply_arm(load_model(), env.randomisation.arm or NOMINAL_ARM)
        others = randomised_models(env.randomisation, cfg.evaluation_rows - 1, scenes)
        self._evaluation_physics = TabletopPhysics(
            agents * cfg.evaluation_rows,
            variants=np.repeat(np.array([nominal, *others], object), agents).tolist(),
            arm=env.randomisation.arm,
        )
        self._sac = TaskSac(
            agents,
            expert_observation_dim(self.family),
            cfg.width,
            cfg.discount,
            cfg.target_rate,
        )
        self._replay = _Replay(cfg.trajectories * env.horizon, rows)
        self.best = Actors(agents, expert_observation_dim(self.family), cfg.width)
        self.scores = [ExpertScore.none()] * agents
        self.trajectory = 0
        self.cpu_seconds = 0.0

    @property
    def done(self) -> bool:
        """Whether there is nothing left to learn."""
        enough = all(score.merit >= self.cfg.enough for score in self.scores)
        return enough or self.trajectory >= self.cfg.trajectories

    def learn(self) -> None:
        """One trajectory in every row, with its gradient steps."""
        env = self.cfg.env
        joints = self._starts.draw(
            env.start_above_probability, env.start_at_object_probability, self._rng
        )
        self._physics.reset(joint_positions=joints)
        noise = _Noise(env.observation_noise_m, self._physics.rows, self._rng)
        step_size = self._physics.cfg.step_size_m
        after = self._physics.observation()
        seen_after = noise(after)
        for step in range(env.horizon):
            blind = self.trajectory == 0 and step < env.horizon // 2
            before, seen_before = after, seen_after
            action = (
                self._rng.uniform(-1, 1, (len(before), 3)) if blind else self._explore(seen_before)
            )
            result = self._physics.step(action * step_size)
            after = self._physics.observation()
            seen_after = noise(after)
            self._replay.append(
                before=before,
                seen_before=seen_before,
                action=action,
                after=after,
                seen_after=seen_after,
                force=result.peak_contact_force,
            )
            if not blind:
                self._update()
        self.trajectory += 1

    def evaluate(self) -> None:
        """Score every agent's deterministic policy; the best of each is kept, with its score."""
        cfg, kind = self.cfg, FAMILIES[self.family]
        agents = len(self._goals)
        goals = np.tile(self._goals, (cfg.evaluation_rows, 1))
        rng = np.random.default_rng(7)
        strength = np.full((len(goals), 1), cfg.env.observation_noise_m / 2)
        strength[:agents] = 0.0

        def act(observation: Array) -> Array:
            noise = strength * rng.standard_normal(observation.shape)
            with torch.no_grad():
                actions = self._sac.actors.mode(self._features(observation + noise, goals))
            return self._by_row(actions)

        rollouts = roll_out(self._evaluation_physics, act, cfg.env.horizon)
        distance = np.linalg.norm(kind.state(rollouts.observations[:, -1]) - goals, axis=1)
        distance = distance.reshape(-1, agents)
        force = rollouts.peak_contact_force.reshape(-1, agents)
        for agent in range(agents):
            score = ExpertScore(
                success=float(distance[0, agent] <= kind.success_threshold),
                strict_success=float(distance[0, agent] <= kind.strict_threshold),
                distance=float(distance[0, agent]),
                peak_force=float(force[0, agent]),
                disturbed_success=float((distance[1:, agent] <= kind.strict_threshold).mean()),
                disturbed_force=float(np.quantile(force[1:, agent], 0.95)),
            )
            if score.merit >= self.scores[agent].merit:
                self.scores[agent] = score
                self._keep(agent)

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the learning depends on."""
        return {
            "sac": self._sac.state_dict(),
            "replay": self._replay.state_dict(),
            "best": self.best.state_dict(),
            "scores": [score._asdict() for score in self.scores],
            "trajectory": self.trajectory,
            "cpu_seconds": self.cpu_seconds,
            "rng": self._rng.bit_generator.state,
            "torch_rng": torch.get_rng_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly as the agents that `state` was taken from would have."""
        self._sac.load_state_dict(state["sac"])
        self._replay.load_state_dict(state["replay"])
        self.best.load_state_dict(state["best"])
        self.scores = [ExpertScore(**score) for score in state["scores"]]
        self.trajectory = state["trajectory"]
        self.cpu_seconds = state["cpu_seconds"]
        self._rng.bit_generator.state = state["rng"]
        torch.set_rng_state(state["torch_rng"])

    def _keep(self, agent: int) -> None:
        with torch.no_grad():
            for kept, new in zip(
                self.best.parameters(), self._sac.actors.parameters(), strict=True
            ):
                kept[agent] = new[agent]

    def _features(self, observation: Array, goal: Array) -> torch.Tensor:
        """Features (A, rows a task, F) of observations (rows, 12) that belong to tasks in turn."""
        features = expert_observation(self.family, observation, goal)
        by_row = torch.as_tensor(features).view(-1, len(self._goals), features.shape[-1])
        return by_row.transpose(0, 1)

    def _by_row(self, actions: torch.Tensor) -> Array:
        array: Array = actions.transpose(0, 1).reshape(-1, ACTION_DIM).double().numpy()
        return array

    def _explore(self, observation: Array) -> Array:
        with torch.no_grad():
            actions, _ = self._sac.actors.sample(self._features(observation, self._row_goals))
        return self._by_row(actions)

    def _update(self) -> None:
        cfg = self.cfg
        done = self._replay.length / len(self._replay.force)
        learning_rate = cfg.learning_rate * (1 - 0.7 * done)
        batch = self._sample(cfg.updates_per_step * cfg.batch_size)
        for part in range(cfg.updates_per_step):
            chosen = slice(part * cfg.batch_size, (part + 1) * cfg.batch_size)
            self._sac.update(Batch(*(values[:, chosen] for values in batch)), learning_rate)

    def _sample(self, count: int) -> Batch:
        """`count` transitions for each agent, its own and others' mixed, with its own rewards."""
        replay, agents = self._replay, len(self._goals)
        shape = (agents, count)
        steps = self._rng.integers(0, replay.length, shape)
        owner = self._rng.integers(0, agents, shape)
        own = self._rng.random(shape) < self.cfg.own_share
        owner = np.where(own, np.arange(agents)[:, None], owner)
        rows = owner + agents * self._rng.integers(0, self.cfg.rows, shape)
        chosen = steps.ravel(), rows.ravel()
        goals = np.repeat(self._goals, count, axis=0)
        terms = reward_terms(
            self.cfg.env.reward,
            self.family,
            replay.after[chosen],
            goals,
            replay.action[chosen],
            replay.force[chosen],
        )
        reward = sum(terms.values())
        assert isinstance(reward, np.ndarray)

        def tensor(values: NDArray[Any]) -> torch.Tensor:
            return torch.as_tensor(values.astype(np.float32)).view(agents, count, *values.shape[1:])

        def features(observations: NDArray[np.float32]) -> torch.Tensor:
            return tensor(expert_observation(self.family, observations[chosen], goals))

        return Batch(
            features(replay.seen_before),
            features(replay.before),
            tensor(replay.action[chosen]),
            tensor(reward),
            features(replay.seen_after),
            features(replay.after),
        )


class _Noise:
    """Noise of a trajectory's observations: half constant throughout, half new every step."""

    def __init__(self, most_m: float, rows: int, rng: np.random.Generator) -> None:
        self._rng = rng
        self._scale = rng.uniform(0.0, most_m, (rows, 1)) / np.sqrt(2)
        self._bias = rng.standard_normal((rows, OBSERVATION_DIM))

    def __call__(self, observation: Array) -> Array:
        new = self._rng.standard_normal(observation.shape)
        noisy: Array = observation + self._scale * (self._bias + new)
        return noisy
