"""What a controller tells the joints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from damsel_intera.limits import JOINTS
from damsel_intera.packing import Reader, pack, pack_vector

__all__ = ["Command"]

Vector = Tuple[float, ...]


@dataclass(frozen=True)
class Command:
    """Controller to server, 100 Hz; session, lease and sequence are in the header.

    Attributes:
        joint_positions: (7,), radians, where the joints shall be now.
        seen_monotonic_s: `Header.monotonic_s` of the latest State that the controller has; the
            server compares it with its own clock, so a command that a network kept for too long,
            or a controller that no longer hears the robot, is found without comparing clocks.
    """

    joint_positions: Vector
    seen_monotonic_s: float = 0.0

    def payload(self) -> bytes:
        """The bytes behind the header."""
        return pack("d", self.seen_monotonic_s) + pack_vector(
            "joint positions", self.joint_positions, JOINTS
        )

    @classmethod
    def from_payload(cls, reader: Reader) -> Command:
        """Read the fields in the order of `payload`."""
        (seen_monotonic_s,) = reader.numbers("d")
        return cls(reader.vector(JOINTS), seen_monotonic_s)
