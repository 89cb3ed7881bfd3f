"""`damsel-train figures`: every figure and table of the results, from kept CSV tables alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from damsel.families import FAMILIES
from damsel_training.figures.confusion import confusion_figure
from damsel_training.figures.curves import adaptation_curves
from damsel_training.figures.latents import latent_spaces
from damsel_training.figures.page import new_page, provenance_table, update_page
from damsel_training.figures.results import load_results, select
from damsel_training.figures.style import METHOD_NAMES, save, styled
from damsel_training.figures.tables import (
    GENTLE_N,
    confusion_table,
    correlation_table,
    effort_table,
    robustness_table,
    seeds_table,
    success_table,
)
from damsel_training.trajectory_table import TrajectoryRow

__all__ = ["make_figures"]


def make_figures(results: Path, images: Path, page: Path, command: str) -> list[Path]:
    """Draw every figure that the tables allow, and write the page's marked parts anew.

    Args:
        results: folder of the tables.
        images: folder of the figures.
        page: the results page.
        command: that asked for it, for the record.

    Returns:
        The files written.

    Raises:
        MissingStageError: there are no tables.
        InvalidDatasetError: a table cannot be read, or they do not go together.
    """
    rows = load_results(results)
    nominal = select(rows, disturbance="none")
    sections: dict[str, str] = {}
    written: list[Path] = []
    with styled():
        for task_set in sorted({row.task_set for row in nominal}):
            its_rows = select(nominal, task_set=task_set)
            pictures = _draw(its_rows, task_set, images)
            written += pictures
            sections[task_set] = _section(its_rows, task_set, pictures, page)
    for task_set in sorted({row.task_set for row in rows if row.disturbance != "none"}):
        its_rows = select(rows, task_set=task_set)
        sections[f"robustness-{task_set}"] = _robustness(its_rows, task_set)
    sections["provenance"] = (
        f"## What made these\n\n{provenance_table(results)}\n\nThis page: `{command}`."
    )
    update_page(page, sections, new_page("Results", "figures", page, results))
    return [*written, page]


def _draw(rows: Sequence[TrajectoryRow], task_set: str, images: Path) -> list[Path]:
    figures = {
        "adaptation_curves": adaptation_curves(rows),
        "latent_spaces": latent_spaces(rows),
        "confusion": confusion_figure(rows),
    }
    return [
        path
        for name, figure in figures.items()
        if figure is not None
        for path in save(figure, images, f"{name}_{task_set}")
    ]


def _section(
    rows: Sequence[TrajectoryRow], task_set: str, pictures: Sequence[Path], page: Path
) -> str:
    counts = {
        family: len({row.task for row in rows if row.family == family})
        for family in FAMILIES
        if select(rows, family=family)
    }
    tasks = ", ".join(f"{count} {family}" for family, count in counts.items())
    shown = [
        f"![{path.stem.replace('_', ' ')}]({os.path.relpath(path, page.parent)})"
        for path in pictures
        if path.suffix == ".png"
    ]
    parts = [
        f"## Tasks `{task_set}`",
        f"{tasks} tasks. The last trajectory of each counts; a method that is done early keeps "
        "what it had. In brackets: 95% intervals, Student's t over seeds.",
        f"### Success\n\n{success_table(rows)}",
        "### Distance, time and force\n\nSeconds to a solved end: of the arm's motion, probes "
        "included and resets not, until the last trajectory of a task has ended. A task that it "
        "leaves unsolved counts as never.",
        effort_table(rows),
        f"### Family identification\n\n{confusion_table(rows)}",
        f"### Correlation of the final state with the goal\n\n{correlation_table(rows)}",
        *shown,
    ]
    return "\n\n".join(parts)


def _robustness(rows: Sequence[TrajectoryRow], task_set: str) -> str:
    disturbed = {row.method for row in rows if row.disturbance != "none"}
    parts = [f"## Changed worlds, tasks `{task_set}`"]
    for method, title in METHOD_NAMES.items():
        if method in disturbed:
            parts.append(f"### {title}\n\n{robustness_table(rows, method)}")
            parts.append(
                "By seed, over all these worlds; *gently* is solved, with no trajectory of the "
                f"task above {GENTLE_N:g} N:\n\n{seeds_table(rows, method)}"
            )
    return "\n\n".join(parts)
