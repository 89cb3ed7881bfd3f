"""Progress of long work: live bars on a terminal, plain lines elsewhere, every tenth or note."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

__all__ = ["Progress"]

Bar = Callable[[int, str], None]
"""Called with how much is done and a note."""


class Progress:
    """Bars for a stage's parts; a context manager."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._rich = RichProgress(
            TextColumn("{task.description:<14}"),
            BarColumn(24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            disable=not self._live,
        )

    def __enter__(self) -> Self:
        """Start drawing."""
        self._rich.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop drawing, the bars stay."""
        self._rich.stop()

    def bar(self, name: str, total: int) -> Bar:
        """A new bar; call it with how much of `total` is done, and a note."""
        task = self._rich.add_task(name, total=total, note="")
        started = time.monotonic()
        tenths = -1

        def update(done: int, note: str) -> None:
            nonlocal tenths
            self._rich.update(task, completed=done, note=note)
            before, tenths = tenths, 10 * done // max(total, 1)
            if not self._live and (note or tenths != before):
                elapsed = time.monotonic() - started
                print(f"{name}: {done}/{total} {elapsed:.0f}s {note}", file=sys.stderr, flush=True)

        return update
