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
        extra_steps: how many more at most, for an expert that by then is not good `enough`; it ends
            at the first evaluation at which it is.
        enough: share of the goals that are then solved strictly, blurred and in disturbed physics
            (`ExpertScore.disturbed_success` of the best policy).
        evaluate_every: environment steps between evaluations and checkpoints, after which all rows
            begin new trajectories; best a multiple of their steps.
        evaluation_goals: goals in each evaluation.
        updates_per_step: gradient steps for one step of all rows.
        batch_size: transitions in a gradient step.
        learning_rate: of Adam at the start; falls linearly to three tenths.
        discount: gamma.
        target_rate: tau of the target networks.
        width: units in each of two hidden layers.
        buffer_size: transitions kept.
        env: environment and shaped reward.
        seed: of its training; None for the run's.
    """

    steps: int = 220_000
    extra_steps: int = 0
    enough: float = 0.9
    evaluate_every: int = 19_200
    evaluation_goals: int = 64
    updates_per_step: int = 4
    batch_size: int = 256
    learning_rate: float = 1e-3
    discount: float = 0.97
    target_rate: float = 0.01
    width: int = 128
    buffer_size: int = 300_000
    env: ExpertEnvCfg = field(default_factory=ExpertEnvCfg)
    seed: int | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be trained."""
        require_counts(
            self,
            *("steps", "evaluate_every", "evaluation_goals", "updates_per_step"),
            *("batch_size", "width", "buffer_size"),
        )
        require_shares(self, "discount", "target_rate", "enough")
        if self.extra_steps < 0:
            raise InvalidConfigError(f"extra_steps is {self.extra_steps}; allowed: from 0")

    @property
    def evaluation_period(self) -> int:
        """`evaluate_every` in whole steps of all rows, which is where evaluations happen."""
        return max(self.evaluate_every // self.env.rows, 1) * self.env.rows

    @property
    def steps_per_evaluation(self) -> int:
        """Control steps that an evaluation takes, in nominal and disturbed scenes."""
        return 2 * self.evaluation_goals * self.env.horizon
