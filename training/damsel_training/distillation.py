"""A goal-conditioned expert of a family, distilled from the experts of its tasks.

DAMSEL sees trajectories in hindsight as those of other goals (`damsel_training.damsel`), for which
there is no agent. The distilled expert imitates the agents of the family's training tasks, each on
its own goal, and sees what they see: the scene relative to the goal. So it knows what to do for the
goals between theirs. It learns on the states that it visits itself (DAgger, Ross et al. 2011).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from damsel.errors import brief
from damsel.observation import ACTION_DIM
from damsel_sim.arm_parameters import NOMINAL_ARM, apply_arm
from damsel_sim.physics import TabletopPhysics, load_model
from damsel_sim.randomisation import RandomisationCfg, randomised_models
from damsel_training.bounds import require_counts, require_shares
from damsel_training.checkpoints import load_checkpoint
from damsel_training.errors import InvalidDatasetError
from damsel_training.expert_env import expert_observation, expert_observation_dim
from damsel_training.exploring_starts import ExploringStarts
from damsel_training.files import written_whole
from damsel_training.rollouts import roll_out
from damsel_training.task_experts import TaskExperts

__all__ = ["DistillationCfg", "DistilledExpert", "Imitation", "distil_expert"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DistillationCfg:
    """Hyper-parameters of the distillation.

    Attributes:
        rounds: roll-outs of every row, each followed by gradient steps.
        rows: trajectories a task and round.
        horizon: control steps of a trajectory.
        training_steps: gradient steps a round.
        batch_size: states in a gradient step.
        learning_rate: of Adam at the start; falls to a twentieth along a cosine.
        width: units in each of two hidden layers.
        expert_share: part of the rows in which the experts act; in the first round they all do.
        largest_noise: standard deviation of the noise in a row's actions is drawn from 0 to this.
        start_above_probability: chance that the tool starts anywhere above the objects.
        start_at_object_probability: chance that it starts where it can move its object at once.
        nominal: part of the rows whose physics are not randomised.
        randomisation: how the others differ.
    """

    rounds: int = 6
    rows: int = 3
    horizon: int = 100
    training_steps: int = 300
    batch_size: int = 512
    learning_rate: float = 1e-3
    width: int = 256
    expert_share: float = 0.3
    largest_noise: float = 0.5
    start_above_probability: float = 0.25
    start_at_object_probability: float = 0.25
    nominal: float = 0.3
    randomisation: RandomisationCfg = field(default_factory=RandomisationCfg)

    def __post_init__(self) -> None:
        """Refuse what could not be trained."""
        require_counts(self, "rounds", "rows", "horizon", "training_steps", "batch_size", "width")
        require_shares(
            self,
            *("expert_share", "nominal", "start_above_probability", "start_at_object_probability"),
        )


class DistilledExpert:
    """What the agents of a family's tasks would do, for any goal of its range."""

    def __init__(self, family: str, width: int) -> None:
        self.family = family
        self.network = nn.Sequential(
            nn.Linear(expert_observation_dim(family), width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, ACTION_DIM),
            nn.Tanh(),
        )

    def save(self, path: Path) -> None:
        """Write all of it or nothing."""
        with written_whole(path) as file:
            torch.save(self.network.state_dict(), file)

    @classmethod
    def load(cls, family: str, path: Path) -> DistilledExpert:
        """Read what `save` wrote.

        Raises:
            InvalidDatasetError: it cannot be read.
        """
        state = load_checkpoint(path)
        try:
            student = cls(family, len(state["0.bias"]))
            student.network.load_state_dict(state)
        except (KeyError, TypeError, RuntimeError) as error:
            raise InvalidDatasetError(
                f"{path} is no distilled expert ({brief(str(error))}); delete it to distil it anew"
            ) from None
        return student

    def __call__(self, observation: Array, goal: Array) -> Array:
        """Actions (n, 3) in [-1, 1] for observations (n, 12) and goals (n, goal_dim)."""
        features = torch.as_tensor(expert_observation(self.family, observation, goal))
        with torch.no_grad():
            action: Array = self.network(features).double().numpy()
        return action


def distil_expert(
    experts: TaskExperts,
    cfg: DistillationCfg,
    rng: np.random.Generator,
    progress: Callable[[int, str], object] = lambda _done, _note: None,
) -> DistilledExpert:
    """Distil a family's experts into one policy for all its goals.

    Args:
        experts: of the family.
        cfg: hyper-parameters.
        rng: source of randomness.
        progress: told how many rounds are done, and the imitation loss.
    """
    torch.manual_seed(int(rng.integers(2**31)))
    student = DistilledExpert(experts.family, cfg.width)
    imitation = Imitation(
        student, cfg.learning_rate, cfg.batch_size, cfg.rounds * cfg.training_steps
    )
    dagger = _DaggerRows(experts, cfg, rng)
    features: list[Tensor] = []
    labels: list[Tensor] = []
    for done in range(cfg.rounds):
        seen, label = dagger.roll_out(student, 1.0 if done == 0 else cfg.expert_share)
        features.append(seen)
        labels.append(label)
        loss = imitation.fit(torch.cat(features), torch.cat(labels), cfg.training_steps)
        progress(done + 1, f"imitation {loss:.4f}")
    return student


class Imitation:
    """Gradient steps towards given actions; the learning rate falls to a twentieth."""

    def __init__(
        self, student: DistilledExpert, learning_rate: float, batch_size: int, steps: int
    ) -> None:
        """Set up.

        Args:
            student: what learns.
            learning_rate: of Adam at the start.
            batch_size: states in a gradient step.
            steps: gradient steps in all, along a cosine.
        """
        self._network, self._batch_size = student.network, batch_size
        self._optimiser = torch.optim.Adam(
            student.network.parameters(), lr=learning_rate, fused=True
        )
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self._optimiser, steps, learning_rate / 20
        )

    def fit(self, features: Tensor, labels: Tensor, steps: int) -> float:
        """Take steps on random batches of features (n, F) and actions (n, 3); the mean loss."""
        total = 0.0
        for _ in range(steps):
            chosen = torch.randint(len(features), (self._batch_size,))
            error = self._network(features[chosen]) - labels[chosen]
            loss = (error**2).sum(-1).mean()
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            self._schedule.step()
            total += loss.item()
        return total / steps


class _DaggerRows:
    """Rows in which the student or the experts act, towards the experts' goals."""

    def __init__(
        self, experts: TaskExperts, cfg: DistillationCfg, rng: np.random.Generator
    ) -> None:
        self._experts, self._cfg, self._rng = experts, cfg, rng
        self._agents = np.tile(np.arange(len(experts.tasks)), cfg.rows)
        rows = len(self._agents)
        arm = cfg.randomisation.arm
        nominal = apply_arm(load_model(), arm or NOMINAL_ARM)
        scenes = [
            nominal if rng.random() < cfg.nominal else scene
            for scene in randomised_models(cfg.randomisation, rows, rng)
        ]
        self._physics = TabletopPhysics(rows, variants=scenes, arm=arm)
        self._starts = ExploringStarts([experts.family] * rows, rng)

    def roll_out(self, student: DistilledExpert, expert_share: float) -> tuple[Tensor, Tensor]:
        """Features (n, F) of the states visited, and the experts' actions (n, 3) there."""
        cfg, rng, rows = self._cfg, self._rng, len(self._agents)
        goals = self._experts.goals[self._agents]
        noise = rng.uniform(0.0, cfg.largest_noise, rows)
        expert_acts = (rng.random(rows) < expert_share)[:, None]
        features, labels = [], []

        def act(observation: Array) -> Array:
            label = self._experts.act(self._agents, observation)
            features.append(expert_observation(self._experts.family, observation, goals))
            labels.append(label)
            return np.where(expert_acts, label, student(observation, goals))

        starts = self._starts.draw(
            cfg.start_above_probability, cfg.start_at_object_probability, rng
        )
        roll_out(self._physics, act, cfg.horizon, noise, rng, starts=starts)
        return (
            torch.as_tensor(np.concatenate(features)),
            torch.as_tensor(np.concatenate(labels), dtype=torch.float32),
        )
