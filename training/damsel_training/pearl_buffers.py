"""What PEARL remembers: everything for the critics, the newest trajectories for the encoder.

All tasks are rolled out together, so every task always holds equally much and one array serves
all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["TaskRing"]

Array = NDArray[np.float64]
Array32 = NDArray[np.float32]
IntArray = NDArray[np.int64]


class TaskRing:
    """The newest rows of `width` numbers of every task; the oldest are dropped."""

    def __init__(self, tasks: int, capacity: int, width: int) -> None:
        self._rows = np.zeros((tasks, capacity, width), np.float32)
        self._added = 0

    def __len__(self) -> int:
        """Rows that every task holds."""
        return min(self._added, self._rows.shape[1])

    def add(self, rows: Array) -> None:
        """Add (tasks, T, width), T at most the capacity."""
        count = rows.shape[1]
        slots = (self._added + np.arange(count)) % self._rows.shape[1]
        self._rows[:, slots] = rows
        self._added += count

    def sample(self, tasks: IntArray, size: int, rng: np.random.Generator) -> Array32:
        """Draw (n, size, width) with replacement for the tasks (n,)."""
        slots = rng.integers(len(self), size=(len(tasks), size))
        return self._rows[tasks[:, None], slots]

    def state_dict(self) -> dict[str, Any]:
        """Everything, for a checkpoint."""
        return {"rows": self._rows, "added": self._added}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._rows, self._added = state["rows"], state["added"]
