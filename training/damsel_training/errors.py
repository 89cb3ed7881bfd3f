"""Errors of the training side."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from damsel.errors import DamselError

__all__ = [
    "DivergedError",
    "InvalidDatasetError",
    "LostWorkerError",
    "MissingStageError",
    "RunInUseError",
    "StorageError",
]


class MissingStageError(DamselError):
    """A stage needs the result of an earlier one that is not there."""


class DivergedError(DamselError):
    """A loss or a weight is no longer finite."""


class InvalidDatasetError(DamselError):
    """A data set or checkpoint cannot be read, or does not belong to this run."""


class LostWorkerError(DamselError):
    """Worker after worker died of the same job."""


class RunInUseError(DamselError):
    """Another process works in the run's folder."""


class StorageError(DamselError):
    """A file cannot be written: the disk is full, or a limit is reached."""

    @classmethod
    def of(cls, path: Path | str, error: OSError) -> Self:
        """The error of a file, from that of the system."""
        return cls(
            f"{path} could not be written: {error.strerror}; what was finished before is kept, so "
            "make room and run the same command again"
        )
