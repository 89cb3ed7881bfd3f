"""What each stage of a run cost: seconds on the wall and memory, in `<run>/times.csv`."""

from __future__ import annotations

import csv
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import nan
from pathlib import Path

from damsel_training.errors import InvalidDatasetError
from damsel_training.metrics import append_csv

__all__ = ["seconds_by_stage", "timed"]

_FILE = "times.csv"


@contextmanager
def timed(folder: Path, stage: str) -> Iterator[None]:
    """Add a line with the cost of what happens inside, also if it is interrupted.

    A process that is killed adds none; the next one notes for it that nobody knows what it cost.
    Memory is the most that this process has held so far, in MiB.
    """
    begun = folder / f"times.{stage}.begun"
    if begun.exists():
        append_csv(folder / _FILE, {"stage": stage, "seconds": nan, "peak_memory_mib": nan})
    begun.touch()
    started = time.perf_counter()
    try:
        yield
    finally:
        begun.unlink(missing_ok=True)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        row = {"stage": stage, "seconds": time.perf_counter() - started, "peak_memory_mib": peak}
        append_csv(folder / _FILE, row)


def seconds_by_stage(folder: Path) -> dict[str, float]:
    """Seconds spent on each stage of a run, all its interruptions together; NaN if not known.

    Raises:
        InvalidDatasetError: the table is damaged.
    """
    path = folder / _FILE
    if not path.exists():
        return {}
    total: dict[str, float] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                total[row["stage"]] = total.get(row["stage"], 0.0) + float(row["seconds"])
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise InvalidDatasetError(
            f"{path} is not a table of times ({error}); delete it, and they are not known"
        ) from None
    return total
