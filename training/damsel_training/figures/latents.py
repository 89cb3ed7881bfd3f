"""Figure 3 of the paper: where tasks lie in the latent space, with and without structure."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from damsel.families import FAMILIES
from damsel_training.figures.results import final_rows, select
from damsel_training.figures.style import FAMILY_COLOURS, FAMILY_MARKERS, METHOD_NAMES
from damsel_training.trajectory_table import TrajectoryRow

__all__ = ["latent_spaces", "principal_components"]

Array = NDArray[np.float64]

_METHODS = ("damsel", "gmps")
_SMALLEST, _LARGEST = 10.0, 55.0


def principal_components(points: Array, others: Array) -> tuple[Array, Array, Array]:
    """Points (n, L) and others (m, L) on the two axes along which the points vary most.

    Returns:
        (n, 2), (m, 2), and the part (2,) of the points' variance along each axis.
    """
    centre = points.mean(axis=0)
    _, spread, axes = np.linalg.svd(points - centre, full_matrices=False)
    # An axis has no direction of its own; its largest coordinate shall be positive.
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    plane = np.zeros((points.shape[1], 2))
    share = np.zeros(2)
    # A single point varies along one axis at most.
    found = min(len(axes), 2)
    plane[:, :found] = (axes * signs[:, None])[:found].T
    total = max(float((spread**2).sum()), np.finfo(float).tiny)
    share[:found] = spread[:found] ** 2 / total
    return (points - centre) @ plane, (others - centre) @ plane, share


def latent_spaces(rows: Sequence[TrajectoryRow]) -> Figure | None:
    """The last latent of every task for one seed, DAMSEL beside GMPS; None without latents.

    Args:
        rows: of one set of tasks in the undisturbed world.
    """
    methods = [name for name in _METHODS if _inferred(select(rows, method=name))]
    if not methods:
        return None
    figure, axes = plt.subplots(
        1, len(methods), figsize=(3.1 * len(methods) + 0.2, 3.3), squeeze=False
    )
    for axis, method in zip(axes[0], methods, strict=True):
        its_rows = select(rows, method=method)
        first_seed = min(row.seed for row in _inferred(its_rows))
        _scatter(axis, select(its_rows, seed=first_seed))
        axis.set_title(METHOD_NAMES[method])
    entries = {
        label: handle
        for axis in axes[0]
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    columns = min(len(entries), 3 * len(methods))
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=columns)
    return figure


def _inferred(rows: Sequence[TrajectoryRow]) -> list[TrajectoryRow]:
    """The last trajectories under a latent that was inferred."""
    return [row for row in final_rows(rows) if row.stage == "adapt" and row.latent]


def _scatter(axis: Axes, rows: Sequence[TrajectoryRow]) -> None:
    last = _inferred(rows)
    priors = {row.latent: row.inferred for row in rows if row.stage == "probe"}
    points = np.array([row.latent for row in last])
    prior_points = np.array(list(priors)).reshape(-1, points.shape[1])
    placed, prior, share = principal_components(points, prior_points)
    for name, family in FAMILIES.items():
        chosen = [index for index, row in enumerate(last) if row.family == name]
        far = np.linalg.norm(np.maximum(np.abs(family.low), np.abs(family.high)))
        size = np.array([np.linalg.norm(last[index].goal) for index in chosen]) / far
        axis.scatter(
            placed[chosen, 0],
            placed[chosen, 1],
            s=_SMALLEST + (_LARGEST - _SMALLEST) * size,
            color=FAMILY_COLOURS[name],
            marker=FAMILY_MARKERS[name],
            alpha=0.75,
            linewidth=0.4,
            edgecolor="white",
            label=name,
        )
    components = np.array([bool(family) for family in priors.values()], bool)
    axis.scatter(
        prior[components, 0],
        prior[components, 1],
        marker="x",
        color="black",
        s=36,
        linewidth=1.4,
        zorder=3,
        label=_label("prior component", components),
    )
    axis.scatter(
        prior[~components, 0],
        prior[~components, 1],
        color="#B4B4B4",
        s=7,
        linewidth=0,
        zorder=1,
        label=_label("sample of the prior", ~components),
    )
    axis.set_xlabel(f"first principal component ({share[0]:.0%})")
    axis.set_ylabel(f"second principal component ({share[1]:.0%})")


def _label(text: str, shown: NDArray[np.bool_]) -> str:
    """The legend's entry for points; of none if there are no points."""
    return text if shown.any() else "_nolegend_"
