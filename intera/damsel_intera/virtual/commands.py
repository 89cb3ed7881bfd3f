"""What the robot's joint controllers do with joint commands: the moving set point."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel_intera.limits import ACCELERATION, POSITION_HIGH, POSITION_LOW, VELOCITY
from damsel_sim.command_path import approach

__all__ = ["JointCommand", "Mode", "SetPoint"]

Array = NDArray[np.float64]

_LOW, _HIGH = np.array(POSITION_LOW), np.array(POSITION_HIGH)
_VELOCITY, _ACCELERATION = np.array(VELOCITY), np.array(ACCELERATION)
_SMOOTHING_S = 0.02  # two commands at 100 Hz, so that their jitter is not felt


class Mode(IntEnum):
    """Modes of the robot's message that are simulated."""

    POSITION = 1
    VELOCITY = 2


class JointCommand(NamedTuple):
    """A command that the robot has taken.

    Attributes:
        mode: what the values are.
        values: (7,), radians or radians per second.
        arrived_s: when it came, seconds of the caller's clock.
    """

    mode: Mode
    values: Array
    arrived_s: float


class SetPoint:
    """Where the joints are driven to, moving within the limits of speed and acceleration.

    Position commands are pursued until reached, whether more come or not; velocity commands end
    with the command timeout, after which the joints stop and hold.

    Attributes:
        positions: (7,), radians.
        velocities: (7,), radians per second.
        timeout_s: the command timeout, seconds.
        speed_ratio: part of the joints' velocity limits that position mode uses.
    """

    def __init__(self, positions: Array) -> None:
        self.positions = positions.copy()
        self.velocities = np.zeros_like(positions)
        self.timeout_s = 0.2
        self.speed_ratio = 0.3
        self._command: JointCommand | None = None

    def take(self, command: JointCommand) -> None:
        """Follow a command from now on."""
        self._command = command

    def freeze(self, positions: Array) -> None:
        """Stop here and forget every command."""
        self.positions = positions.copy()
        self.velocities = np.zeros_like(positions)
        self._command = None

    def advance(self, now_s: float, period_s: float) -> None:
        """Move on by one period."""
        wanted = self._wanted_velocities(now_s, period_s)
        change = _ACCELERATION * period_s
        self.velocities = self.velocities + np.clip(wanted - self.velocities, -change, change)
        self.positions = np.clip(self.positions + self.velocities * period_s, _LOW, _HIGH)

    def _wanted_velocities(self, now_s: float, period_s: float) -> Array:
        command = self._command
        if command is None:
            return np.zeros_like(self.velocities)
        if command.mode is Mode.VELOCITY:
            if now_s - command.arrived_s > self.timeout_s:
                self._command = JointCommand(Mode.POSITION, self.positions.copy(), now_s)
                return np.zeros_like(self.velocities)
            return np.clip(command.values, -_VELOCITY, _VELOCITY)
        return approach(
            np.clip(command.values, _LOW, _HIGH) - self.positions,
            self.velocities,
            smoothing_s=_SMOOTHING_S,
            period_s=period_s,
            velocity_limit=self.speed_ratio * _VELOCITY,
            acceleration_limit=_ACCELERATION,
        )
