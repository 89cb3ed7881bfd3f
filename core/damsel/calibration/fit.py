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

# Points on a line, or in one place, leave turns about them open: root mean square distance from the
# line that fits them best. With eight points and 1.5 mm of noise between a pair, 5 cm leave a turn
# of 0.6 degrees, which is 3 mm at an object 30 cm away; 5 mm are what a reset allows.
_LEAST_SPREAD_M = 0.05
_APART_M = 0.02

# Points in a plane fit a mirrored frame as well. Off the plane by 1 cm, they would leave 2 cm then.
_LEAST_THICKNESS_M = 0.01


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted transform and how well it explains the pairs.

    Attributes:
        camera_to_base: The transform.
        residuals_m: (n,), distance between each mapped point and its measured one.
        thickness_m: Root mean square distance of the points from the plane that fits them best.
    """

    camera_to_base: RigidTransform
    residuals_m: Array
    thickness_m: float

    @property
    def is_flat(self) -> bool:
        """Whether the points would fit a mirrored camera as well."""
        return self.thickness_m < _LEAST_THICKNESS_M

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
        InvalidConfigError: If there are too few points, they are not finite, or they lie near a
            line or at fewer places.
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
        across_m = _spreads_m(points)[1]
        if not across_m >= _LEAST_SPREAD_M:
            raise InvalidConfigError(
                f"the {name} points lie on a line or in one place, but for "
                f"{1000 * across_m:.1f} mm (rms); allowed: points spread over the table, by "
                f"{1000 * _LEAST_SPREAD_M:.0f} mm in two directions at least, better in three"
            )
    places = _places(points_base)
    if places < MIN_PAIRS:
        raise InvalidConfigError(
            f"the pairs are of {places} places that are {100 * _APART_M:g} cm apart; allowed: "
            f"{MIN_PAIRS} or more, or nothing tells a pair that is wrong"
        )
    center_camera, center_base = points_camera.mean(axis=0), points_base.mean(axis=0)
    u, _, vt = np.linalg.svd((points_base - center_base).T @ (points_camera - center_camera))
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ mirror @ vt
    transform = RigidTransform(rotation, center_base - rotation @ center_camera)
    residuals: Array = np.linalg.norm(transform.apply(points_camera) - points_base, axis=1)
    return Fit(transform, residuals, thickness_m=_spreads_m(points_base)[2])


def _places(points: Array) -> int:
    """How many of the points (n, 3) are not near one that was counted before."""
    counted: list[Array] = []
    for point in points:
        if all(np.linalg.norm(point - other) >= _APART_M for other in counted):
            counted.append(point)
    return len(counted)


def _spreads_m(points: Array) -> list[float]:
    """Root mean square extents of points (n, 3) along their principal axes, largest first."""
    extents = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return [float(extent) for extent in extents / np.sqrt(len(points))]
