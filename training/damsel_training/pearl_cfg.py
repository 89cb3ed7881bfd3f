"""Hyper-parameters of PEARL."""

from __future__ import annotations

from dataclasses import dataclass, field

from damsel.errors import InvalidConfigError
from damsel_training.bounds import require_counts, require_positive, require_shares
from damsel_training.expert_reward import ExpertRewardCfg
from damsel_training.pearl_networks import PearlNetworkCfg

__all__ = ["PearlCfg"]


@dataclass(frozen=True)
class PearlCfg:
    """Hyper-parameters. The budget is whichever is spent first: steps or seconds.

    Attributes:
        environment_steps: of all tasks together.
        wall_seconds: of the training, interruptions not counted. By default there is no such limit:
            what it leaves room for depends on the machine.
        first_trajectories: trajectories a task under the prior before the first update.
        updates: gradient steps an iteration.
        meta_batch: tasks in a gradient step, all if there are fewer.
        batch_size: transitions a task in a gradient step.
        context_size: transitions a task that a latent is inferred from.
        hindsight: part of the tasks in a gradient step whose goal is another one of the family's
            range, in context and experience alike; 0 trains on the given tasks alone.
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
    hindsight: float = 0.0
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
        require_counts(
            self,
            *("meta_batch", "batch_size", "context_size", "kept_contexts", "capacity"),
            *("horizon", "evaluate_every", "environment_steps"),
        )
        require_shares(self, "hindsight", "discount", "target_rate")
        require_positive(self, "first_temperature", "learning_rate", "wall_seconds")
        if not 0.0 <= self.start_above + self.start_at_object <= 1.0:
            raise InvalidConfigError(
                f"start_above + start_at_object is {self.start_above + self.start_at_object:g}; "
                "allowed: from 0 to 1"
            )
