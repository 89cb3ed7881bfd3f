"""Hyper-parameters of the agents that learn a task each."""

from __future__ import annotations

from dataclasses import dataclass, field

from damsel.errors import InvalidConfigError
from damsel_training.bounds import require_counts, require_shares
from damsel_training.expert_env import ExpertEnvCfg

__all__ = ["TaskAgentsCfg"]


@dataclass(frozen=True)
class TaskAgentsCfg:
    """Hyper-parameters of the agents, which are all alike.

    Attributes:
        tasks_together: tasks of a family whose agents learn together, in one process.
        rows: parallel copies of the scene a task.
        trajectories: of every row, one after the other.
        evaluate_every: trajectories between evaluations and checkpoints.
        evaluation_rows: trajectories a task in an evaluation: one in the nominal scene, the others
            with randomised physics and noisy observations.
        updates_per_step: gradient steps for one step of all rows.
        batch_size: transitions a task in a gradient step.
        own_share: part of them that the agent gathered itself.
        learning_rate: of Adam at the start; falls linearly to three tenths.
        discount: gamma.
        target_rate: tau of the target networks.
        width: units in each of two hidden layers.
        enough: merit that ends the learning once every agent's best has it; see `ExpertScore`.
        env: scene, exploring starts and shaped reward; its rows and goal switches are not used.
    """

    tasks_together: int = 10
    rows: int = 6
    trajectories: int = 20
    evaluate_every: int = 2
    evaluation_rows: int = 12
    updates_per_step: int = 4
    batch_size: int = 128
    own_share: float = 0.5
    learning_rate: float = 1e-3
    discount: float = 0.97
    target_rate: float = 0.01
    width: int = 64
    enough: float = 2.8
    env: ExpertEnvCfg = field(default_factory=ExpertEnvCfg)

    def __post_init__(self) -> None:
        """Refuse what could not be trained."""
        require_counts(
            self,
            *("tasks_together", "rows", "trajectories", "evaluate_every"),
            *("updates_per_step", "batch_size", "width"),
        )
        require_shares(self, "own_share", "discount", "target_rate")
        if self.evaluation_rows < 2:
            raise InvalidConfigError(
                f"evaluation_rows is {self.evaluation_rows}; allowed: from 2, one nominal and one "
                "randomised"
            )
