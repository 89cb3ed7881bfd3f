"""The tidy table that every evaluation writes: one row a trajectory, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from damsel.errors import DamselError
from damsel.families import FAMILIES
from damsel_training.errors import InvalidDatasetError
from damsel_training.files import written_whole

__all__ = ["COLUMNS", "TrajectoryRow", "read_rows", "write_rows"]

_GOAL_DIM = max(family.goal_dim for family in FAMILIES.values())
_LATENT = "latent_"

COLUMNS: tuple[str, ...] = (
    "method",
    "seed",
    "task_set",
    "disturbance",
    "family",
    "task",
    *(f"goal_{i}" for i in range(_GOAL_DIM)),
    "trajectory",
    "stage",
    "inferred",
    "steps",
    *(f"state_{i}" for i in range(_GOAL_DIM)),
    "distance",
    "success",
    "strict_success",
    "return",
    "peak_force",
)
"""Columns of every table; `latent_0`, `latent_1`, ... follow, as many as the longest latent has."""


class TrajectoryRow(NamedTuple):
    """One trajectory of one method on one task.

    Attributes:
        method: name of the method.
        seed: of its training.
        task_set: name of the set of tasks.
        disturbance: name of the world.
        family: of the task.
        task: its index in the set, from 0.
        goal: in the family's unit.
        trajectory: how many trajectories were sampled before this one on the task.
        stage: `probe` or `adapt`.
        inferred: the family tried or inferred; empty for methods that infer none.
        steps: control steps; a probe may end before the horizon.
        state: of the task's object at the end, in the family's unit.
        distance: from there to the goal.
        success: by the paper's threshold.
        strict_success: by the strict one.
        return_sum: sum of the robot's rewards.
        peak_force: newtons, largest contact force.
        latent: that conditioned the policy; empty for methods without.
    """

    method: str
    seed: int
    task_set: str
    disturbance: str
    family: str
    task: int
    goal: tuple[float, ...]
    trajectory: int
    stage: str
    inferred: str
    steps: int
    state: tuple[float, ...]
    distance: float
    success: bool
    strict_success: bool
    return_sum: float
    peak_force: float
    latent: tuple[float, ...] = ()


def write_rows(rows: Sequence[TrajectoryRow], path: Path) -> None:
    """Write a table, numbers to six digits; all of it or nothing."""
    latents = max((len(row.latent) for row in rows), default=0)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *(f"{_LATENT}{i}" for i in range(latents))])
    writer.writerows(_cells(row, latents) for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        file.write(text.getvalue().encode())


def read_rows(paths: Iterable[Path]) -> list[TrajectoryRow]:
    """Read tables, one after the other.

    Raises:
        InvalidDatasetError: one of them is not such a table.
    """
    rows: list[TrajectoryRow] = []
    for path in paths:
        try:
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                missing = sorted(set(COLUMNS) - set(reader.fieldnames or ()))
                if missing:
                    raise InvalidDatasetError(f"no column {missing[0]}")
                rows += [_row(cells) for cells in reader]
        except (OSError, ValueError, TypeError, KeyError, csv.Error, DamselError) as error:
            raise InvalidDatasetError(f"{path} is not a table of trajectories ({error})") from None
    return rows


def _cells(row: TrajectoryRow, latents: int) -> list[str]:
    def padded(values: Sequence[float], size: int) -> list[str]:
        return [_number(value) for value in values] + [""] * (size - len(values))

    return [
        row.method,
        str(row.seed),
        row.task_set,
        row.disturbance,
        row.family,
        str(row.task),
        *padded(row.goal, _GOAL_DIM),
        str(row.trajectory),
        row.stage,
        row.inferred,
        str(row.steps),
        *padded(row.state, _GOAL_DIM),
        _number(row.distance),
        str(int(row.success)),
        str(int(row.strict_success)),
        _number(row.return_sum),
        _number(row.peak_force),
        *padded(row.latent, latents),
    ]


def _number(value: float) -> str:
    return f"{value:.6g}"


def _row(cells: dict[str, str]) -> TrajectoryRow:
    def numbers(name: str, count: int = _GOAL_DIM) -> tuple[float, ...]:
        columns = [f"{name}_{i}" for i in range(count)]
        return tuple(float(cells[column]) for column in columns if cells.get(column))

    return TrajectoryRow(
        method=cells["method"],
        seed=int(cells["seed"]),
        task_set=cells["task_set"],
        disturbance=cells["disturbance"],
        family=cells["family"],
        task=int(cells["task"]),
        goal=numbers("goal"),
        trajectory=int(cells["trajectory"]),
        stage=cells["stage"],
        inferred=cells["inferred"],
        steps=int(cells["steps"]),
        state=numbers("state"),
        distance=float(cells["distance"]),
        success=cells["success"] == "1",
        strict_success=cells["strict_success"] == "1",
        return_sum=float(cells["return"]),
        peak_force=float(cells["peak_force"]),
        latent=numbers("latent", sum(str(name).startswith(_LATENT) for name in cells)),
    )
