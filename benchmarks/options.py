"""What every benchmark is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from damsel.errors import InvalidConfigError

__all__ = ["Options"]

_ROUNDS, _QUICK_ROUNDS = 9, 2
_TURN_S, _QUICK_TURN_S = 1.0, 0.1


@dataclass(frozen=True)
class Options:
    """How much to measure, and with what.

    Attributes:
        rounds: turns that each case gets; the cases of a round follow one another.
        turn_s: about how long a turn lasts, seconds.
        bundle: folder of the model bundle.
    """

    rounds: int
    turn_s: float
    bundle: Path

    @classmethod
    def of(cls, *, rounds: int | None, quick: bool, bundle: Path) -> Options:
        """Fill in what was not given.

        Args:
            rounds: turns a case, if given.
            quick: whether speed of the benchmark matters more than its figures.
            bundle: folder of the model bundle.

        Raises:
            InvalidConfigError: If there is to be no round at all.
        """
        if rounds is None:
            rounds = _QUICK_ROUNDS if quick else _ROUNDS
        if rounds < 1:
            raise InvalidConfigError(f"--rounds is {rounds}; allowed: 1 or more")
        return cls(rounds, _QUICK_TURN_S if quick else _TURN_S, bundle)
