"""What the joints are told, tick by tick: everything passes the controller and the safety layer.

No threads, no network, no clock: measured joints go in, joint targets come out. Two controllers
share the arm, one at full and one at reduced speed; whoever takes over starts where the joints
were last commanded to be, or where they are measured to be after a pause.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from damsel.control import ControllerCfg, EndEffectorController
from damsel.errors import RobotError
from damsel.kinematics import JOINT_NAMES
from damsel.return_motion import ReturnCfg, ReturnMotion
from damsel.scene import HOME_JOINT_POSITIONS

__all__ = ["ArmMotion", "MotionMode", "start_problem"]

Array = NDArray[np.float64]

_AT_REST_RAD_S = 1e-3

# The way back ends within 0.01 rad; the arm may sag as much again when it is let go of there.
_START_TOLERANCE_RAD = 0.03


class MotionMode(Enum):
    """What the arm is doing."""

    IDLE = "idle"
    RETURNING = "returning"
    STEPPING = "stepping"
    BRAKING = "braking"


def start_problem(joint_positions: Array) -> str:
    """Why no trajectory may begin at joints (7,), radians, in one line; empty if one may.

    Elsewhere the first step would turn the tool straight down at full speed.
    """
    off = np.abs(joint_positions - HOME_JOINT_POSITIONS)
    worst = int(np.argmax(off))
    if off[worst] <= _START_TOLERANCE_RAD:
        return ""
    return (
        f"the arm is not at its start: {JOINT_NAMES[worst]} is {off[worst]:.3f} rad off (allowed: "
        f"{_START_TOLERANCE_RAD:g} rad); put it back or ask for another reset"
    )


class ArmMotion:
    """The commanded motion of one arm.

    Attributes:
        mode: What it is doing.
    """

    def __init__(
        self,
        cfg: ControllerCfg,
        return_cfg: ReturnCfg,
        *,
        slow_velocity_fraction: float,
        slow_acceleration_fraction: float,
    ) -> None:
        """Make an arm that is told nothing.

        Args:
            cfg: Controller and safety layer, as in training.
            return_cfg: The way back to the start.
            slow_velocity_fraction: Part of the joints' velocity limits used on that way.
            slow_acceleration_fraction: Part of their acceleration limits used on it.
        """
        slow = replace(
            cfg.safety,
            velocity_fraction=slow_velocity_fraction,
            acceleration_fraction=slow_acceleration_fraction,
        )
        self._return_cfg = return_cfg
        self._fast = EndEffectorController(cfg)
        self._slow = EndEffectorController(replace(cfg, safety=slow))
        self._active = self._slow
        self._return: ReturnMotion | None = None
        self._tick = 0
        self.mode = MotionMode.IDLE

    @property
    def commanded_positions(self) -> Array:
        """Joint positions (7,) commanded last, radians."""
        positions: Array = self._active.commanded_positions[0]
        return positions

    @property
    def phase(self) -> str:
        """Where on its way back the arm is, in words."""
        return "" if self._return is None else self._return.phase

    def begin_return(self, measured: Array) -> None:
        """Start back to the start pose from joints (7,) at rest, radians.

        Raises:
            RobotError: If no safe way begins here; nothing has changed then.
        """
        self._slow.reset(measured[None])
        self._return = ReturnMotion(self._return_cfg, self._slow, measured)
        self._active = self._slow
        self._tick = self._slow.cfg.ticks_per_step
        self.mode = MotionMode.RETURNING

    def begin_stepping(self, measured: Array) -> None:
        """Let displacements move the arm from joints (7,) at rest, radians."""
        self._fast.reset(measured[None])
        self._active = self._fast
        self._fast.begin(np.zeros((1, 3)), measured[None])
        self._tick = 0
        self.mode = MotionMode.STEPPING

    def begin_step(self, displacement_base: Array, measured: Array) -> tuple[Array, bool]:
        """Open a control step.

        Args:
            displacement_base: (3,), metres in frame `base`.
            measured: (7,), radians, measured now.

        Returns:
            The displacement (3,) that was accepted, and whether it was changed.

        Raises:
            RobotError: If the arm is not ready for it.
        """
        if self.mode is not MotionMode.STEPPING:
            raise RobotError(f"the arm is {self.mode.value}; allowed: a step after a reset")
        applied, clipped = self._fast.begin(displacement_base[None], measured[None])
        self._tick = 0
        return applied[0], bool(clipped[0])

    def brake(self) -> None:
        """Come to rest along the way that the safety layer vouches for."""
        if self.mode in (MotionMode.RETURNING, MotionMode.STEPPING):
            self.mode = MotionMode.BRAKING

    def stop(self) -> None:
        """Forget every target: nothing is told to the joints any more."""
        self.mode = MotionMode.IDLE
        self._return = None

    def tick(self, measured: Array) -> tuple[Array, bool]:
        """Advance by one tick.

        Args:
            measured: (7,), radians, measured now.

        Returns:
            Joint targets (7,) in radians, and whether the motion has come to its end: arrived at
            the start, or at rest after braking.

        Raises:
            RobotError: If the arm cannot go on.
        """
        ended = False
        if self.mode is MotionMode.BRAKING:
            self._active.begin_stop()
        elif self.mode is MotionMode.RETURNING and self._tick >= self._active.cfg.ticks_per_step:
            assert self._return is not None, "set with the mode"
            ended = self._return.begin_step(measured)
            self._tick = 0
        targets, velocities, _ = self._active.tick(self._tick)
        self._tick += 1
        if self.mode is MotionMode.BRAKING:
            ended = bool(np.abs(velocities).max() < _AT_REST_RAD_S)
        return targets[0], ended
