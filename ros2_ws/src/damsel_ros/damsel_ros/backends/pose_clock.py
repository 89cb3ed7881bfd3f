"""When an object's pose was measured, by this machine's monotonic clock.

The camera stamps by a clock of its own, which need not agree with any of ours: what counts is how
much later than the quickest of its poses one has come.
"""

from __future__ import annotations

from damsel_intera.state_clock import StateClock

__all__ = ["PoseClock"]

_SET_BACK_S = 2.0  # poses that look later than this are not late: their clock was set back
_WINDOW_S = 3.0  # so are those of this long, if all of them look late
_GAP_S = 0.5  # poses that come less often tell nothing about one another


class PoseClock:
    """The clock behind the stamps of one object's poses."""

    def __init__(self) -> None:
        self._clock = StateClock()
        self._came_s = self._since_s = float("-inf")
        self._least_late_s = 0.0

    def measured_s(self, stamp_s: float, now_s: float, *, anew: bool) -> float:
        """When a pose was measured, seconds of the monotonic clock, never after `now_s`.

        A clock that is set forward is not felt. One that is set back, or a single pose that was
        stamped ahead of the others, makes poses look late, by as much, until they are taken anew:
        at once if that is more than two seconds, else after a few seconds in which all were late.

        Args:
            stamp_s: The pose's own stamp, seconds of any clock.
            now_s: When it arrived.
            anew: Whether somebody is looking after the scene, so that a clock that was set back
                may be taken for what it is.
        """
        late_s = self._clock.late_s(stamp_s, now_s)
        if not anew:
            self._begin_window(now_s)
        elif late_s > _SET_BACK_S:
            self._clock.forget()
            late_s = self._clock.late_s(stamp_s, now_s)
            self._begin_window(now_s)
        else:
            late_s -= self._forgiven_s(late_s, now_s)
        self._came_s = now_s
        return now_s - late_s

    def _forgiven_s(self, late_s: float, now_s: float) -> float:
        """By how much every pose of a whole window was late; 0 while it is not over."""
        if now_s - self._came_s > _GAP_S:
            self._begin_window(now_s)
        self._least_late_s = min(self._least_late_s, late_s)
        if now_s - self._since_s < _WINDOW_S:
            return 0.0
        forgiven_s = self._least_late_s
        self._clock.forgive(forgiven_s)
        self._begin_window(now_s)
        return forgiven_s

    def _begin_window(self, now_s: float) -> None:
        self._since_s = now_s
        self._least_late_s = float("inf")
