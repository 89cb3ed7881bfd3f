"""What the server needs of a robot, however it is reached."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Protocol, Sequence, Tuple

from damsel_intera.reasons import EndpointFrame, HoldReason

__all__ = ["PRESSED", "SUPPORTED_VERSIONS", "RobotPort", "RobotState", "fault_of", "supported"]

Vector = Tuple[float, ...]

SUPPORTED_VERSIONS = ("5.3.0", "5.3.1", "5.3.2")
"""Robot software that the SDK 5.3.0 speaks to."""

PRESSED = 1
"""Of the robot's `estop_button`."""


@dataclass(frozen=True)
class RobotState:
    """The robot as last heard of; the fields that `wire.State` has too are the same there.

    Attributes:
        collision_told_s: this machine's monotonic clock when the robot last said whether it feels
            a collision, seconds; None if it does not say so again and again.
        received_s: the same of when the joint states came.
        assembly_received_s: the same of the robot's own state (enabled and so on).
    """

    joint_positions: Vector
    joint_velocities: Vector
    joint_efforts: Vector
    endpoint_position: Vector
    endpoint_frame: EndpointFrame
    enabled: bool
    stopped: bool
    error: bool
    homed: bool
    ready: bool
    collision: bool
    collision_told_s: float | None
    estop_button: int
    estop_source: int
    robot_stamp_s: float
    received_s: float
    assembly_received_s: float

    @property
    def valid(self) -> bool:
        """Whether all seven joints are there and every number is finite."""
        vectors = (self.joint_positions, self.joint_velocities, self.joint_efforts)
        return all(len(vector) == 7 and all(map(math.isfinite, vector)) for vector in vectors)


class RobotPort(Protocol):
    """A way to the robot. Calls return at once but for `enable` and `stop`."""

    kind: str
    """`sdk` or `topics`."""

    def state(self) -> RobotState | None:
        """The newest state, or None before the first."""

    def on_update(self, callback: Callable[[], None]) -> None:
        """Call back, from any thread, whenever new joint states have come."""

    def command_positions(self, joint_positions: Sequence[float]) -> None:
        """Send the joints, (7,), radians, in position mode.

        Raises:
            RobotPortError: If that is not possible now, or the robot does not listen.
        """

    def set_speed_ratio(self, ratio: float) -> None:
        """Limit the joints' speed in position mode to a part of their limits, (0, 1]."""

    def set_command_timeout(self, timeout_s: float) -> None:
        """After so long without a command the robot itself leaves velocity and torque mode."""

    def enable(self, cancelled: Callable[[], bool]) -> None:
        """Reset a stopped robot and switch its motors on; may take fifteen seconds.

        Args:
            cancelled: Whether somebody has asked for a stop since, which ends it.

        Raises:
            RobotPortError: If it does not come to that, e.g. with the e-stop pressed, or if the
                robot does not listen to commands.
        """

    def stop(self) -> None:
        """Switch the motors off as the e-stop would; may take five seconds to be confirmed.

        Raises:
            RobotPortError: If the robot does not confirm.
        """

    def software_version(self) -> str:
        """Version of the robot's software, e.g. `5.3.0`."""

    def close(self) -> None:
        """Disconnect."""


def fault_of(state: RobotState) -> HoldReason:
    """The fault that a state shows, the most telling first; NONE if there is none."""
    if not state.valid:
        return HoldReason.ROBOT_INVALID
    if state.estop_button == PRESSED:
        return HoldReason.ESTOP
    if state.error:
        return HoldReason.ROBOT_ERROR
    if state.stopped:
        return HoldReason.STOPPED
    if state.collision:
        return HoldReason.COLLISION
    if not state.enabled:
        return HoldReason.DISABLED
    return HoldReason.NONE


def supported(version: str) -> bool:
    """Whether robot software of this version (e.g. `5.3.0.100`) is one that we speak to."""
    return ".".join(version.split(".")[:3]) in SUPPORTED_VERSIONS
