"""What a configuration's numbers may be, said in one line where they are not."""

from __future__ import annotations

from damsel.errors import InvalidConfigError

__all__ = ["require_counts", "require_positive", "require_shares"]


def require_counts(cfg: object, *names: str) -> None:
    """Hold fields to be at least 1.

    Raises:
        InvalidConfigError: one is not.
    """
    for name in names:
        if getattr(cfg, name) < 1:
            raise InvalidConfigError(f"{name} is {getattr(cfg, name)}; allowed: from 1")


def require_positive(cfg: object, *names: str) -> None:
    """Hold fields to be above 0.

    Raises:
        InvalidConfigError: one is not.
    """
    for name in names:
        if not getattr(cfg, name) > 0:
            raise InvalidConfigError(f"{name} is {getattr(cfg, name)}; allowed: above 0")


def require_shares(cfg: object, *names: str) -> None:
    """Hold fields to be from 0 to 1.

    Raises:
        InvalidConfigError: one is not.
    """
    for name in names:
        if not 0 <= getattr(cfg, name) <= 1:
            raise InvalidConfigError(f"{name} is {getattr(cfg, name)}; allowed: from 0 to 1")
