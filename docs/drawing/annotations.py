"""Dimension lines, ordinates and labels, in millimetres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from drawing.shapes import FAINT, INK

__all__ = ["MARK", "dimension", "frame_arrows", "ordinates", "outline"]

MARK = "#b01020"

Point = tuple[float, float] | NDArray[np.float64]

_LEAST_SPACING = 0.0145
"""Between ordinates, as a part of the page's larger side."""


def ordinates(
    axes: Axes, axis: int, line: float, features: Sequence[tuple[float, float, str]]
) -> None:
    """Coordinates along one axis, each written on a line and led to its feature.

    Args:
        axes: to draw on.
        axis: 0 for coordinates along x, 1 for along y.
        line: where they are written, on the other axis.
        features: coordinate, where the feature is on the other axis, and its name or nothing.
    """
    page = np.ptp([axes.get_xlim(), axes.get_ylim()], axis=1).max()
    ordered = sorted(features)
    places = _spread([value for value, _, _ in ordered], page * _LEAST_SPACING)
    for (value, start, name), place in zip(ordered, places, strict=True):
        outwards = np.sign(line - start) or 1.0
        knee, end = line + outwards * 0.012 * page, line + outwards * 0.03 * page
        along = np.array([value, value, place, place])
        across = np.array([start, line, knee + 0.3 * (end - knee), end])
        corners = (along, across) if axis == 0 else (across, along)
        axes.plot(*corners, color=FAINT, linewidth=0.4)
        text = f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"
        label = f"{text} {name}" if name else text
        if axis == 1:
            axes.text(end, place, f" {label}", va="center", ha="left", color=INK)
        else:
            side = "bottom" if outwards > 0 else "top"
            axes.text(place, end, f" {label} ", rotation=90, ha="center", va=side, color=INK)


def dimension(
    axes: Axes, start: Point, end: Point, line: float, *, axis: int, side: float = 1.0
) -> None:
    """A dimension with arrows: the distance between two points along one axis.

    Args:
        axes: to draw on.
        start: one point.
        end: the other.
        line: coordinate of the dimension line on the other axis.
        axis: 0 measures along x, 1 along y.
        side: 1 writes the number above or to the right of the line, -1 below or to the left.
    """
    ends = [(float(point[axis]), line) for point in (start, end)]
    if axis == 1:
        ends = [(b, a) for a, b in ends]
    for point, (x, y) in zip((start, end), ends, strict=True):
        axes.plot([point[0], x], [point[1], y], color=FAINT, linewidth=0.4)
    axes.annotate(
        "", ends[1], ends[0], arrowprops={"arrowstyle": "<|-|>", "linewidth": 0.6, "color": INK,
                                          "shrinkA": 0, "shrinkB": 0, "mutation_scale": 6}
    )  # fmt: skip
    length = abs(float(end[axis]) - float(start[axis]))
    middle = np.mean(ends, axis=0)
    axes.annotate(
        f"{length:.1f}".removesuffix(".0"),
        middle,
        (0.0, 3.0 * side) if axis == 0 else (3.0 * side, 0.0),
        textcoords="offset points",
        ha="center" if axis == 0 else "left" if side > 0 else "right",
        va="center" if axis == 1 else "bottom" if side > 0 else "top",
        color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )


def outline(axes: Axes, low: Point, high: Point, label: str, colour: str) -> None:
    """A dashed rectangle between two corners, with its name inside at the top."""
    width, height = high[0] - low[0], high[1] - low[1]
    axes.add_patch(
        Rectangle(
            (low[0], low[1]), width, height, fill=False, edgecolor=colour, linestyle=(0, (6, 3))
        )
    )
    axes.annotate(
        label,
        (low[0], high[1]),
        (4, -4),
        textcoords="offset points",
        va="top",
        ha="left",
        color=colour,
    )


def frame_arrows(axes: Axes, origin: Point, names: tuple[str, str]) -> None:
    """The directions of frame `base`."""
    for name, (x, y) in zip(names, ((100, 0), (0, 100)), strict=True):
        axes.annotate(
            name,
            (origin[0], origin[1]),
            (origin[0] + x, origin[1] + y),
            ha="center",
            va="center",
            color=MARK,
            arrowprops={"arrowstyle": "<-", "color": MARK, "linewidth": 1.0},
        )
    axes.annotate(
        "base", (origin[0], origin[1]), (0, -4), textcoords="offset points", va="top", color=MARK
    )


def _spread(values: Sequence[float], spacing: float) -> list[float]:
    """Ascending places near ascending values, at least `spacing` apart."""
    groups: list[list[float]] = []
    for value in values:
        groups.append([value])
        while (
            len(groups) > 1
            and _places(groups[-2], spacing)[-1] + spacing > (_places(groups[-1], spacing)[0])
        ):
            last = groups.pop()
            groups[-1] += last
    return [place for group in groups for place in _places(group, spacing)]


def _places(group: Sequence[float], spacing: float) -> list[float]:
    middle = sum(group) / len(group)
    return [middle + spacing * (index - (len(group) - 1) / 2) for index in range(len(group))]
