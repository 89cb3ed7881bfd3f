"""Geometry and limits of the Sawyer arm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from damsel.kinematics.numbers import FixedRotation, Link

__all__ = ["JOINT_NAMES", "NUM_JOINTS", "SAWYER", "ArmModel"]

Array = NDArray[np.float64]

NUM_JOINTS = 7
JOINT_NAMES = tuple(f"right_j{i}" for i in range(NUM_JOINTS))

_HALF_PI = np.pi / 2


def _rotation_from_rpy(roll: float, pitch: float, yaw: float) -> Array:
    """Rotation matrix of URDF roll-pitch-yaw angles (fixed axes x, y, z)."""
    cr, sr, cp, sp, cy, sy = (f(angle) for angle in (roll, pitch, yaw) for f in (np.cos, np.sin))
    rotation = np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )
    # Right angles should be exact zeros and ones, so that round-off does not accumulate.
    rotation[np.abs(rotation) < 1e-15] = 0.0
    return rotation


@dataclass(frozen=True)
class ArmModel:
    """Geometry and limits of a serial arm whose joints all turn about their local z axis.

    Attributes:
        joint_origins: (7, 3), metres, origin of each joint in its parent's frame.
        joint_rotations: (7, 3, 3), rotation of each joint's frame in its parent's at angle zero.
        hand_offset: (3,), metres, the end effector (between the finger tips) in joint 6's frame.
        hand_rotation: (3, 3), rotation of the hand in joint 6's frame.
        position_low: (7,), radians.
        position_high: (7,), radians.
        velocity_limit: (7,), radians per second.
        acceleration_limit: (7,), radians per second squared.
        effort_limit: (7,), newton metres.
    """

    joint_origins: Array
    joint_rotations: Array
    hand_offset: Array
    hand_rotation: Array
    position_low: Array
    position_high: Array
    velocity_limit: Array
    acceleration_limit: Array
    effort_limit: Array

    @cached_property
    def levers(self) -> Array:
        """(7,), metres: how far the end effector can be from each joint.

        A radian there moves it by no more than that.
        """
        lengths = [*np.linalg.norm(self.joint_origins, axis=1), np.linalg.norm(self.hand_offset)]
        return np.cumsum(lengths[::-1])[-2::-1]

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """The fixed transforms of the joints, and last that of the hand, ready for the chain."""
        rotations = [*self.joint_rotations, self.hand_rotation]
        origins = [*self.joint_origins, self.hand_offset]
        return tuple(
            Link(FixedRotation.of(rotation), FixedRotation.of(rotation.T), tuple(origin.tolist()))
            for rotation, origin in zip(rotations, origins, strict=True)
        )


# Chain, limits and the hand's fixed transform: sawyer_description of Rethink Robotics'
# sawyer_robot (`sawyer_base.urdf.xacro`); accelerations: intera's joint limits.
_ORIGINS = (
    ((0.0, 0.0, 0.08), (0.0, 0.0, 0.0)),
    ((0.081, 0.05, 0.237), (-_HALF_PI, _HALF_PI, 0.0)),
    ((0.0, -0.14, 0.1425), (_HALF_PI, 0.0, 0.0)),
    ((0.0, -0.042, 0.26), (-_HALF_PI, 0.0, 0.0)),
    ((0.0, -0.125, -0.1265), (_HALF_PI, 0.0, 0.0)),
    ((0.0, 0.031, 0.275), (-_HALF_PI, 0.0, 0.0)),
    ((0.0, -0.11, 0.1053), (-_HALF_PI, -0.17453, 3.1416)),
)
_HAND_ORIGIN_M = 0.0245
_GRIPPER_TIP_FROM_HAND_M = 0.1356

SAWYER = ArmModel(
    joint_origins=np.array([xyz for xyz, _ in _ORIGINS]),
    joint_rotations=np.stack([_rotation_from_rpy(*rpy) for _, rpy in _ORIGINS]),
    hand_offset=np.array([0.0, 0.0, _HAND_ORIGIN_M + _GRIPPER_TIP_FROM_HAND_M]),
    hand_rotation=_rotation_from_rpy(0.0, 0.0, _HALF_PI),
    position_low=np.array([-3.0503, -3.8095, -3.0426, -3.0439, -2.9761, -2.9761, -4.7124]),
    position_high=np.array([3.0503, 2.2736, 3.0426, 3.0439, 2.9761, 2.9761, 4.7124]),
    velocity_limit=np.array([1.74, 1.328, 1.957, 1.957, 3.485, 3.485, 4.545]),
    acceleration_limit=np.array([10.0, 8.0, 10.0, 10.0, 12.0, 12.0, 12.0]),
    effort_limit=np.array([80.0, 80.0, 40.0, 40.0, 9.0, 9.0, 9.0]),
)
