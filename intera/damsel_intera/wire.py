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

from typing import Union

from damsel_intera.command_message import Command
from damsel_intera.errors import WireError
from damsel_intera.frame import PROTOCOL_VERSION, Header, pack_frame, unpack_frame
from damsel_intera.limits import JOINT_NAMES, JOINTS
from damsel_intera.object_messages import ObjectPose, ObjectPoses
from damsel_intera.operator_messages import OperatorReply, OperatorRequest
from damsel_intera.packing import Reader
from damsel_intera.reasons import (
    Activity,
    EndpointFrame,
    HoldReason,
    Operation,
    Refusal,
)
from damsel_intera.state_message import State

__all__ = [
    "JOINTS",
    "JOINT_NAMES",
    "PROTOCOL_VERSION",
    "Activity",
    "Command",
    "EndpointFrame",
    "Header",
    "HoldReason",
    "Message",
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
