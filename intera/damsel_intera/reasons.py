"""The vocabulary of the protocol: what the arm is doing, why it holds, what was refused.

The numbers are part of the wire format: new ones may be added at the end, old ones never change.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = [
    "LATCHED",
    "TOWARDS_MOTION",
    "Activity",
    "EndpointFrame",
    "HoldReason",
    "Operation",
    "Refusal",
]


class Activity(IntEnum):
    """What the server makes the arm do."""

    HOLDING = 0
    FOLLOWING = 1


class EndpointFrame(IntEnum):
    """Which point of the hand an endpoint position tells about."""

    NONE = 0
    RIGHT_HAND = 1
    RIGHT_GRIPPER_TIP = 2


class Operation(IntEnum):
    """What an operator request asks for."""

    HELLO = 1  # who are you; needs no session
    CLAIM = 2  # become the controller
    RELEASE = 3  # stop being it; the arm holds
    ENABLE = 4  # clear faults and old targets, switch the motors on
    STOP = 5  # switch the motors off; needs no session
    HOLD = 6  # end whatever the arm does; needs no session


# Nobody may expect these any more if they come late.
TOWARDS_MOTION = frozenset({Operation.CLAIM, Operation.ENABLE})


class HoldReason(IntEnum):
    """Why the arm holds; NONE while it follows."""

    NONE = 0
    NO_CONTROLLER = 1
    WAITING = 2
    STALE = 3
    NOT_FINITE = 4
    JUMP = 5
    JOINT_LIMIT = 6
    RELEASED = 7
    OPERATOR_HOLD = 8
    OPERATOR_STOP = 10
    ESTOP = 11
    COLLISION = 12
    ROBOT_ERROR = 13
    DISABLED = 14
    STOPPED = 15
    ROBOT_SILENT = 16
    ROBOT_INVALID = 17
    SEND_FAILED = 18
    COLLISION_SILENT = 19

    @property
    def text(self) -> str:
        """The cause in words."""
        return _HOLD_TEXTS[self]

    @property
    def latched(self) -> bool:
        """Whether only an operator's ENABLE ends it."""
        return self in LATCHED


class Refusal(IntEnum):
    """Why the latest refused command moved nothing."""

    NONE = 0
    GARBAGE = 1
    OLD_SESSION = 2
    OTHER_LEASE = 3
    OLD_SEQUENCE = 4
    LATE = 5
    NOT_FINITE = 6
    JUMP = 7
    JOINT_LIMIT = 8

    @property
    def text(self) -> str:
        """The cause in words."""
        return _REFUSAL_TEXTS[self]


_HOLD_TEXTS = {
    HoldReason.NONE: "not holding",
    HoldReason.NO_CONTROLLER: "nobody has claimed control",
    HoldReason.WAITING: "control was claimed, no target has come yet",
    HoldReason.STALE: "no fresh command within the watchdog's time",
    HoldReason.NOT_FINITE: "a target was not finite",
    HoldReason.JUMP: "a target jumped by more than the joints can move",
    HoldReason.JOINT_LIMIT: "a target was outside of the joint limits",
    HoldReason.RELEASED: "the controller gave control back",
    HoldReason.OPERATOR_HOLD: "an operator asked for it",
    HoldReason.OPERATOR_STOP: "an operator stopped the robot",
    HoldReason.ESTOP: "the emergency stop is pressed",
    HoldReason.COLLISION: "the robot felt a collision",
    HoldReason.ROBOT_ERROR: "the robot reports an error",
    HoldReason.DISABLED: "the robot is not enabled",
    HoldReason.STOPPED: "the robot is stopped",
    HoldReason.ROBOT_SILENT: "the robot's own states are late or missing",
    HoldReason.ROBOT_INVALID: "the robot's own states are not finite or incomplete",
    HoldReason.SEND_FAILED: "the robot does not take commands",
    HoldReason.COLLISION_SILENT: "the robot no longer says whether it feels a collision",
}

_REFUSAL_TEXTS = {
    Refusal.NONE: "nothing was refused",
    Refusal.GARBAGE: "not a message of this protocol",
    Refusal.OLD_SESSION: "for another start of the server",
    Refusal.OTHER_LEASE: "not from the controller that has control",
    Refusal.OLD_SEQUENCE: "older than one that came before",
    Refusal.LATE: "made from a robot state that is too old",
    Refusal.NOT_FINITE: "a target that is not finite",
    Refusal.JUMP: "a target that jumps by more than the joints can move",
    Refusal.JOINT_LIMIT: "a target outside of the joint limits",
}

LATCHED = frozenset(
    {
        HoldReason.OPERATOR_STOP,
        HoldReason.ESTOP,
        HoldReason.COLLISION,
        HoldReason.ROBOT_ERROR,
        HoldReason.DISABLED,
        HoldReason.STOPPED,
        HoldReason.ROBOT_SILENT,
        HoldReason.ROBOT_INVALID,
        HoldReason.SEND_FAILED,
        HoldReason.COLLISION_SILENT,
    }
)
