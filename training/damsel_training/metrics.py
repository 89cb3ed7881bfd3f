"""Metrics of a stage as it goes: a CSV table, and TensorBoard's event files.

They are for people to look at. What cannot be written is said once and left out, as a run's result
does not hang on its log.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from damsel_training.errors import InvalidDatasetError
from damsel_training.files import written_whole

__all__ = ["Board", "append_csv", "rewind_csv"]


class Board:
    """Scalars for TensorBoard; a context manager.

    Written by the calling thread, unlike `SummaryWriter`, whose own thread answers a full disk with
    a traceback.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        """Begin a file of events.

        Args:
            folder: where it lies, with those of earlier processes.
            step: from which on this process writes; what an earlier one wrote beyond is void.
        """
        self._folder, self._step = folder, step
        self._writer: RecordWriter | None = None
        self._failed = False

    def __enter__(self) -> Self:
        """Open the file."""
        with self._or_do_without():
            self._folder.mkdir(parents=True, exist_ok=True)
            name = f"events.out.tfevents.{time.time_ns()}.{os.getpid()}"
            self._writer = RecordWriter((self._folder / name).open("wb", buffering=0))
            self._add(Event(file_version="brain.Event:2"))
            start = SessionLog(status=SessionLog.START)
            self._add(Event(step=self._step + 1, session_log=start))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        with self._or_do_without():
            if self._writer is not None:
                self._writer.close()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add values at a step."""
        with self._or_do_without():
            if not self._failed:
                scalars = [Summary.Value(tag=n, simple_value=v) for n, v in values.items()]
                self._add(Event(step=step, summary=Summary(value=scalars)))

    def _add(self, event: Event) -> None:
        assert self._writer is not None
        event.wall_time = time.time()
        self._writer.write(event.SerializeToString())

    @contextmanager
    def _or_do_without(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self._failed:
                _note(f"no more events for TensorBoard in {self._folder}: {error.strerror}")
            self._failed = True


def append_csv(path: Path, row: Mapping[str, object]) -> None:
    """Add a line to a table, and its header if it is new; where it cannot be, say so."""
    before = path.stat().st_size if path.exists() else 0
    try:
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if not before:
                writer.writeheader()
            writer.writerow(row)
    except OSError as error:
        _note(f"a row of {path} is missing: {error.strerror}")
        with suppress(OSError):
            if before:
                os.truncate(path, before)
            else:
                path.unlink()


def rewind_csv(path: Path, column: str, last: float) -> None:
    """Drop the rows of a table beyond a checkpoint, which will be written again.

    So is a last row that a killed process left unfinished.

    Args:
        path: of the table; nothing is done if there is none.
        column: that grows from row to row.
        last: its value in the checkpoint.

    Raises:
        InvalidDatasetError: it is not such a table.
    """
    if not path.exists() or not path.stat().st_size:
        return
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(file)
        columns, *rows = csv.reader(lines)
        index = columns.index(column)
        if rows and (len(rows[-1]) != len(columns) or not lines[-1].endswith("\n")):
            rows.pop()
        kept = [row for row in rows if float(row[index]) <= last]
    except (ValueError, IndexError, csv.Error) as error:
        raise InvalidDatasetError(
            f"{path} is not a table of metrics ({error}); delete it to begin it anew"
        ) from None
    text = "".join(f"{','.join(row)}\r\n" for row in (columns, *kept))
    with written_whole(path) as staged:
        staged.write(text.encode())


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
