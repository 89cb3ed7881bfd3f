"""Damped-least-squares inverse kinematics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damsel.kinematics.arm import SAWYER, ArmModel
from damsel.kinematics.forward import chain_of, jacobian_of, rotation_error_of
from damsel.kinematics.numbers import array_of, numbers_of

__all__ = ["DampingCfg", "differential_inverse"]

Array = NDArray[np.float64]

_IDENTITY = np.eye(6)


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
    chain, rows = chain_of(joint_positions, model), len(joint_positions)
    position_error = [
        target - at
        for target, at in zip(numbers_of(target_position_base), chain.position_base, strict=True)
    ]
    rotation_part = rotation_error_of(chain.hand_base, target_rotation_base.T.tolist())
    error = array_of([*position_error, *rotation_part], rows)
    jacobian = jacobian_of(chain, rows)
    jacobian[:, 3:] *= cfg.rotation_weight_m
    error[:, 3:] *= cfg.rotation_weight_m
    toward_posture = cfg.posture_gain * (posture - joint_positions)
    if posture_share is not None:
        toward_posture *= posture_share[:, None]
    # The sum of both terms is p + J# (e - J p), p towards the posture: one solve serves both.
    transposed = jacobian.transpose(0, 2, 1)
    residual = error[:, :, None] - jacobian @ toward_posture[:, :, None]
    gram = jacobian @ transposed + cfg.damping**2 * _IDENTITY
    return toward_posture + (transposed @ np.linalg.solve(gram, residual))[:, :, 0]
