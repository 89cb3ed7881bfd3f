"""Where a camera stands, from points that were measured in its frame and in `base`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damsel.errors import InvalidConfigError
from damsel.rigid import RigidTransform

__all__ = ["MIN_PAIRS", "Fit", "fit_camera_to_base"]

Array = NDArray[np.float64]

MIN_PAIRS = 4
"""Three determine the transform; the fourth says whether it is any good."""

# Points on a line leave the turn about it open. Spread across the line, as a part of the spread
# along it.
_LEAST_SPREAD = 0.05


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted transform and how well it explains the pairs.

    Attributes:
        camera_to_base: The transform.
        residuals_m: (n,), distance between each mapped point and its measured one.
    """

    camera_to_base: RigidTransform
    residuals_m: Array

    @property
    def rms_m(self) -> float:
        """Root mean square of the residuals."""
        return float(np.sqrt(np.mean(self.residuals_m**2)))

    @property
    def worst_pair(self) -> int:
        """Index of the pair that fits worst."""
        return int(np.argmax(self.residuals_m))


def fit_camera_to_base(points_camera: Array, points_base: Array) -> Fit:
    """Least-squares rigid transform between matching points (Umeyama 1991, without scale).

    With the points centred, the rotation is U diag(1, 1, det(U V^T)) V^T of the singular value
    decomposition U S V^T of sum b_i c_i^T; the determinant keeps it from being a reflection.

    Args:
        points_camera: (n, 3), metres, n at least `MIN_PAIRS`.
        points_base: (n, 3), metres, the same points in frame `base`.

    Raises:
        InvalidConfigError: If there are too few points, they are not finite, or they lie on a
            line.
    """
    if points_camera.shape != points_base.shape or points_camera.shape[1:] != (3,):
        raise InvalidConfigError(
            f"pairs have shapes {points_camera.shape} and {points_base.shape}; allowed: both (n, 3)"
        )
    if len(points_camera) < MIN_PAIRS:
        raise InvalidConfigError(
            f"{len(points_camera)} pairs do not determine where a camera stands; "
            f"allowed: {MIN_PAIRS} or more"
        )
    if not (np.isfinite(points_camera).all() and np.isfinite(points_base).all()):
        raise InvalidConfigError("a pair is not finite; allowed: numbers in metres")
    for name, points in (("camera", points_camera), ("base", points_base)):
        _check_spread(name, points)
    center_camera, center_base = points_camera.mean(axis=0), points_base.mean(axis=0)
    u, _, vt = np.linalg.svd((points_base - center_base).T @ (points_camera - center_camera))
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ mirror @ vt
    transform = RigidTransform(rotation, center_base - rotation @ center_camera)
    residuals: Array = np.linalg.norm(transform.apply(points_camera) - points_base, axis=1)
    return Fit(transform, residuals)


def _check_spread(name: str, points: Array) -> None:
    along, across, _ = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[:3]
    if not across > _LEAST_SPREAD * along:
        raise InvalidConfigError(
            f"the {name} points lie on a line or in one place; allowed: points spread over the "
            "table in two directions at least, better in three"
        )
