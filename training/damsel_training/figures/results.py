"""Kept tables, cut to what a figure or table of the results needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from damsel_training.errors import InvalidDatasetError, MissingStageError
from damsel_training.trajectory_table import TrajectoryRow, read_rows

__all__ = ["by_seed", "carried_forward", "final_rows", "load_results", "median_seconds", "select"]

Array = NDArray[np.float64]

_NOT_A_TABLE = "provenance.csv"


def load_results(folder: Path) -> list[TrajectoryRow]:
    """All rows of all tables in a folder.

    Raises:
        MissingStageError: there are none.
        InvalidDatasetError: the tables do not go together.
    """
    paths = sorted(path for path in folder.glob("*.csv") if path.name != _NOT_A_TABLE)
    if not paths:
        raise MissingStageError(f"no tables in {folder}; run `damsel-train compare` first")
    rows = read_rows(paths)
    try:
        _check_goals(rows)
        _check_limits(rows)
    except InvalidDatasetError as error:
        raise InvalidDatasetError(
            f"tables in {folder} do not go together: {error}; move one of them to another folder"
        ) from None
    return rows


def _check_goals(rows: Sequence[TrajectoryRow]) -> None:
    """Hold every task of a set to one goal."""
    goals: dict[tuple[str, int], TrajectoryRow] = {}
    for row in rows:
        first = goals.setdefault((row.task_set, row.task), row)
        if (row.family, row.goal) != (first.family, first.goal):
            raise InvalidDatasetError(
                f"task {row.task} of {row.task_set} has another goal for {row.method} with seed "
                f"{row.seed} than for {first.method} with seed {first.seed}"
            )


def _check_limits(rows: Sequence[TrajectoryRow]) -> None:
    """Hold the seeds of a method to one number of trajectories, as far as their tasks tell.

    A task that is left unsolved has had all the trajectories that were allowed, so no other seed
    may have had more. That holds in the undisturbed world only: in another one, a method may take a
    task for solved that is not. DAMSEL's probes do not count: there are as many as it takes.
    """
    made: dict[tuple[str, str], dict[tuple[int, int], int]] = {}
    rows = select(rows, disturbance="none")
    for row in rows:
        tasks = made.setdefault((row.method, row.task_set), {})
        counts = row.method != "damsel" or row.stage == "adapt"
        tasks[row.seed, row.task] = tasks.get((row.seed, row.task), 0) + counts
    for last in final_rows(rows):
        tasks = made[last.method, last.task_set]
        (seed, _), most = max(tasks.items(), key=lambda entry: entry[1])
        if not last.success and tasks[last.seed, last.task] < most:
            raise InvalidDatasetError(
                f"{last.method} on {last.task_set} had {most} trajectories with seed {seed} and "
                f"{tasks[last.seed, last.task]} with seed {last.seed}"
            )


def select(rows: Sequence[TrajectoryRow], **wanted: object) -> list[TrajectoryRow]:
    """The rows whose fields have these values."""
    return [row for row in rows if all(getattr(row, k) == v for k, v in wanted.items())]


def by_seed(rows: Sequence[TrajectoryRow]) -> dict[int, list[TrajectoryRow]]:
    """Rows by seed, in the order of the seeds."""
    seeds: dict[int, list[TrajectoryRow]] = {seed: [] for seed in sorted({r.seed for r in rows})}
    for row in rows:
        seeds[row.seed].append(row)
    return seeds


def final_rows(rows: Sequence[TrajectoryRow]) -> list[TrajectoryRow]:
    """The last trajectory of every method, seed, set, world, family and task."""
    last: dict[tuple[object, ...], TrajectoryRow] = {}
    for row in rows:
        key = (row.method, row.seed, row.task_set, row.disturbance, row.family, row.task)
        if key not in last or row.trajectory >= last[key].trajectory:
            last[key] = row
    return list(last.values())


def carried_forward(
    rows: Sequence[TrajectoryRow],
    trajectories: int,
    value: Callable[[TrajectoryRow], float] = lambda row: row.distance,
) -> Array:
    """A value after each number of trajectories, (tasks, trajectories), of one method and seed.

    A task that its method was done with early keeps what it had.
    """
    tasks = sorted({row.task for row in rows})
    table = np.full((len(tasks), trajectories), np.nan)
    place = {task: index for index, task in enumerate(tasks)}
    for row in rows:
        if row.trajectory < trajectories:
            table[place[row.task], row.trajectory] = value(row)
    for column in range(1, trajectories):
        missing = np.isnan(table[:, column])
        table[missing, column] = table[missing, column - 1]
    return table


def median_seconds(rows: Sequence[TrajectoryRow], step_s: float) -> float:
    """Median robot time to the end of a last trajectory that solves its task, or infinite.

    An earlier trajectory that happened to solve it, such as a probe, does not count: the method did
    not know and went on.

    Args:
        rows: of one method and seed.
        step_s: duration of a control step, seconds.

    Returns:
        Seconds, probes included and resets not.
    """
    spent = {row.task: 0.0 for row in rows}
    for row in rows:
        spent[row.task] += row.steps * step_s
    solved = {row.task for row in final_rows(rows) if row.success}
    return float(np.median([time if task in solved else np.inf for task, time in spent.items()]))
