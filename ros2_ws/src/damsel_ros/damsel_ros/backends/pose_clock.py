"""When an object's pose was measured, by this machine's monotonic clock.

The camera stamps by a clock of its own, which need not agree with any of ours: what counts is how
much later than the quickest of its poses one has come.
"""

from __future__ import annotations

from damsel_intera.state_clock import StateClock

__all__ = ["PoseClock"]

_SET_BACK_S = 2.0  # poses that look later than this are not late: their clock was set back


class PoseClock:
    """The clock behind the stamps of one object's poses."""

    def __init__(self) -> None:
        self._clock = StateClock()

    def measured_s(self, stamp_s: float, now_s: float, *, anew: bool) -> float:
        """When a pose was measured, seconds of the monotonic clock, never after `now_s`.

        A clock that is set forward is not felt. One that is set back makes poses look late, by as
        much, until they are taken anew.

        Args:
            stamp_s: The pose's own stamp, seconds of any clock.
            now_s: When it arrived.
            anew: Whether somebody is looking after the scene, so that a clock that was set back
                may be taken for what it is.
        """
        late_s = self._clock.late_s(stamp_s, now_s)
        if anew and late_s > _SET_BACK_S:
            self._clock.forget()
            late_s = self._clock.late_s(stamp_s, now_s)
        return now_s - late_s
