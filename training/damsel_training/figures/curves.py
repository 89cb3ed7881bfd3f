"""Figure 2 of the paper: final distance to the target against trajectories sampled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from damsel.families import FAMILIES, Family
from damsel_training.figures.results import by_seed, carried_forward, select
from damsel_training.figures.statistics import mean_interval
from damsel_training.figures.style import METHOD_COLOURS, METHOD_NAMES, MUTED
from damsel_training.trajectory_table import TrajectoryRow

__all__ = ["adaptation_curves"]

Array = NDArray[np.float64]

_LEARNERS = ("damsel", "gmps", "pearl")
_FLAT = ("nothing", "constant", "oracle")
_UNITS = {"m": ("cm", 100.0), "rad": ("rad", 1.0)}


def adaptation_curves(rows: Sequence[TrajectoryRow]) -> Figure:
    """Distances by family: means of the methods, then each task under each learning method.

    Args:
        rows: of one set of tasks in the undisturbed world.
    """
    methods = [name for name in _LEARNERS if select(rows, method=name)]
    learned = [row for row in rows if row.method in methods]
    trajectories = max((row.trajectory for row in learned), default=0) + 1
    figure, axes = plt.subplots(
        len(FAMILIES),
        1 + len(methods),
        figsize=(2.15 * (1 + len(methods)) + 0.4, 5.6),
        sharex=True,
        sharey="row",
        squeeze=False,
    )
    for line, (name, family) in zip(axes, FAMILIES.items(), strict=True):
        its_rows = select(rows, family=name)
        _means(line[0], its_rows, methods, family, trajectories)
        unit, _ = _UNITS[family.unit]
        line[0].set_ylabel(f"{name}\nfinal distance ({unit})")
        for axis, method in zip(line[1:], methods, strict=True):
            _tasks(axis, select(its_rows, method=method), family, trajectories, method)
    axes[0, 0].set_title("mean over tasks")
    for axis, method in zip(axes[0, 1:], methods, strict=True):
        axis.set_title(f"{METHOD_NAMES[method]}, each task", color=METHOD_COLOURS[method])
    for axis in axes[:, 0]:
        axis.set_ylim(bottom=0)
    for axis in axes[-1]:
        axis.set_xlabel("trajectories sampled")
        axis.set_xticks(range(1, trajectories + 1))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    # A column of the legend is as wide as one of the plots, about.
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, axes.shape[1]))
    return figure


def _means(
    axis: Axes,
    rows: Sequence[TrajectoryRow],
    methods: Sequence[str],
    family: Family,
    trajectories: int,
) -> None:
    unit = _UNITS[family.unit][1]
    steps = np.arange(1, trajectories + 1)
    for method in methods:
        its_rows = select(rows, method=method)
        if not its_rows:
            continue
        curves = np.stack(
            [
                carried_forward(each, trajectories).mean(axis=0)
                for each in by_seed(its_rows).values()
            ]
        )
        intervals = [mean_interval(column, low=0.0) for column in unit * curves.T]
        colour = METHOD_COLOURS[method]
        mean, low, high = np.array(intervals).T
        axis.plot(steps, mean, color=colour, label=METHOD_NAMES[method], marker="o", markersize=3)
        if np.isfinite(low).all():
            axis.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
    for method in _FLAT:
        its_rows = select(rows, method=method)
        if its_rows:
            level = unit * float(np.mean([row.distance for row in its_rows]))
            axis.axhline(
                level,
                color=METHOD_COLOURS[method],
                linewidth=1,
                linestyle=(0, (5, 2)),
                label=METHOD_NAMES[method],
            )
    _threshold(axis, family)
    _mark_probes(axis, rows)


def _tasks(
    axis: Axes, rows: Sequence[TrajectoryRow], family: Family, trajectories: int, method: str
) -> None:
    """Every task's distance, the mean over seeds."""
    unit = _UNITS[family.unit][1]
    if rows:
        tables = [carried_forward(each, trajectories) for each in by_seed(rows).values()]
        for task in np.mean(tables, axis=0):
            axis.plot(
                np.arange(1, trajectories + 1),
                unit * task,
                color=METHOD_COLOURS[method],
                alpha=0.55,
                linewidth=1,
            )
    _threshold(axis, family)
    if method == "damsel":
        _mark_probes(axis, rows)


def _threshold(axis: Axes, family: Family) -> None:
    axis.axhline(
        _UNITS[family.unit][1] * family.success_threshold,
        color="black",
        linewidth=0.8,
        linestyle=":",
        label="solved below",
    )


def _mark_probes(axis: Axes, rows: Sequence[TrajectoryRow]) -> None:
    """Shade the trajectories in which DAMSEL still probes most of a family's tasks.

    Args:
        axis: where.
        rows: of the family.
    """
    probes = Counter(
        (row.seed, row.task) for row in rows if row.method == "damsel" and row.stage == "probe"
    )
    axis.set_xlim(left=0.7)
    if probes:
        axis.axvspan(
            0.7,
            int(np.median([*probes.values()])) + 0.5,
            color=MUTED,
            alpha=0.07,
            linewidth=0,
            label="DAMSEL probes (median)",
        )
