"""Live progress of an adaptation in a terminal: a line a trajectory, growing where it can."""

from __future__ import annotations

from typing import TextIO

__all__ = ["ProgressLines"]

_BAR_WIDTH = 24


class ProgressLines:
    """Writes one line a trajectory; on a terminal the line of the current one grows."""

    def __init__(self, stream: TextIO, *, horizon: int) -> None:
        """Make a writer.

        Args:
            stream: Where to write.
            horizon: Control steps of a whole trajectory.
        """
        self._stream = stream
        self._horizon = horizon
        self._live = stream.isatty()
        self._open = False

    def show(
        self, *, stage: str, family: str, iteration: int, steps: int, total: float, finished: bool
    ) -> None:
        """Show a trajectory as far as it has come.

        Args:
            stage: `probe` or `adapt`.
            family: Family probed or inferred.
            iteration: Index within the stage, from 0.
            steps: Control steps made.
            total: Sum of the rewards so far.
            finished: Whether the trajectory is complete.
        """
        if not finished and not self._live:
            return
        filled = round(_BAR_WIDTH * min(steps / self._horizon, 1.0))
        bar = "#" * filled + "." * (_BAR_WIDTH - filled)
        name = f"{stage} {family}" if stage == "probe" else f"{stage} {iteration + 1} ({family})"
        line = f"{name:<18} [{bar}] {steps:>4}/{self._horizon} steps   return {total:6.2f}"
        self._stream.write(f"\r{line}" if self._live else line)
        self._open = not finished
        if finished:
            self._stream.write("\n")
        self._stream.flush()

    def say(self, text: str) -> None:
        """Write a line between those of trajectories."""
        self.close()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def close(self) -> None:
        """End an unfinished line."""
        if self._open:
            self._stream.write("\n")
            self._stream.flush()
            self._open = False
