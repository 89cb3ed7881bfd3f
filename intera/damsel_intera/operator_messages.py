"""What operators and controllers ask the server for, and its answers."""

from __future__ import annotations

from dataclasses import dataclass

from damsel_intera.packing import Reader, member, pack, pack_text
from damsel_intera.reasons import Operation

__all__ = ["NAME_BYTES", "TEXT_BYTES", "OperatorReply", "OperatorRequest"]

NAME_BYTES = 64
TEXT_BYTES = 300


@dataclass(frozen=True)
class OperatorRequest:
    """Anyone to server, answered by one `OperatorReply`.

    Attributes:
        operation: what is asked for.
        name: who asks, at most 64 bytes; a second controller is told the name of the first.
        seen_monotonic_s: `Header.monotonic_s` of the latest message of the server that the asker
            has, so that the server can tell how old the request is; see `Command`.
    """

    operation: Operation
    name: str
    seen_monotonic_s: float = 0.0

    def payload(self) -> bytes:
        """The bytes behind the header."""
        return pack("Bd", self.operation, self.seen_monotonic_s) + pack_text(
            "name", self.name, NAME_BYTES
        )

    @classmethod
    def from_payload(cls, reader: Reader) -> OperatorRequest:
        """Read the fields in the order of `payload`."""
        operation = member(Operation, reader.integer("B"))
        (seen_monotonic_s,) = reader.numbers("d")
        return cls(operation, reader.text(NAME_BYTES), seen_monotonic_s)


@dataclass(frozen=True)
class OperatorReply:
    """Server to whoever asked; a lease that was granted is in the header.

    Attributes:
        operation: what had been asked for.
        accepted: whether it was done.
        text: one line: why not, or what was done; at most 300 bytes.
        lease_number: running number of the lease that CLAIM granted, else 0.
        sdk_version: version of the robot's software as the robot tells it.
        robot: how the server reaches the robot, `sdk` or `topics`.
        watchdog_s: without a fresh command for so long the server holds, seconds.
        command_timeout_s: the same on the robot itself, seconds.
    """

    operation: Operation
    accepted: bool
    text: str
    lease_number: int = 0
    sdk_version: str = ""
    robot: str = ""
    watchdog_s: float = 0.0
    command_timeout_s: float = 0.0

    def payload(self) -> bytes:
        """The bytes behind the header."""
        return b"".join(
            (
                pack("2B", self.operation, int(self.accepted)),
                pack("I", self.lease_number),
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
        lease_number = reader.integer("I")
        watchdog_s, command_timeout_s = reader.numbers("2d")
        return cls(
            operation=operation,
            accepted=accepted,
            lease_number=lease_number,
            watchdog_s=watchdog_s,
            command_timeout_s=command_timeout_s,
            sdk_version=reader.text(NAME_BYTES),
            robot=reader.text(NAME_BYTES),
            text=reader.text(TEXT_BYTES),
        )
