"""Domain randomisation: variants of the scene whose physics differ as real tables do."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from damsel.errors import InvalidConfigError
from damsel.kinematics import JOINT_NAMES
from damsel_sim.arm_parameters import NOMINAL_ARM, ArmParameters, apply_arm
from damsel_sim.physics import load_model

__all__ = ["RandomisationCfg", "randomised_models"]

Array = NDArray[np.float64]

_RUBBING_GEOMS = ("block", "table", "finger_left", "finger_right", "door_bar", "drawer_bar")
_SLIDING_JOINTS = ("door", "drawer")


@dataclass(frozen=True)
class RandomisationCfg:
    """Ranges of the factors that a variant's parameters are multiplied with, log-uniformly.

    One entry is a length instead: `table_unseen_m`.

    Attributes:
        friction: of block, table, fingers and handles, one factor each. Of block and table the
            larger one counts (1.2 in the median of the default), of a finger and what it touches
            the finger's.
        block_mass: of the block, its inertia with it.
        damping: of door and drawer, damping and dry friction alike.
        joint_damping: of the arm's joints, damping and dry friction alike.
        servo_gain: stiffness and damping of the arm's servos.
        table_unseen_m: how far table and objects may stand off the place where the robot sees them,
            in x and in y, in metres: the error of a calibration. Uniform to either side.
        arm: the arm that variants are randomised around, such as one fitted to recordings; None
            for the nominal one. Its delay and smoothing are not randomised.
    """

    friction: tuple[float, float] = (0.6, 1.6)
    block_mass: tuple[float, float] = (0.6, 1.6)
    damping: tuple[float, float] = (0.5, 2.0)
    joint_damping: tuple[float, float] = (0.7, 1.4)
    servo_gain: tuple[float, float] = (0.9, 1.1)
    table_unseen_m: float = 0.0
    arm: ArmParameters | None = None

    def __post_init__(self) -> None:
        """Refuse ranges that no factor can be drawn from."""
        for name in ("friction", "block_mass", "damping", "joint_damping", "servo_gain"):
            low, high = getattr(self, name)
            if not 0 < low <= high < np.inf:
                raise InvalidConfigError(
                    f"{name} of a randomisation is [{low:g}, {high:g}]; allowed: two numbers above "
                    "0, the larger one last"
                )
        if not 0 <= self.table_unseen_m < np.inf:
            raise InvalidConfigError(
                f"table_unseen_m of a randomisation is {self.table_unseen_m:g}; allowed: from 0"
            )


def randomised_models(
    cfg: RandomisationCfg, count: int, rng: np.random.Generator
) -> list[mujoco.MjModel]:
    """Variants of the scene; shapes, limits and rest state are those of `load_model`.

    Args:
        cfg: ranges.
        count: how many variants.
        rng: source of randomness.
    """

    def factor(bounds: tuple[float, float]) -> float:
        return float(np.exp(rng.uniform(*np.log(bounds))))

    models = []
    for _ in range(count):
        model = apply_arm(load_model(), cfg.arm or NOMINAL_ARM)
        for name in _RUBBING_GEOMS:
            model.geom(name).friction[0] *= factor(cfg.friction)
        block = model.body("block")
        mass = factor(cfg.block_mass)
        block.mass[0] *= mass
        block.inertia[:] *= mass
        for name in _SLIDING_JOINTS:
            dof = int(model.joint(name).dofadr[0])
            scale = factor(cfg.damping)
            model.dof_damping[dof] *= scale
            model.dof_frictionloss[dof] *= scale
        joints = slice(0, len(JOINT_NAMES))
        rubbing = factor(cfg.joint_damping)
        model.dof_damping[joints] *= rubbing
        model.dof_frictionloss[joints] *= rubbing
        gain = factor(cfg.servo_gain)
        model.actuator_gainprm[joints, 0] *= gain
        model.actuator_biasprm[joints, 1:3] *= gain
        if cfg.table_unseen_m:  # the arm moves, so that what is seen of the table stays
            model.body("base").pos[:2] += rng.uniform(-cfg.table_unseen_m, cfg.table_unseen_m, 2)
        mujoco.mj_setConst(model, mujoco.MjData(model))
        models.append(model)
    return models
