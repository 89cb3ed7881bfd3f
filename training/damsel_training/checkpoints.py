"""Checkpoints that a stage goes on from; the two latest are kept.

A checkpoint is a file of torch's: a zip archive, with a checksum of each part. Reading one runs no
code that it may bring along.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from damsel_training.errors import InvalidDatasetError
from damsel_training.files import archive_fault, written_whole

__all__ = ["delete_checkpoints", "has_checkpoint", "load_checkpoint", "resume", "save_checkpoint"]

# What arrays and scalars of NumPy are made of in a pickle, beside what torch allows.
_NUMPY: list[Any] = [
    np.empty(0).__reduce__()[0],
    np.float64(0).__reduce__()[0],
    np.ndarray,
    np.dtype,
    *{type(np.dtype(code)) for code in "?bhilqBHILQefd"},
]


class Stateful(Protocol):
    """What can go on from its state."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state."""


def save_checkpoint(state: Mapping[str, Any], path: Path) -> None:
    """Write all of it or nothing; the checkpoint before is kept as `<name>.previous<suffix>`.

    Raises:
        StorageError: it cannot be written.
    """
    with written_whole(path, _previous(path)) as file:
        torch.save(dict(state), file)


def has_checkpoint(path: Path) -> bool:
    """Whether there is a checkpoint to go on from, the newest or the one before."""
    return _newest(path).exists()


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read the newest checkpoint; the one before where that has been deleted.

    Raises:
        InvalidDatasetError: it cannot be read, or a checksum is wrong.
    """
    newest = _newest(path)
    fault = archive_fault(newest)
    if not fault:
        try:
            with torch.serialization.safe_globals(_NUMPY):
                state: dict[str, Any] = torch.load(newest, weights_only=True)
            return state
        except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as e:
            fault = str(e).splitlines()[0] if str(e) else type(e).__name__
    raise _refusal(path, fault)


def resume(stage: Stateful, path: Path) -> bool:
    """Let a stage go on from its newest checkpoint, if there is one.

    Raises:
        InvalidDatasetError: it cannot be read, or is of something else.
    """
    if not has_checkpoint(path):
        return False
    state = load_checkpoint(path)
    try:
        stage.load_state_dict(state)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise _refusal(path, f"of something else: {error}") from None
    return True


def delete_checkpoints(path: Path) -> None:
    """Delete the newest checkpoint and the one before."""
    path.unlink(missing_ok=True)
    _previous(path).unlink(missing_ok=True)


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def _newest(path: Path) -> Path:
    # Only the one before is there after a crash between two renamings, too.
    return path if path.exists() or not _previous(path).exists() else _previous(path)


def _refusal(path: Path, fault: str) -> InvalidDatasetError:
    newest = _newest(path)
    otherwise = "begin this stage anew"
    if newest == path and _previous(path).exists():
        otherwise = f"go on from {_previous(path).name}, the one before it"
    return InvalidDatasetError(
        f"{newest} is not a readable checkpoint ({fault}); delete it to {otherwise}"
    )
