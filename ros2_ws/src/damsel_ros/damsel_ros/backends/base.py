"""What the robot node asks of an arm, simulated or physical.

A backend declares what it observes and accepts before it connects, so that a bundle made for
another robot is refused before anything moves. Controller and safety layer live behind `step`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from damsel.bundle import Bundle
from damsel.rigid import RigidTransform

__all__ = [
    "TO_ENABLE",
    "AppliedStep",
    "AttendedRobot",
    "JointStates",
    "JointTick",
    "Robot",
    "RobotDescription",
]

TO_ENABLE = "make it safe, then start again, or call service /damsel/robot/enable"
"""What a person does about an arm that must not move."""


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


@dataclass(frozen=True, eq=False)
class JointTick:
    """What was measured and what the joints were told in one tick.

    Attributes:
        measured_s: When the joints were measured, seconds since the epoch.
        states: The measurement.
        sent_s: When the targets were sent, likewise.
        targets: (number of joints,) radians, as the safety layer let them through; None if the
            joints were told nothing.
    """

    measured_s: float
    states: JointStates
    sent_s: float = 0.0
    targets: NDArray[np.float64] | None = None


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
        """Begin to bring the arm to its start and everything on the table to rest.

        Called again, it begins anew.
        """
        ...

    def pending_reset(self) -> str:
        """Return what the reset still waits for, in one line; empty when it is done.

        Called now and then until it is; a failure of the reset is raised here.
        """
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

    def joint_ticks(self) -> Sequence[JointTick]:
        """Return what happened to the joints since the last call, oldest first.

        At least the latest second of it; for whoever records the arm.
        """
        ...

    def diagnostics(self) -> Mapping[str, str]:
        """Return what a person would want to know of the arm, by name."""
        ...


@runtime_checkable
class AttendedRobot(Robot, Protocol):
    """A physical arm: somebody enables it and puts the objects back, something sees them.

    Nothing here blocks; what takes time is asked for and then polled.
    """

    def beat(self) -> None:
        """Say that whoever asks for things does not stand still.

        Called many times in half a second. When it was not, nothing is done of what was asked for
        before, and nothing that comes in the next half second, because it may have waited.
        """
        ...

    @property
    def fault(self) -> str:
        """Why the arm must not move until it is enabled anew, in one line; empty if it may."""
        ...

    @property
    def prompt(self) -> str:
        """What a person is asked to do now, in one line; empty for nothing."""
        ...

    def enable(self) -> None:
        """Begin to enable the arm, clearing faults and every earlier target.

        Raises:
            RobotError: If this process stood still just now.
        """
        ...

    def pending_enable(self) -> str:
        """Return what enabling still waits for, in one line; empty when the arm is enabled."""
        ...

    def confirm_reset(self) -> None:
        """Say that the objects are back.

        Raises:
            RobotError: If nobody was asked, this process stood still just now, or the arm or an
                object is not where it starts.
        """
        ...

    def see_object(self, name: str, frame_id: str, marker: RigidTransform, stamp_s: float) -> None:
        """Take the pose of an object's marker in a frame.

        Args:
            name: Of the object.
            frame_id: Of the frame.
            marker: The marker in it.
            stamp_s: When it was measured, seconds of the camera's own clock.
        """
        ...

    def refuse_object(self, name: str, cause: str) -> None:
        """Hear that a pose of an object's marker came that cannot be one.

        Args:
            name: Of the object.
            cause: Why, in one line.
        """
        ...
