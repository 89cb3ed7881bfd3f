"""Outlines of the scene's solids, seen along an axis of frame `base`."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from drawing.dimensions import Scene, Solid

__all__ = ["FAINT", "INK", "SIDE_VIEW", "TOP_VIEW", "View", "draw_solids", "named"]

Array = NDArray[np.float64]
View = tuple[int, int]
"""Axes of frame `base` that point to the right and up on the page."""

TOP_VIEW: View = (0, 1)
SIDE_VIEW: View = (0, 2)

INK, FAINT = "#20242a", "#8b939c"
_COLOURS = {
    "arm_dark": "#d9dce0",
    "arm_red": "#e3b9bc",
    "block": "#f3b26b",
    "cabinet": "#ececea",
    "door": "#b5cde4",
    "drawer": "#b9d8bf",
    "metal": "#c9ced3",
    "pad": "#aab0b7",
    "screen": "#c4d6e4",
    "table": "#efe2cd",
}
_RIM_POINTS = 48


def named(this: Scene, *prefixes: str) -> list[str]:
    """Names of the solids that begin with one of the prefixes, in the order of the MJCF."""
    return [name for name in this.solids if name.startswith(prefixes)]


def draw_solids(
    axes: Axes, this: Scene, view: View, names: Sequence[str], *, ghost: bool = False
) -> None:
    """Draw solids in their materials' colours, or dashed as ghosts, the last one on top."""
    for name in names:
        model = this.model
        colour = _COLOURS[model.material(int(model.geom(name).matid[0])).name]
        axes.add_patch(
            Polygon(
                _outline(this.solids[name], view),
                facecolor="none" if ghost else colour,
                edgecolor=FAINT if ghost else INK,
                linestyle=(0, (3, 2)) if ghost else "-",
                linewidth=0.6,
            )
        )


def _outline(solid: Solid, view: View) -> Array:
    """Outline (n, 2) of a solid."""
    if solid.kind == mujoco.mjtGeom.mjGEOM_BOX:
        signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        return _hull((solid.centre + (signs * solid.size) @ solid.rotation.T)[:, view])
    radius = solid.size[0]
    turn = np.linspace(0, 2 * np.pi, _RIM_POINTS, endpoint=False)
    cosine, sine, zero = np.cos(turn), np.sin(turn), np.zeros_like(turn)
    if solid.kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        rim = (radius * np.stack([cosine, sine, zero], axis=1) @ solid.rotation.T)[:, view]
    else:
        rim = radius * np.stack([cosine, sine], axis=1)
    return _hull(np.concatenate([end[list(view)] + rim for end in solid.ends]))


def _hull(points: Array) -> Array:
    """Convex hull of points (n, 2), counter-clockwise."""
    ordered = sorted({(float(x), float(y)) for x, y in points.round(6)})
    return np.array(_lower_hull(ordered) + _lower_hull(ordered[::-1]))


def _lower_hull(ordered: list[tuple[float, float]]) -> list[tuple[float, float]]:
    chain: list[tuple[float, float]] = []
    for x, y in ordered:
        while len(chain) > 1:
            (x0, y0), (x1, y1) = chain[-2:]
            if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0:
                break
            chain.pop()
        chain.append((x, y))
    return chain[:-1]
