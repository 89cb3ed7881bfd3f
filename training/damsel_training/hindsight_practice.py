"""A goal-conditioned expert learns from where its own trajectories end.

What is distilled from agents that push each in their own way (`damsel_training.distillation`) moves
smoothly from goal to goal, but stops short of them or beyond. Wherever a trajectory ends, though,
its actions have shown how to get there. So the expert imitates itself with the place reached as the
goal: goal-conditioned supervised learning, Ghosh et al., Learning to Reach Goals via Iterated
Supervised Learning, arXiv 1912.06088. No reward and no agent is needed for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from damsel.families import FAMILIES
from damsel_sim.arm_parameters import ArmParameters
from damsel_sim.physics import TabletopPhysics
from damsel_training.bounds import require_counts, require_shares
from damsel_training.distillation import DistilledExpert, Imitation
from damsel_training.expert_env import expert_observation
from damsel_training.exploring_starts import ExploringStarts
from damsel_training.rollouts import roll_out

__all__ = ["PracticeCfg", "practise"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PracticeCfg:
    """Hyper-parameters of the practice.

    Attributes:
        rounds: roll-outs of every row, each followed by gradient steps.
        kept_rounds: how many of the newest rounds are learned from.
        rows: trajectories a round.
        horizon: control steps of a trajectory.
        training_steps: gradient steps a round.
        batch_size: states in a gradient step.
        learning_rate: of Adam at the start; falls to a twentieth along a cosine.
        largest_force_n: trajectories that press harder are no example.
        start_above_probability: chance that the tool starts anywhere above the objects.
        start_at_object_probability: chance that it starts where it can move its object at once.
    """

    rounds: int = 6
    kept_rounds: int = 2
    rows: int = 300
    horizon: int = 100
    training_steps: int = 300
    batch_size: int = 512
    learning_rate: float = 5e-4
    largest_force_n: float = 25.0
    start_above_probability: float = 0.25
    start_at_object_probability: float = 0.25

    def __post_init__(self) -> None:
        """Refuse what could not be trained; no rounds are no practice."""
        require_counts(self, "kept_rounds", "rows", "horizon", "training_steps", "batch_size")
        require_shares(self, "start_above_probability", "start_at_object_probability")


def practise(
    expert: DistilledExpert,
    cfg: PracticeCfg,
    arm: ArmParameters | None,
    rng: np.random.Generator,
    progress: Callable[[int, str], object] = lambda _done, _note: None,
) -> None:
    """Go on training an expert on its own trajectories, seen in hindsight.

    Physics are nominal and actions free of noise: what else moves the object would be taken for
    the expert's intention.

    Args:
        expert: what learns, in place.
        cfg: hyper-parameters.
        arm: another arm than the nominal one.
        rng: source of goals and starts; torch's own generator draws the batches.
        progress: told how many rounds are done, and how far from its goals the expert ended.
    """
    physics = TabletopPhysics(cfg.rows, arm=arm)
    starts = ExploringStarts([expert.family] * cfg.rows, rng)
    imitation = Imitation(
        expert, cfg.learning_rate, cfg.batch_size, cfg.rounds * cfg.training_steps
    )
    kind = FAMILIES[expert.family]
    rounds: list[tuple[Tensor, Tensor]] = []
    for done in range(cfg.rounds):
        joints = starts.draw(cfg.start_above_probability, cfg.start_at_object_probability, rng)
        # A little beyond the range as well: who stops short of those ends within it.
        goals = rng.uniform(
            np.asarray(kind.low) - kind.strict_threshold,
            np.asarray(kind.high) + kind.strict_threshold,
            (cfg.rows, kind.goal_dim),
        )
        rollouts = roll_out(physics, partial(expert, goal=goals), cfg.horizon, starts=joints)
        reached = kind.state(rollouts.observations[:, -1])
        distance = np.linalg.norm(reached - goals, axis=1)
        example = (distance <= kind.success_threshold) & (
            rollouts.peak_contact_force <= cfg.largest_force_n
        )
        rounds.append(
            _in_hindsight(
                expert.family,
                rollouts.observations[example, :-1],
                rollouts.labels[example],
                reached[example],
            )
        )
        rounds = rounds[-cfg.kept_rounds :]
        features, labels = (torch.cat(parts) for parts in zip(*rounds, strict=True))
        if len(features):
            imitation.fit(features, labels, cfg.training_steps)
        progress(done + 1, f"ended {distance.mean():.4f} {kind.unit} from the goal")


def _in_hindsight(
    family: str, observations: Array, actions: Array, reached: Array
) -> tuple[Tensor, Tensor]:
    """Features (n T, F) relative to what was reached, and the actions (n T, 3).

    Args:
        family: name of the family.
        observations: (n, T, 12).
        actions: (n, T, 3).
        reached: (n, goal_dim).
    """
    goals = np.repeat(reached, observations.shape[1], axis=0)
    seen = observations.reshape(-1, observations.shape[-1])
    labels = actions.reshape(-1, actions.shape[-1])
    return (
        torch.as_tensor(expert_observation(family, seen, goals)),
        torch.as_tensor(labels, dtype=torch.float32),
    )
