"""How good a goal-conditioned expert is, undisturbed and disturbed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel.families import FAMILIES
from damsel.observation import OBSERVATION_DIM
from damsel_sim.physics import TabletopPhysics
from damsel_sim.randomisation import randomised_models
from damsel_training.expert_cfg import ExpertCfg
from damsel_training.expert_env import sample_goals
from damsel_training.expert_policy import GoalConditioned
from damsel_training.rollouts import Rollouts, roll_out

__all__ = ["ExpertScore", "evaluate_expert"]

Array = NDArray[np.float64]

_BLUR_M = 0.003
_BLUR_COPIES = 8


class ExpertScore(NamedTuple):
    """How a deterministic expert does on fixed goals.

    Attributes:
        success: part of the goals solved at the end.
        strict_success: the same at the strict threshold.
        distance: mean final distance, in the family's unit.
        peak_force: newtons, largest contact force in any trajectory.
        disturbed_success: strict success of what can be learned from it where physics are
            randomised: of its mean action over observations that are a few millimetres apart.
        disturbed_force: newtons, peak contact force that one trajectory in twenty exceeds there.
    """

    success: float
    strict_success: float
    distance: float
    peak_force: float
    disturbed_success: float
    disturbed_force: float

    @property
    def merit(self) -> float:
        """What the best checkpoint has most of: accuracy with gentle hands, disturbed or not."""
        pressed = sum(max(0.0, f - 25.0) / 20.0 for f in (self.peak_force, self.disturbed_force))
        return self.success + self.strict_success + self.disturbed_success - pressed

    @classmethod
    def none(cls) -> ExpertScore:
        """The score of no expert at all."""
        return cls(0.0, 0.0, np.inf, np.inf, 0.0, np.inf)


def evaluate_expert(expert: GoalConditioned, cfg: ExpertCfg) -> ExpertScore:
    """Score an expert on goals and disturbances drawn from a fixed seed."""
    kind = FAMILIES[expert.family]
    rng = np.random.default_rng(7)
    goals = sample_goals(kind, cfg.evaluation_goals, rng)

    def final_distance(rollouts: Rollouts) -> Array:
        distance: Array = np.linalg.norm(kind.state(rollouts.observations[:, -1]) - goals, axis=1)
        return distance

    blur = _BLUR_M * rng.standard_normal((_BLUR_COPIES, 1, OBSERVATION_DIM))

    def act_blurred(observation: Array) -> Array:
        seen = (observation + blur).reshape(-1, OBSERVATION_DIM)
        actions = expert(seen, np.tile(goals, (_BLUR_COPIES, 1)))
        mean: Array = actions.reshape(_BLUR_COPIES, *observation.shape[:1], -1).mean(axis=0)
        return mean

    horizon = cfg.env.horizon
    arm = cfg.env.randomisation.arm
    nominal = roll_out(
        TabletopPhysics(cfg.evaluation_goals, arm=arm), lambda o: expert(o, goals), horizon
    )
    variants = randomised_models(cfg.env.randomisation, cfg.env.variants, rng)
    disturbed = roll_out(
        TabletopPhysics(cfg.evaluation_goals, variants=variants, arm=arm), act_blurred, horizon
    )
    distance = final_distance(nominal)
    return ExpertScore(
        success=float((distance <= kind.success_threshold).mean()),
        strict_success=float((distance <= kind.strict_threshold).mean()),
        distance=float(distance.mean()),
        peak_force=float(nominal.peak_contact_force.max()),
        disturbed_success=float((final_distance(disturbed) <= kind.strict_threshold).mean()),
        disturbed_force=float(np.quantile(disturbed.peak_contact_force, 0.95)),
    )
