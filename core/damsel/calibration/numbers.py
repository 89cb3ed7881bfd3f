"""Numbers as people write them into YAML."""

from __future__ import annotations

__all__ = ["numbers"]


def numbers(values: object) -> list[float] | None:
    """Return a list of numbers, or None for anything else.

    YAML 1.1 takes `-3e-2`, which has no decimal point, for text.

    Args:
        values: What a file holds.
    """
    if not isinstance(values, list):
        return None
    try:
        return [_number(value) for value in values]
    except (TypeError, ValueError, OverflowError):  # OverflowError: hundreds of digits
        return None


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    return float(value)
