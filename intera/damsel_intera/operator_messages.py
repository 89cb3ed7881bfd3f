"""What operators and controllers ask the server for, and its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from damsel_intera.errors import WireError
from damsel_intera.limits import JOINTS
from damsel_intera.packing import Reader, member, pack, pack_text, pack_vector
from damsel_intera.reasons import Operation

__all__ = ["NAME_BYTES", "TEXT_BYTES", "OperatorReply", "OperatorRequest"]

Vector = Tuple[float, ...]

NAME_BYTES = 64
TEXT_BYTES = 300

_NO_JOINTS = (0.0,) * JOINTS


@dataclass(frozen=True)
class OperatorRequest:
    """Anyone to server, answered by one `OperatorReply`.

    Attributes:
        operation: what is asked for.
        name: who asks, at most 64 bytes; a second controller is told the name of the first.
        joint_positions: (7,), radians, the end of a MOVE; zeros with anything else.
        speed_ratio: speed of a MOVE as part of the joints' velocity limits, in (0, 1].
    """

    operation: Operation
    name: str
    joint_positions: Vector = _NO_JOINTS
    speed_ratio: float = 0.1

    def payload(self) -> bytes:
        """The bytes behind the header."""
        _check_ratio(self.speed_ratio)
        return b"".join(
            (
                pack("Bd", self.operation, self.speed_ratio),
                pack_vector("joint positions", self.joint_positions, JOINTS),
                pack_text("name", self.name, NAME_BYTES),
            )
        )

    @classmethod
    def from_payload(cls, reader: Reader) -> OperatorRequest:
        """Read the fields in the order of `payload`."""
        operation = member(Operation, reader.integer("B"))
        (speed_ratio,) = reader.numbers("d")
        _check_ratio(speed_ratio)
        joint_positions = reader.vector(JOINTS)
        return cls(operation, reader.text(NAME_BYTES), joint_positions, speed_ratio)


@dataclass(frozen=True)
class OperatorReply:
    """Server to whoever asked; a lease that was granted is in the header.

    Attributes:
        operation: what had been asked for.
        accepted: whether it was done (for MOVE: begun).
        text: one line: why not, or what was done; at most 300 bytes.
        lease_number: running number of the lease that CLAIM granted, else 0.
        move_number: running number of the move that MOVE began, else 0.
        sdk_version: version of the robot's software as the robot tells it.
        robot: how the server reaches the robot, `sdk` or `topics`.
        watchdog_s: without a fresh command for so long the server holds, seconds.
        command_timeout_s: the same on the robot itself, seconds.
    """

    operation: Operation
    accepted: bool
    text: str
    lease_number: int = 0
    move_number: int = 0
    sdk_version: str = ""
    robot: str = ""
    watchdog_s: float = 0.0
    command_timeout_s: float = 0.0

    def payload(self) -> bytes:
        """The bytes behind the header."""
        return b"".join(
            (
                pack("2B", self.operation, int(self.accepted)),
                pack("2I", self.lease_number, self.move_number),
                pack("2d", self.watchdog_s, self.command_timeout_s),
                pack_text("sdk version", self.sdk_version, NAME_BYTES),
                pack_text("robot", self.robot, NAME_BYTES),
                pack_text("text", self.text, TEXT_BYTES),
            )
        )

    @classmethod
    def from_payload(cls, reader: Reader) -> OperatorReply:
        """Read the fields in the order of `payload`."""
        operation, accepted = member(Operation, reader.integer("B")), reader.flag()
        lease_number, move_number = reader.integer("I"), reader.integer("I")
        watchdog_s, command_timeout_s = reader.numbers("2d")
        return cls(
            operation=operation,
            accepted=accepted,
            lease_number=lease_number,
            move_number=move_number,
            watchdog_s=watchdog_s,
            command_timeout_s=command_timeout_s,
            sdk_version=reader.text(NAME_BYTES),
            robot=reader.text(NAME_BYTES),
            text=reader.text(TEXT_BYTES),
        )


def _check_ratio(speed_ratio: float) -> None:
    if not 0 < speed_ratio <= 1:
        raise WireError(f"speed ratio {speed_ratio}; allowed: (0, 1]")
