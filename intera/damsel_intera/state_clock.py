"""Finds robot states that are late or out of order, without trusting anybody's clock."""

from __future__ import annotations

__all__ = ["StateClock"]

_DRIFT = 1e-3  # how much faster one clock may run than the other
_JUMP_S = 0.5  # states that are older than this by their stamps are no matter of order


class StateClock:
    """Compares the robot's stamps with the times of arrival.

    The robot's clock and ours need not agree. The shortest time that any state seemed to take is
    what the difference of the clocks and a healthy network amount to; a state that takes longer is
    late by the rest.
    """

    def __init__(self) -> None:
        self._newest_stamp_s = float("-inf")
        self._shortest_s = float("inf")
        self._arrived_s = 0.0

    def forget(self) -> None:
        """Start anew, as after a jump of a clock that somebody has looked into."""
        self._newest_stamp_s = float("-inf")
        self._shortest_s = float("inf")

    def forgive(self, late_s: float) -> None:
        """Take states that come so late for being on time from now on.

        Args:
            late_s: how much later than the quickest, seconds.
        """
        self._shortest_s += late_s

    def is_out_of_order(self, stamp_s: float) -> bool:
        """Whether a newer state came before; the newest again is not out of order."""
        return self._newest_stamp_s - _JUMP_S < stamp_s < self._newest_stamp_s

    def late_s(self, stamp_s: float, arrived_s: float) -> float:
        """How late a state is, seconds; a clock that was set back makes all states late.

        Args:
            stamp_s: the robot's stamp.
            arrived_s: when it came, by our monotonic clock.
        """
        took_s = arrived_s - stamp_s
        waited_s = max(0.0, arrived_s - self._arrived_s)
        self._shortest_s = min(took_s, self._shortest_s + _DRIFT * waited_s)
        self._arrived_s = arrived_s
        self._newest_stamp_s = max(self._newest_stamp_s, stamp_s)
        return took_s - self._shortest_s
