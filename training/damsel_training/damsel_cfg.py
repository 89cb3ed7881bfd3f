"""Hyper-parameters of DAMSEL's meta-training."""

from __future__ import annotations

from dataclasses import dataclass, field

from damsel.errors import InvalidConfigError
from damsel_sim.randomisation import RandomisationCfg
from damsel_training.bounds import require_counts, require_positive, require_shares
from damsel_training.networks import NetworkCfg

__all__ = ["DamselCfg"]


@dataclass(frozen=True)
class DamselCfg:
    """Hyper-parameters.

    Attributes:
        iterations: outer iterations (lines 5-24).
        collect_rounds: K of line 9: trajectories a task and iteration, the probe included.
        training_steps: gradient steps an iteration (line 15).
        task_batch: tasks of each family in a gradient step (M of line 16, by family), all if there
            are fewer.
        context_size: transitions drawn for one context (line 17).
        expert_size: expert states drawn a task and step (line 18).
        probe_size: probe states drawn a task and step for the empty context.
        hindsight: part of the contexts, and of the tasks that data are collected for, whose goal
            is another one of the family's range; 0 trains on the given tasks alone.
        dagger: whether states that the policy visits join D_i*; without, it holds only what the
            experts visited.
        candidates: trajectories compared for each expert state; see `TrajectoryBuffer`.
        kept_iterations: how many iterations' trajectories the buffers B_i keep.
        kept_states: how many trajectories a task D_i* keeps.
        observation_noise_m: most noise in an observation; see `Augmentation.noise_strength`.
        largest_shift_m: how far table and objects may stand off their place, in x and in y, in half
            of the contexts with their expert states; the arm's own coordinates shift with them.
        randomised: part of the tasks that are collected under randomised physics.
        randomisation: how those differ. They also stand off the place where the policy sees them.
        probe_weight: weight of imitating the probes' experts under an empty context.
        model_weight: weight of L^model.
        constraint_weight: weight of L^constraint.
        model_size: transitions of a context that L^model is taken over.
        learning_rate: of Adam at the start; falls to a twentieth along a cosine.
        learned_components: whether the prior components are trained as well, from where they
            would be fixed.
        horizon: control steps of a trajectory.
        network: sizes of the networks.
    """

    iterations: int = 24
    collect_rounds: int = 4
    training_steps: int = 600
    task_batch: int = 10
    context_size: int = 96
    expert_size: int = 32
    probe_size: int = 8
    hindsight: float = 0.5
    dagger: bool = True
    candidates: int = 4
    kept_iterations: int = 6
    kept_states: int = 80
    observation_noise_m: float = 0.005
    largest_shift_m: float = 0.025
    randomised: float = 0.5
    randomisation: RandomisationCfg = field(
        default_factory=lambda: RandomisationCfg(table_unseen_m=0.012)
    )
    probe_weight: float = 1.0
    model_weight: float = 0.2
    constraint_weight: float = 0.01
    model_size: int = 32
    learning_rate: float = 1e-3
    learned_components: bool = False
    horizon: int = 100
    network: NetworkCfg = field(default_factory=NetworkCfg)

    def __post_init__(self) -> None:
        """Refuse what could not be trained."""
        require_counts(
            self,
            *("iterations", "training_steps", "task_batch", "horizon", "kept_iterations"),
            *("context_size", "expert_size", "probe_size", "model_size", "candidates"),
            "kept_states",
        )
        require_shares(self, "hindsight", "randomised")
        require_positive(self, "learning_rate")
        if self.model_size > self.context_size:
            raise InvalidConfigError(
                f"model_size is {self.model_size}; allowed: to {self.context_size}, context_size"
            )
        if self.collect_rounds < 2:
            raise InvalidConfigError(
                f"collect_rounds is {self.collect_rounds}; allowed: from 2, a probe and an attempt"
            )
