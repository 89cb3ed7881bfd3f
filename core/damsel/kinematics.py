"""Forward kinematics, Jacobian and damped-least-squares inverse kinematics of the Sawyer arm.

Everything is batched over leading rows and pure NumPy, so that the same code runs in the batched
simulation, in the ROS 2 node next to a real arm, and in the tests that compare it with MuJoCo.

Rows never influence one another: a row computed alone and the same row inside a batch give the
same bits, which is what makes a trajectory reproducible between training and deployment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "JOINT_NAMES",
    "NUM_JOINTS",
    "SAWYER",
    "ArmModel",
    "DampingCfg",
    "EndEffectorPose",
    "differential_inverse",
    "end_effector_pose",
    "end_effector_position",
    "geometric_jacobian",
    "rotation_error",
    "tool_down_rotation",
]

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


class EndEffectorPose(NamedTuple):
    """Pose in frame `base`.

    Attributes:
        position_base: (n, 3), metres, the point between the finger tips.
        rotation_base: (n, 3, 3), orientation of the frame `right_hand`.
    """

    position_base: Array
    rotation_base: Array


class _Chain(NamedTuple):
    position_base: Array  # (n, 3) end effector
    rotation_base: Array  # (n, 3, 3) joint 6
    joint_axes_base: Array  # (n, 7, 3)
    joint_origins_base: Array  # (n, 7, 3)


def _chain(joint_positions: Array, model: ArmModel) -> _Chain:
    rows = joint_positions.shape[0]
    cosines = np.cos(joint_positions)[:, :, None]
    sines = np.sin(joint_positions)[:, :, None]
    rotation = np.broadcast_to(np.eye(3), (rows, 3, 3))
    origin = np.zeros((rows, 3))
    axes = np.empty((rows, NUM_JOINTS, 3))
    origins = np.empty((rows, NUM_JOINTS, 3))
    for joint in range(NUM_JOINTS):
        origin = origin + np.einsum("nij,j->ni", rotation, model.joint_origins[joint])
        at_zero = np.einsum("nij,jk->nik", rotation, model.joint_rotations[joint])
        rotation = np.empty((rows, 3, 3))
        c, s = cosines[:, joint], sines[:, joint]
        rotation[:, :, 0] = c * at_zero[:, :, 0] + s * at_zero[:, :, 1]
        rotation[:, :, 1] = c * at_zero[:, :, 1] - s * at_zero[:, :, 0]
        rotation[:, :, 2] = at_zero[:, :, 2]
        axes[:, joint] = at_zero[:, :, 2]
        origins[:, joint] = origin
    tip = origin + np.einsum("nij,j->ni", rotation, model.hand_offset)
    return _Chain(tip, rotation, axes, origins)


def end_effector_position(joint_positions: Array, model: ArmModel = SAWYER) -> Array:
    """End-effector position in frame `base`, (n, 3) in metres, of joints (n, 7) in radians.

    Carries the one point from the hand back to the base, which is far cheaper than the frames of
    `end_effector_pose`; the safety layer asks for it every tick.
    """
    cosines, sines = np.cos(joint_positions), np.sin(joint_positions)
    x, y, z = model.hand_offset.tolist()
    rotations, origins = model.joint_rotations.tolist(), model.joint_origins.tolist()
    for joint in reversed(range(NUM_JOINTS)):
        c, s = cosines[:, joint], sines[:, joint]
        turned_x, turned_y = c * x - s * y, s * x + c * y
        ((xx, xy, xz), (yx, yy, yz), (zx, zy, zz)) = rotations[joint]
        origin_x, origin_y, origin_z = origins[joint]
        x, y, z = (
            xx * turned_x + xy * turned_y + xz * z + origin_x,
            yx * turned_x + yy * turned_y + yz * z + origin_y,
            zx * turned_x + zy * turned_y + zz * z + origin_z,
        )
    return np.stack([x, y, z], axis=1)


def end_effector_pose(joint_positions: Array, model: ArmModel = SAWYER) -> EndEffectorPose:
    """End-effector position and hand orientation in frame `base` of joints (n, 7) in radians."""
    chain = _chain(joint_positions, model)
    return EndEffectorPose(
        chain.position_base, np.einsum("nij,jk->nik", chain.rotation_base, model.hand_rotation)
    )


def geometric_jacobian(joint_positions: Array, model: ArmModel = SAWYER) -> Array:
    """Geometric Jacobian of the end effector in frame `base`.

    Args:
        joint_positions: (n, 7), radians.
        model: the arm.

    Returns:
        (n, 6, 7): rows 0-2 linear velocity (m/s per rad/s), rows 3-5 angular velocity.
    """
    return _jacobian_of(_chain(joint_positions, model))


def _jacobian_of(chain: _Chain) -> Array:
    lever = chain.position_base[:, None, :] - chain.joint_origins_base
    linear = _cross(chain.joint_axes_base, lever)
    return np.concatenate(
        [linear.transpose(0, 2, 1), chain.joint_axes_base.transpose(0, 2, 1)], axis=1
    )


def _cross(a: Array, b: Array) -> Array:
    """Cross products of the last axis; np.cross spends most of its time on shapes."""
    product = np.empty(np.broadcast_shapes(a.shape, b.shape))
    product[..., 0] = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    product[..., 1] = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    product[..., 2] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product


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
    axes, target_axes = rotation_base.transpose(0, 2, 1), target_base.T
    error: Array = 0.5 * _cross(axes, target_axes).sum(axis=1)
    return error


@dataclass(frozen=True)
class DampingCfg:
    """Weights of the damped-least-squares step.

    Attributes:
        damping: lambda of J^T (J J^T + lambda^2 I)^-1, in metres per radian.
        posture_gain: fraction of the way to the nominal posture that the null space moves a step.
        rotation_weight_m: length that makes a radian of orientation comparable to a metre.
    """

    damping: float = 0.02
    posture_gain: float = 0.05
    rotation_weight_m: float = 0.3


def differential_inverse(
    joint_positions: Array,
    target_position_base: Array,
    target_rotation_base: Array,
    posture: Array,
    cfg: DampingCfg,
    model: ArmModel = SAWYER,
    posture_share: Array | None = None,
) -> Array:
    """One damped-least-squares step towards a pose, with the null space drawn to a posture.

    dq = J# e + (I - J# J) k (q_posture - q), with J# = J^T (J J^T + lambda^2 I)^-1
    (Nakamura and Hanafusa 1986).

    Args:
        joint_positions: (n, 7), radians, where the step starts.
        target_position_base: (n, 3), metres.
        target_rotation_base: (3, 3).
        posture: (7,), radians.
        cfg: weights.
        model: the arm.
        posture_share: (n,), from 0 to 1, how much of `cfg.posture_gain` counts; all by default.

    Returns:
        (n, 7) joint displacement in radians.
    """
    chain = _chain(joint_positions, model)
    jacobian = _jacobian_of(chain)
    hand = np.einsum("nij,jk->nik", chain.rotation_base, model.hand_rotation)
    error = np.concatenate(
        [target_position_base - chain.position_base, rotation_error(hand, target_rotation_base)],
        axis=1,
    )
    weights = np.array([1.0] * 3 + [cfg.rotation_weight_m] * 3)
    jacobian *= weights[None, :, None]
    error *= weights
    toward_posture = cfg.posture_gain * (posture - joint_positions)
    if posture_share is not None:
        toward_posture *= posture_share[:, None]
    # One solve serves both terms: p plus J# applied to (e - J p), p the way to the posture.
    residual = error - np.einsum("nij,nj->ni", jacobian, toward_posture)
    gram = np.einsum("nij,nkj->nik", jacobian, jacobian) + cfg.damping**2 * np.eye(6)
    step: Array = toward_posture + np.einsum(
        "nij,ni->nj", jacobian, np.linalg.solve(gram, residual[:, :, None])[:, :, 0]
    )
    return step
