"""Rigid transforms between right-handed frames, in metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damsel.errors import InvalidConfigError

__all__ = ["RigidTransform"]

Array = NDArray[np.float64]

_UNIT_TOLERANCE = 1e-2


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """Maps coordinates in one frame to coordinates in another: p -> R p + t.

    Attributes:
        rotation: (3, 3), orthonormal with determinant 1.
        translation: (3,), metres, the first frame's origin in the second.
    """

    rotation: Array
    translation: Array

    @classmethod
    def identity(cls) -> RigidTransform:
        """The transform that changes nothing."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def of(cls, translation: Sequence[float], quaternion: Sequence[float]) -> RigidTransform:
        """The transform of a pose, as messages and files give it.

        Args:
            translation: (3,), metres.
            quaternion: (x, y, z, w) of about unit length; it is normalised.

        Raises:
            InvalidConfigError: If a number is not finite or the quaternion is far from unit
                length, as one that was never filled in.
        """
        position, turn = np.asarray(translation, float), np.asarray(quaternion, float)
        if position.shape != (3,) or not np.isfinite(position).all():
            raise InvalidConfigError(
                f"translation is {position.tolist()}; allowed: three finite numbers, metres"
            )
        length = float(np.linalg.norm(turn)) if turn.shape == (4,) else float("nan")
        if not abs(length - 1.0) <= _UNIT_TOLERANCE:
            raise InvalidConfigError(
                f"quaternion is {turn.tolist()}; allowed: x, y, z, w of unit length"
            )
        return cls(_rotation_of(turn / length), position)

    @property
    def quaternion(self) -> Array:
        """(x, y, z, w) of unit length with w at least 0."""
        r = self.rotation
        # The eigenvector of the largest eigenvalue (Bar-Itzhack 2000) is stable for every angle.
        k = np.array(
            [
                [r[0, 0] - r[1, 1] - r[2, 2], 0, 0, 0],
                [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], 0, 0],
                [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], 0],
                [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], np.trace(r)],
            ]
        )
        vector: Array = np.linalg.eigh(k)[1][:, -1]
        return vector if vector[3] >= 0 else -vector

    def apply(self, points: Array) -> Array:
        """Map points (..., 3) from the first frame to the second."""
        mapped: Array = points @ self.rotation.T + self.translation
        return mapped

    def after(self, first: RigidTransform) -> RigidTransform:
        """The transform that applies `first` and then this one."""
        return RigidTransform(self.rotation @ first.rotation, self.apply(first.translation))

    def inverse(self) -> RigidTransform:
        """The transform back."""
        back = self.rotation.T
        return RigidTransform(back, -(back @ self.translation))


def _rotation_of(quaternion: Array) -> Array:
    x, y, z, w = quaternion.tolist()
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
