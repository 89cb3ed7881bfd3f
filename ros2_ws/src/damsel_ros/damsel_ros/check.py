"""One line of the pre-flight checklist."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Check"]


@dataclass(frozen=True)
class Check:
    """One line of the checklist.

    Attributes:
        name: What was checked.
        passed: Whether it holds.
        detail: What was found, and when it failed, what to do.
    """

    name: str
    passed: bool
    detail: str

    def line(self) -> str:
        """The line."""
        return f"{'ok  ' if self.passed else 'FAIL'}  {self.name:<20} {self.detail}"
