"""What every learning stage leaves in its folder: a checkpoint, and a table of its metrics."""

from __future__ import annotations

import csv
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from damsel_training.errors import InvalidDatasetError

__all__ = ["append_csv", "load_checkpoint", "save_checkpoint"]


def save_checkpoint(state: Mapping[str, Any], path: Path) -> None:
    """Write all of it or nothing; the checkpoint before stays until this one is complete."""
    staged = path.with_suffix(".partial")
    torch.save(dict(state), staged)
    staged.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of our own.

    Raises:
        InvalidDatasetError: it cannot be read.
    """
    try:
        # Our own file, with NumPy arrays in it, which the restricted unpickler does not take.
        state: dict[str, Any] = torch.load(path, weights_only=False)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidDatasetError(
            f"{path} is not a readable checkpoint ({first}); delete it to begin this stage anew"
        ) from None
    return state


def append_csv(path: Path, row: Mapping[str, object]) -> None:
    """Add a line to a table, and its header if it is new."""
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        if fresh:
            writer.writeheader()
        writer.writerow(row)
