"""The one error of the set-up."""

from __future__ import annotations

__all__ = ["SetupError"]


class SetupError(Exception):
    """The set-up cannot go on; the message says what is missing and how to get it."""
