"""`damsel-train ablations`: variants of DAMSEL beside DAMSEL itself, from kept CSV tables alone.

<variants>/<name of the variant>/<task set>-damsel-seed<seed>.csv
"""

from __future__ import annotations

from pathlib import Path

from damsel_training.errors import MissingStageError
from damsel_training.figures.page import new_page, provenance_table, update_page
from damsel_training.figures.results import load_results, select
from damsel_training.figures.tables import variants_table
from damsel_training.trajectory_table import TrajectoryRow

__all__ = ["make_variants_page"]

_ITSELF = "DAMSEL"


def make_variants_page(variants: Path, base: Path, page: Path, command: str) -> Path:
    """Write the page's marked parts anew: a table for each set of tasks that variants met.

    Args:
        variants: folder with a folder of tables for each variant, named as it.
        base: folder of the tables of DAMSEL itself.
        page: the page.
        command: that asked for it, for the record.

    Returns:
        The page.

    Raises:
        MissingStageError: there are no tables.
    """
    folders = sorted(path for path in variants.glob("*") if path.is_dir())
    if not folders:
        raise MissingStageError(
            f"no variants in {variants}; `damsel-train compare --output {variants}/NAME` makes one"
        )
    groups = {_ITSELF: _damsel(base)}
    groups |= {folder.name.replace("_", " "): _damsel(folder) for folder in folders}
    met = {row.task_set for name, rows in groups.items() if name != _ITSELF for row in rows}
    sections = {}
    for task_set in sorted(met):
        table = variants_table(
            {
                name: chosen
                for name, rows in groups.items()
                if (chosen := select(rows, task_set=task_set))
            }
        )
        sections[f"variants-{task_set}"] = f"## Tasks `{task_set}`\n\n{table}"
    origins = "\n\n".join(
        f"### {folder.name.replace('_', ' ')}\n\n{provenance_table(folder)}" for folder in folders
    )
    sections["provenance"] = f"## What made these\n\n{origins}\n\nThis page: `{command}`."
    update_page(page, sections, new_page("Variants", "ablations", page, variants))
    return page


def _damsel(folder: Path) -> list[TrajectoryRow]:
    return select(load_results(folder), method="damsel", disturbance="none")
