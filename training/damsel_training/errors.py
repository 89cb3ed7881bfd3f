"""Errors of the training side."""

from __future__ import annotations

from damsel.errors import DamselError

__all__ = [
    "DivergedError",
    "InvalidDatasetError",
    "LostWorkerError",
    "MissingStageError",
    "RunInUseError",
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
