"""The messages between the server next to the robot and the ROS 2 side.

Every message is one frame (see `frame`): no pickle, fixed layouts, every length checked. `decode`
answers any bytes whatever with a message or a `WireError`; `encode` refuses what `decode` would
refuse. Units are SI, positions are in frame `base`, joints are right_j0 .. right_j6.

How control is given: a controller sends CLAIM and gets a lease, a random number that all its
commands must carry. There is one lease at a time; whoever else claims is refused by name. Any
hold but WAITING ends the lease, so nothing moves again before somebody has claimed anew; after a
fault (`HoldReason.latched`) an ENABLE must come first. A command of an old run, an old server or
another controller carries an unknown lease and moves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple, Union

from damsel_intera.errors import WireError
from damsel_intera.frame import PROTOCOL_VERSION, Header, pack_frame, unpack_frame
from damsel_intera.packing import Reader, member, pack, pack_text, pack_vector
from damsel_intera.reasons import (
    Activity,
    CommandKind,
    EndpointFrame,
    HoldReason,
    MoveResult,
    Operation,
    Refusal,
)

__all__ = [
    "JOINTS",
    "JOINT_NAMES",
    "PROTOCOL_VERSION",
    "Activity",
    "Command",
    "CommandKind",
    "EndpointFrame",
    "Header",
    "HoldReason",
    "Message",
    "MoveResult",
    "ObjectPose",
    "ObjectPoses",
    "Operation",
    "OperatorReply",
    "OperatorRequest",
    "Refusal",
    "State",
    "decode",
    "encode",
]

JOINT_NAMES = tuple(f"right_j{index}" for index in range(7))
JOINTS = len(JOINT_NAMES)
NAME_BYTES = 64
TEXT_BYTES = 300
MAX_OBJECTS = 16

Vector = Tuple[float, ...]
_NO_JOINTS = (0.0,) * JOINTS


@dataclass(frozen=True)
class State:
    """Server to client, 100 Hz or more: the robot as last heard of, and what the server does.

    Attributes:
        joint_positions: (7,), radians.
        joint_velocities: (7,), radians per second.
        joint_efforts: (7,), newton metres.
        endpoint_position: (3,), metres in frame `base`, of the point that `endpoint_frame` names.
        endpoint_frame: which point that is; with NONE the position says nothing.
        enabled: motors are on.
        stopped: the robot was stopped, by the emergency stop or by software.
        error: the robot reports an error.
        homed: all joints know where they are.
        ready: the robot can be enabled.
        collision: the robot feels a collision now.
        estop_button: 0 unpressed, 1 pressed, 2 unknown, 3 released but still stopped.
        estop_source: 0 none, 1 user, 2 unknown, 3 fault, 4 the robot's motion engine.
        robot_stamp_s: the robot's own stamp of the joint states, seconds.
        robot_age_s: how long before this message the server received them, seconds.
        activity: what the server makes the arm do.
        hold_reason: why it holds; NONE while it does not.
        lease_number: running number of the lease in force, as in the reply to CLAIM; 0 for none.
        last_sequence: sequence of the latest command of this lease that was applied; 0 for none.
        refused_count: how many commands were refused since the server started.
        last_refusal: why the latest of them was.
        move_number: running number of the latest slow move, as in the reply to MOVE.
        move_result: how that move is going or has ended.
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
    estop_button: int
    estop_source: int
    robot_stamp_s: float
    robot_age_s: float
    activity: Activity
    hold_reason: HoldReason
    lease_number: int
    last_sequence: int
    refused_count: int
    last_refusal: Refusal
    move_number: int
    move_result: MoveResult

    def payload(self) -> bytes:
        """The bytes behind the header."""
        return b"".join(
            (
                pack_vector("joint positions", self.joint_positions, JOINTS),
                pack_vector("joint velocities", self.joint_velocities, JOINTS),
                pack_vector("joint efforts", self.joint_efforts, JOINTS),
                pack_vector("endpoint position", self.endpoint_position, 3),
                pack("7B", self.endpoint_frame, *map(int, self._flags())),
                pack("2B", self.estop_button, self.estop_source),
                pack("2d", self.robot_stamp_s, self.robot_age_s),
                pack("2B", self.activity, self.hold_reason),
                pack("I2Q", self.lease_number, self.last_sequence, self.refused_count),
                pack("BIB", self.last_refusal, self.move_number, self.move_result),
            )
        )

    def _flags(self) -> tuple[bool, ...]:
        return (self.enabled, self.stopped, self.error, self.homed, self.ready, self.collision)

    @classmethod
    def from_payload(cls, reader: Reader) -> State:
        """Read the fields in the order of `payload`."""
        return cls(
            joint_positions=reader.vector(JOINTS),
            joint_velocities=reader.vector(JOINTS),
            joint_efforts=reader.vector(JOINTS),
            endpoint_position=reader.vector(3),
            endpoint_frame=member(EndpointFrame, reader.integer("B")),
            enabled=reader.flag(),
            stopped=reader.flag(),
            error=reader.flag(),
            homed=reader.flag(),
            ready=reader.flag(),
            collision=reader.flag(),
            estop_button=reader.integer("B"),
            estop_source=reader.integer("B"),
            robot_stamp_s=reader.numbers("d")[0],
            robot_age_s=reader.numbers("d")[0],
            activity=member(Activity, reader.integer("B")),
            hold_reason=member(HoldReason, reader.integer("B")),
            lease_number=reader.integer("I"),
            last_sequence=reader.integer("Q"),
            refused_count=reader.integer("Q"),
            last_refusal=member(Refusal, reader.integer("B")),
            move_number=reader.integer("I"),
            move_result=member(MoveResult, reader.integer("B")),
        )


@dataclass(frozen=True)
class Command:
    """Controller to server, 100 Hz; session, lease and sequence are in the header.

    Attributes:
        kind: TARGETS, or KEEP to show life without changing anything.
        joint_positions: (7,), radians, where the joints shall be now; zeros with KEEP.
        seen_monotonic_s: `Header.monotonic_s` of the latest State that the controller has; the
            server compares it with its own clock, so a command that a network kept for too long,
            or a controller that no longer hears the robot, is found without comparing clocks.
    """

    kind: CommandKind
    joint_positions: Vector = _NO_JOINTS
    seen_monotonic_s: float = 0.0

    def payload(self) -> bytes:
        """The bytes behind the header."""
        return pack("Bd", self.kind, self.seen_monotonic_s) + pack_vector(
            "joint positions", self.joint_positions, JOINTS
        )

    @classmethod
    def from_payload(cls, reader: Reader) -> Command:
        """Read the fields in the order of `payload`."""
        kind = member(CommandKind, reader.integer("B"))
        (seen_monotonic_s,) = reader.numbers("d")
        return cls(kind, reader.vector(JOINTS), seen_monotonic_s)


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


@dataclass(frozen=True)
class ObjectPose:
    """Where an object is.

    Attributes:
        name: `block`, `door_handle` or `drawer_handle`, at most 64 bytes.
        position: (3,), metres in frame `base`.
        quaternion: (4,), orientation in frame `base` as x, y, z, w.
    """

    name: str
    position: Vector
    quaternion: Vector


@dataclass(frozen=True)
class ObjectPoses:
    """Virtual Sawyer to whoever listens: what a camera would see.

    Attributes:
        poses: at most 16.
    """

    poses: tuple[ObjectPose, ...]

    def payload(self) -> bytes:
        """The bytes behind the header."""
        _check_count(len(self.poses))
        parts = [pack("B", len(self.poses))]
        for pose in self.poses:
            parts.append(pack_text("name", pose.name, NAME_BYTES))
            parts.append(pack_vector("position", pose.position, 3))
            parts.append(pack_vector("quaternion", pose.quaternion, 4))
        return b"".join(parts)

    @classmethod
    def from_payload(cls, reader: Reader) -> ObjectPoses:
        """Read the fields in the order of `payload`."""
        count = reader.integer("B")
        _check_count(count)
        return cls(
            tuple(
                ObjectPose(reader.text(NAME_BYTES), reader.vector(3), reader.vector(4))
                for _ in range(count)
            )
        )


Message = Union[State, Command, OperatorRequest, OperatorReply, ObjectPoses]

_TYPES: dict[int, type[Message]] = {
    1: State,
    2: Command,
    3: OperatorRequest,
    4: OperatorReply,
    5: ObjectPoses,
}
_NUMBERS = {kind: number for number, kind in _TYPES.items()}


def encode(header: Header, message: Message) -> bytes:
    """The frame of a message.

    Raises:
        WireError: If a field is outside what its docstring allows, or not finite.
    """
    return pack_frame(header, _NUMBERS[type(message)], message.payload())


def decode(data: bytes) -> tuple[Header, Message]:
    """The message in a frame.

    Raises:
        WireError: If these bytes are anything else than one whole, finite message.
    """
    header, number, payload = unpack_frame(data)
    kind = _TYPES.get(number)
    if kind is None:
        raise WireError(f"message type {number}; allowed: {sorted(_TYPES)}")
    reader = Reader(payload)
    message = kind.from_payload(reader)
    reader.finish()
    return header, message


def _check_ratio(speed_ratio: float) -> None:
    if not 0 < speed_ratio <= 1:
        raise WireError(f"speed ratio {speed_ratio}; allowed: (0, 1]")


def _check_count(count: int) -> None:
    if count > MAX_OBJECTS:
        raise WireError(f"{count} objects; allowed: {MAX_OBJECTS} or fewer")
