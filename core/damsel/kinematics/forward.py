"""Where the end effector is, and how it moves with the joints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel.kinematics.arm import NUM_JOINTS, SAWYER, ArmModel
from damsel.kinematics.numbers import Link, Number, Vector, array_of, cross, numbers_of

__all__ = [
    "Chain",
    "EndEffectorPose",
    "chain_of",
    "end_effector_pose",
    "end_effector_position",
    "geometric_jacobian",
    "jacobian_of",
    "rotation_error",
    "rotation_error_of",
    "tool_down_rotation",
]

Array = NDArray[np.float64]

# Up to so many rows it is faster to take them one by one.
_FEW_ROWS = 12


class EndEffectorPose(NamedTuple):
    """Pose in frame `base`.

    Attributes:
        position_base: (n, 3), metres, the point between the finger tips.
        rotation_base: (n, 3, 3), orientation of the frame `right_hand`.
    """

    position_base: Array
    rotation_base: Array


class Chain(NamedTuple):
    """Frames of the arm in frame `base`, as numbers.

    Attributes:
        position_base: end effector, metres.
        hand_base: the three axes (columns) of the hand's orientation.
        joint_axes_base: seven unit vectors.
        joint_origins_base: seven points, metres.
    """

    position_base: Vector
    hand_base: Sequence[Vector]
    joint_axes_base: Sequence[Vector]
    joint_origins_base: Sequence[Vector]


def chain_of(joint_positions: Array, model: ArmModel) -> Chain:
    """Frames of the arm at joint positions (n, 7) in radians."""
    cosines, sines = numbers_of(np.cos(joint_positions)), numbers_of(np.sin(joint_positions))
    *joints, hand = model.links
    # Row by row: what the frame's axes x, y and z have of each coordinate of the base.
    frame: list[Vector] = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    origin: Vector = (0.0, 0.0, 0.0)
    axes: list[Vector] = []
    origins: list[Vector] = []
    for link, c, s in zip(joints, cosines, sines, strict=True):
        origin = _moved(origin, frame, link)
        at_zero = [link.inverse.times(row) for row in frame]
        frame = [(c * x + s * y, c * y - s * x, z) for x, y, z in at_zero]
        axes.append([z for _, _, z in at_zero])
        origins.append(origin)
    tip = _moved(origin, frame, hand)
    turned = [hand.inverse.times(row) for row in frame]
    return Chain(tip, list(zip(*turned, strict=True)), axes, origins)


def _moved(origin: Vector, frame: Sequence[Vector], link: Link) -> Vector:
    """The origin of a link, by the frame of its parent, which is at `origin`."""
    a, b, c = link.origin
    return [at + (a * x + b * y + c * z) for at, (x, y, z) in zip(origin, frame, strict=True)]


def end_effector_position(joint_positions: Array, model: ArmModel = SAWYER) -> Array:
    """End-effector position in frame `base`, (n, 3) in metres, of joints (n, 7) in radians.

    Carries the one point from the hand back to the base, which is far cheaper than the frames of
    `end_effector_pose`; the safety layer asks for it every tick.
    """
    cosines, sines = np.cos(joint_positions), np.sin(joint_positions)
    if len(joint_positions) <= _FEW_ROWS:
        pairs = zip(cosines.tolist(), sines.tolist(), strict=True)
        return np.array([_tip(c, s, model) for c, s in pairs]).reshape(-1, 3)
    return array_of(_tip(numbers_of(cosines), numbers_of(sines), model), len(joint_positions))


def _tip(cosines: Sequence[Number], sines: Sequence[Number], model: ArmModel) -> Vector:
    *joints, hand = model.links
    x, y, z = hand.origin
    for link, c, s in zip(reversed(joints), reversed(cosines), reversed(sines), strict=True):
        x, y, z = link.rotation.times((c * x - s * y, s * x + c * y, z))
        origin_x, origin_y, origin_z = link.origin
        x, y, z = x + origin_x, y + origin_y, z + origin_z
    return x, y, z


def end_effector_pose(joint_positions: Array, model: ArmModel = SAWYER) -> EndEffectorPose:
    """End-effector position and hand orientation in frame `base` of joints (n, 7) in radians."""
    chain, rows = chain_of(joint_positions, model), len(joint_positions)
    hand = array_of([number for column in chain.hand_base for number in column], rows)
    return EndEffectorPose(
        array_of(chain.position_base, rows), hand.reshape(rows, 3, 3).transpose(0, 2, 1)
    )


def geometric_jacobian(joint_positions: Array, model: ArmModel = SAWYER) -> Array:
    """Geometric Jacobian of the end effector in frame `base`.

    Args:
        joint_positions: (n, 7), radians.
        model: the arm.

    Returns:
        (n, 6, 7): rows 0-2 linear velocity (m/s per rad/s), rows 3-5 angular velocity.
    """
    return jacobian_of(chain_of(joint_positions, model), len(joint_positions))


def jacobian_of(chain: Chain, rows: int) -> Array:
    """The Jacobian of `geometric_jacobian` from frames that are known already."""
    tip = chain.position_base
    linear = [
        cross(axis, [t - o for t, o in zip(tip, origin, strict=True)])
        for axis, origin in zip(chain.joint_axes_base, chain.joint_origins_base, strict=True)
    ]
    by_row = [*zip(*linear, strict=True), *zip(*chain.joint_axes_base, strict=True)]
    return array_of([number for row in by_row for number in row], rows).reshape(rows, 6, NUM_JOINTS)


def tool_down_rotation(yaw_rad: float = 0.0) -> Array:
    """Orientation (3, 3) in `base` of a hand that points straight down.

    At zero yaw the hand's y axis, along which the fingers open, is the base's y axis.
    """
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([[-c, -s, 0.0], [-s, c, 0.0], [0.0, 0.0, -1.0]])


def rotation_error(rotation_base: Array, target_base: Array) -> Array:
    """Small-angle rotation vector, (n, 3) in radians and frame `base`, from current to target.

    Half the sum of the cross products of matching axes; exact to second order in the angle.
    """
    rows = len(rotation_base)
    columns = [numbers_of(rotation_base[:, :, axis]) for axis in range(3)]
    return array_of(rotation_error_of(columns, target_base.T.tolist()), rows)


def rotation_error_of(columns: Sequence[Vector], target_columns: Sequence[Vector]) -> Vector:
    """`rotation_error` of orientations that are given by their columns."""
    x, y, z = (cross(*pair) for pair in zip(columns, target_columns, strict=True))
    return [0.5 * (a + b + c) for a, b, c in zip(x, y, z, strict=True)]
