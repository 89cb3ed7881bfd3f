"""How an arm differs from the nominal one: what is fitted to recordings and handed to training."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from damsel.errors import InvalidConfigError
from damsel.kinematics import JOINT_NAMES

if TYPE_CHECKING:
    import mujoco

__all__ = ["LIMITS", "NOMINAL_ARM", "ArmParameters", "apply_arm"]

LIMITS: dict[str, tuple[float, float]] = {
    "friction": (0.0, 0.3),
    "damping_scale": (0.05, 20.0),
    "gain_scale": (0.1, 10.0),
    "delay_s": (-0.02, 0.5),
    "smoothing_s": (0.0, 0.2),
}
"""Smallest and largest value of each parameter."""


@dataclass(frozen=True)
class ArmParameters:
    """Free parameters of the simulated arm; the defaults are the nominal arm.

    Attributes:
        friction: dry friction of each joint as a part of the joint's effort limit.
        damping_scale: joint damping as a multiple of the nominal.
        gain_scale: servo gains as a multiple of the nominal.
        delay_s: from the stamp of a joint target to its effect on the stamped joints, seconds. It
            is fitted as slightly negative where stamps are late, and then simulated as 0.
        smoothing_s: time constant with which the arm's own controller approaches a target,
            seconds; 0 for one that takes targets as they are.
    """

    friction: float = 0.0
    damping_scale: float = 1.0
    gain_scale: float = 1.0
    delay_s: float = 0.0
    smoothing_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no arm has."""
        for field in fields(self):
            value, (low, high) = getattr(self, field.name), LIMITS[field.name]
            if not low <= value <= high:
                raise InvalidConfigError(f"{field.name} is {value}; allowed: {low:g} to {high:g}")


NOMINAL_ARM = ArmParameters()
"""The arm as the vendor describes it, with targets that take effect at once."""


def apply_arm(model: mujoco.MjModel, arm: ArmParameters) -> mujoco.MjModel:
    """Give a scene an arm's friction, damping and gains, and return it.

    Delay and smoothing are no part of the model; see `damsel_sim.command_path`.

    Args:
        model: the scene, with a nominal arm; changed in place.
        arm: the arm.
    """
    joints = slice(0, len(JOINT_NAMES))
    model.dof_frictionloss[joints] += arm.friction * model.actuator_forcerange[joints, 1]
    model.dof_damping[joints] *= arm.damping_scale
    model.actuator_gainprm[joints, 0] *= arm.gain_scale
    model.actuator_biasprm[joints, 1:3] *= arm.gain_scale
    return model
