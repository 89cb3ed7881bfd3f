"""Whether a bundle was made for a robot; checked before anything moves."""

from __future__ import annotations

import math

from damsel.bundle import Bundle
from damsel.errors import InvalidBundleError
from damsel.observation import OBSERVATION_LAYOUT

from damsel_ros.backends.base import RobotDescription

__all__ = ["check_bundle_fits"]


def check_bundle_fits(bundle: Bundle, robot: RobotDescription) -> None:
    """Refuse a bundle that was made for another robot.

    Raises:
        InvalidBundleError: If control rate, step size or observation layout differ.
    """
    for what, unit, made_for, given in (
        ("control rate", "Hz", bundle.control_rate_hz, robot.control_rate_hz),
        ("step size", "m", bundle.step_size_m, robot.step_size_m),
    ):
        if not math.isclose(made_for, given, rel_tol=1e-6):
            raise InvalidBundleError(
                f"bundle {bundle.path} was made for a {what} of {made_for:g} {unit}; "
                f"allowed: {given:g} {unit}, that of robot {robot.name}"
            )
    if robot.observation_layout != OBSERVATION_LAYOUT:
        raise InvalidBundleError(
            f"bundle {bundle.path} observes {', '.join(OBSERVATION_LAYOUT)}, "
            f"but robot {robot.name} gives {', '.join(robot.observation_layout)}"
        )
