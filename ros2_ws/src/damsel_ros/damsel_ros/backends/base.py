"""What the robot node asks of an arm, simulated or physical.

A backend declares what it observes and accepts before it connects, so that a bundle made for
another robot is refused before anything moves. Controller and safety layer live behind `step`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from damsel.bundle import Bundle

__all__ = ["AppliedStep", "JointStates", "Robot", "RobotDescription"]


@dataclass(frozen=True)
class RobotDescription:
    """What a robot observes and accepts.

    Attributes:
        name: Name of the backend.
        control_rate_hz: Control steps a second.
        step_size_m: Largest displacement of the end effector in one control step, per axis.
        observation_layout: Names of the observation's coordinates.
        joint_names: Names of the joints, in the order of joint states.
    """

    name: str
    control_rate_hz: float
    step_size_m: float
    observation_layout: tuple[str, ...]
    joint_names: tuple[str, ...]

    @property
    def control_period_s(self) -> float:
        """Duration of one control step."""
        return 1.0 / self.control_rate_hz

    def check_fits(self, bundle: Bundle) -> None:
        """Refuse a bundle that was made for another robot.

        Raises:
            InvalidBundleError: If control rate, step size or observation layout differ.
        """
        bundle.check_robot(
            control_rate_hz=self.control_rate_hz,
            step_size_m=self.step_size_m,
            observation_layout=self.observation_layout,
        )


@dataclass(frozen=True, eq=False)
class AppliedStep:
    """What became of one command.

    Attributes:
        displacement_base: (3,) metres in frame `base`, after the safety layer.
        clipped: Whether the safety layer changed the command.
        peak_contact_force_n: Largest contact force on the arm in this step; NaN if unknown.
    """

    displacement_base: NDArray[np.float64]
    clipped: bool
    peak_contact_force_n: float


@dataclass(frozen=True, eq=False)
class JointStates:
    """Joint positions in rad and velocities in rad/s, each (number of joints,)."""

    positions: NDArray[np.float64]
    velocities: NDArray[np.float64]


class Robot(Protocol):
    """An arm, moved one control step at a time.

    Every method may raise `damsel.errors.RobotError`; the arm then holds, and the robot node
    passes the message on.
    """

    @property
    def description(self) -> RobotDescription:
        """What this robot observes and accepts; the same before and after `connect`."""
        ...

    def connect(self) -> None:
        """Take hold of the arm without moving it."""
        ...

    def close(self) -> None:
        """Hold the arm and let go of it; `connect` may be called again."""
        ...

    def reset(self) -> None:
        """Bring the arm to its start and everything on the table to rest."""
        ...

    def observe(self) -> NDArray[np.float64]:
        """Return the observation (12,) as of now: positions in frame `base`, metres."""
        ...

    def step(self, displacement_base: NDArray[np.float64]) -> AppliedStep:
        """Begin one control step and say at once what is applied.

        A simulation also finishes the step: its next `observe` is one control period later.
        A physical arm moves on for one control period; the caller's clock says when it is over.

        Args:
            displacement_base: (3,) metres in frame `base`, finite.
        """
        ...

    def hold(self) -> None:
        """Stop the arm where it is and keep it there until the next `reset`."""
        ...

    def joint_states(self) -> JointStates:
        """Return the joint states as of now."""
        ...

    def diagnostics(self) -> Mapping[str, str]:
        """Return what a person would want to know of the arm, by name."""
        ...
