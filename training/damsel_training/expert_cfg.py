"""Hyper-parameters of a goal-conditioned expert."""

from __future__ import annotations

from dataclasses import dataclass, field

from damsel.errors import InvalidConfigError
from damsel_training.bounds import require_counts, require_shares
from damsel_training.expert_env import ExpertEnvCfg

__all__ = ["ExpertCfg"]


@dataclass(frozen=True)
class ExpertCfg:
    """Hyper-parameters of an expert.

    Attributes:
        steps: environment steps, all rows together.
        longest: how many times as many it takes at most, where the best policy is not good enough.
        good_enough: strict success of the best policy after which no more than `steps` are taken.
        evaluate_every: environment steps between evaluations and checkpoints, after which all rows
            begin new trajectories; best a multiple of their steps.
        evaluation_goals: goals in each evaluation.
        updates_per_step: gradient steps for one step of all rows.
        batch_size: transitions in a gradient step.
        learning_rate: of Adam at the start; falls linearly to three tenths.
        discount: gamma.
        target_rate: tau of the target networks.
        averaged_share: roughly the last part of the training so far that the policy's weights are
            averaged over.
        width: units in each of two hidden layers.
        buffer_size: transitions kept.
        env: environment and shaped reward.
    """

    steps: int = 220_000
    longest: float = 1.0
    good_enough: float = 0.95
    evaluate_every: int = 19_200
    evaluation_goals: int = 64
    updates_per_step: int = 4
    batch_size: int = 256
    learning_rate: float = 1e-3
    discount: float = 0.97
    target_rate: float = 0.01
    averaged_share: float = 0.2
    width: int = 128
    buffer_size: int = 300_000
    env: ExpertEnvCfg = field(default_factory=ExpertEnvCfg)

    def __post_init__(self) -> None:
        """Refuse what could not be trained."""
        require_counts(
            self,
            *("steps", "evaluate_every", "evaluation_goals", "updates_per_step"),
            *("batch_size", "width", "buffer_size"),
        )
        require_shares(self, "discount", "target_rate", "averaged_share", "good_enough")
        if self.longest < 1:
            raise InvalidConfigError(f"longest is {self.longest:g}; allowed: from 1")
        if not self.averaged_share:
            raise InvalidConfigError("averaged_share is 0; allowed: above 0, to 1")

    @property
    def evaluation_period(self) -> int:
        """`evaluate_every` in whole steps of all rows, which is where evaluations happen."""
        return max(self.evaluate_every // self.env.rows, 1) * self.env.rows

    def evaluation_steps(self, steps: int) -> int:
        """Control steps that choosing among the checkpoints of so many steps takes.

        Half of them are in nominal scenes, half in disturbed ones.
        """
        evaluations = -(-steps // self.evaluation_period)
        return evaluations * 2 * self.evaluation_goals * self.env.horizon
