"""Errors of the training side."""

from __future__ import annotations

from damsel.errors import DamselError

__all__ = ["DivergedError", "MissingStageError"]


class MissingStageError(DamselError):
    """A stage needs the result of an earlier one that is not there."""


class DivergedError(DamselError):
    """A loss or a weight is no longer finite."""
