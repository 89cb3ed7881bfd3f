"""Coordinates as numbers: arrays (n,) where rows are many, plain floats where they are few.

For a handful of rows Python's floats are several times as fast as NumPy's small arrays. The
arithmetic, and its order, is the same code for both, so the bits are the same too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["FixedRotation", "Link", "Number", "Vector", "array_of", "cross", "numbers_of"]

Array = NDArray[np.float64]

Number = Any
"""A float, or an array (n,)."""

Vector = Sequence[Number]
"""Three numbers."""


def numbers_of(values: Array) -> list[Number]:
    """The columns of an array (n, k) as k numbers."""
    columns = values[0].tolist() if len(values) == 1 else np.ascontiguousarray(values.T)
    return list(columns)


def array_of(numbers: Sequence[Number], rows: int) -> Array:
    """The array (rows, k) whose columns are k numbers."""
    if rows == 1:
        return np.array([numbers])
    array = np.empty((rows, len(numbers)))
    for column, number in enumerate(numbers):
        array[:, column] = number
    return array


def cross(a: Vector, b: Vector) -> Vector:
    """Cross product."""
    ax, ay, az = a
    bx, by, bz = b
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


class FixedRotation(NamedTuple):
    """A fixed rotation matrix, for vectors of numbers."""

    rows: tuple[tuple[float, float, float], ...]
    # Rotations by right angles only exchange coordinates and turn their signs.
    exchange: tuple[tuple[int, int, int], tuple[bool, bool, bool]] | None

    @classmethod
    def of(cls, matrix: Array) -> FixedRotation:
        """Read a matrix (3, 3)."""
        rows = tuple(map(tuple, matrix.tolist()))
        indices = tuple(np.argmax(np.abs(matrix), axis=1).tolist())
        values = [row[i] for row, i in zip(rows, indices, strict=True)]
        if np.count_nonzero(matrix) != 3 or {abs(value) for value in values} != {1.0}:
            return cls(rows, None)
        return cls(rows, (indices, tuple(value < 0 for value in values)))

    def times(self, vector: Vector) -> Vector:
        """The rotated vector."""
        if self.exchange is not None:
            (i, j, k), (flip_x, flip_y, flip_z) = self.exchange
            x, y, z = vector[i], vector[j], vector[k]
            return -x if flip_x else x, -y if flip_y else y, -z if flip_z else z
        x, y, z = vector
        (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = self.rows
        return xx * x + xy * y + xz * z, yx * x + yy * y + yz * z, zx * x + zy * y + zz * z


class Link(NamedTuple):
    """A joint's fixed transform in its parent's frame."""

    rotation: FixedRotation
    inverse: FixedRotation
    origin: tuple[float, float, float]
