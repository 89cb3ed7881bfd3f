"""The confusion matrix of family identification as a figure."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from damsel.families import FAMILIES
from damsel_training.figures.results import final_rows, select
from damsel_training.trajectory_table import TrajectoryRow

__all__ = ["confusion_figure", "confusion_matrix"]


def confusion_matrix(rows: Sequence[TrajectoryRow]) -> NDArray[np.float64]:
    """Part of each true family's tasks, in the rows, inferred as each family; NaN without tasks."""
    final = final_rows(rows)
    matrix = np.full((len(FAMILIES), len(FAMILIES)), np.nan)
    for line, true in zip(matrix, FAMILIES, strict=True):
        its_rows = select(final, family=true)
        if its_rows:
            line[:] = [len(select(its_rows, inferred=name)) / len(its_rows) for name in FAMILIES]
    return matrix


def confusion_figure(rows: Sequence[TrajectoryRow]) -> Figure | None:
    """How DAMSEL identifies families; None without rows of it."""
    its_rows = select(rows, method="damsel")
    if not its_rows:
        return None
    matrix = confusion_matrix(its_rows)
    figure, axis = plt.subplots(figsize=(2.7, 2.6))
    axis.imshow(np.nan_to_num(matrix), cmap="Blues", vmin=0, vmax=1)
    for line, column in np.ndindex(*matrix.shape):
        share = matrix[line, column]
        text = "" if np.isnan(share) else f"{share:.1%}"
        colour = "white" if share > 0.5 else "black"
        axis.text(column, line, text, ha="center", va="center", color=colour, fontsize=8)
    ticks = range(len(FAMILIES))
    axis.set_xticks(ticks, list(FAMILIES))
    axis.set_yticks(ticks, list(FAMILIES))
    axis.set_xlabel("inferred family")
    axis.set_ylabel("true family")
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    return figure
