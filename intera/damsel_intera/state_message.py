"""What the server tells of the robot and of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from damsel_intera.limits import JOINTS
from damsel_intera.packing import Reader, member, pack, pack_vector
from damsel_intera.reasons import Activity, EndpointFrame, HoldReason, Refusal

__all__ = ["State"]

Vector = Tuple[float, ...]


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
        collision_told: the robot says again and again whether it does.
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
    collision_told: bool
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

    def payload(self) -> bytes:
        """The bytes behind the header."""
        return b"".join(
            (
                pack_vector("joint positions", self.joint_positions, JOINTS),
                pack_vector("joint velocities", self.joint_velocities, JOINTS),
                pack_vector("joint efforts", self.joint_efforts, JOINTS),
                pack_vector("endpoint position", self.endpoint_position, 3),
                pack("8B", self.endpoint_frame, *map(int, self._flags())),
                pack("2B", self.estop_button, self.estop_source),
                pack("2d", self.robot_stamp_s, self.robot_age_s),
                pack("2B", self.activity, self.hold_reason),
                pack("I2Q", self.lease_number, self.last_sequence, self.refused_count),
                pack("B", self.last_refusal),
            )
        )

    def _flags(self) -> tuple[bool, ...]:
        return (
            self.enabled,
            self.stopped,
            self.error,
            self.homed,
            self.ready,
            self.collision,
            self.collision_told,
        )

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
            collision_told=reader.flag(),
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
        )
