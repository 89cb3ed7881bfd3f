"""Whether the arm may go on moving: judges every state that comes from the Intera server.

No sockets and no clock of its own: states and times go in, one line comes out.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damsel_intera.wire import Activity, Header, HoldReason, State

__all__ = ["GuardCfg", "StateGuard"]

Array = NDArray[np.float64]

_WINDOW_S = 30.0
_PRESSED = 1
_RELEASED_BUT_STOPPED = 3


@dataclass(frozen=True)
class GuardCfg:
    """What counts as a fault.

    Attributes:
        state_timeout_s: Oldest joint measurement that the arm may move on.
        clock_jump_s: Largest difference between how much time two states in a row say has passed
            and how much has passed here, beyond what a late state explains.
        tracking_limit_rad: How far a joint may be from where it was told to be.
        tracking_time_s: For how long it may be farther.
    """

    state_timeout_s: float = 0.1
    clock_jump_s: float = 0.5
    tracking_limit_rad: float = 0.2
    tracking_time_s: float = 0.3


class StateGuard:
    """Keeps the newest state and says what is wrong.

    A state's age counts from the measurement: what the server says it was old when it left, how
    much later than the quickest of late it arrived, and how long ago that was.
    """

    def __init__(self, cfg: GuardCfg) -> None:
        self._cfg = cfg
        self.state: State | None = None
        self._header: Header | None = None
        # Arrivals and how far each is ahead of its stamp, smallest first: the quickest of late.
        self._quickest: deque[tuple[float, float]] = deque()
        self.forget()

    def forget(self) -> None:
        """Forget everything, as after a new greeting of the server."""
        self.state, self._header = None, None
        self._arrival_s = -np.inf
        self._delay_s = 0.0
        self._quickest.clear()
        self._clock_problem = ""
        self._off_track_since_s: float | None = None

    def take(self, state: State, header: Header, now_s: float) -> None:
        """Take the newest state, which arrived at `now_s`."""
        last, elapsed_s = self._header, now_s - self._arrival_s
        if last is not None and last.session == header.session:
            said_s = header.monotonic_s - last.monotonic_s
            # Late states make the difference negative once and positive afterwards, by the same.
            if said_s <= 0 or said_s - elapsed_s > self._delay_s + self._cfg.clock_jump_s:
                self._clock_problem = (
                    f"the server's clock jumped: {said_s:.2f} s by its states in {elapsed_s:.2f} s"
                )
        self.state, self._header, self._arrival_s = state, header, now_s
        offset_s = now_s - header.monotonic_s
        least_s = self._quickest[0][1] if self._quickest else offset_s
        while self._quickest and self._quickest[-1][1] >= offset_s:
            self._quickest.pop()
        self._quickest.append((now_s, offset_s))
        while self._quickest[0][0] < now_s - _WINDOW_S:
            self._quickest.popleft()
        if elapsed_s > _WINDOW_S:
            # Nothing came for so long that nothing of late is left to compare with.
            self._quickest.appendleft((now_s, min(least_s, offset_s)))
        self._delay_s = offset_s - self._quickest[0][1]

    def age_s(self, now_s: float) -> float:
        """How old the newest joint measurement is; infinite before the first."""
        if self.state is None:
            return float("inf")
        return self.state.robot_age_s + self._delay_s + now_s - self._arrival_s

    @property
    def joint_positions(self) -> Array:
        """Newest measured joint positions (7,), radians; NaN before the first state."""
        return np.full(7, np.nan) if self.state is None else np.array(self.state.joint_positions)

    def stream_problem(self, now_s: float, garbage: int = 0, foreign: int = 0) -> str:
        """What is wrong with the states themselves, in one line; empty for nothing.

        Args:
            now_s: The time.
            garbage: Messages on the state port that were none, since the newest state.
            foreign: States of another start of the server, since then.
        """
        if self._clock_problem:
            return self._clock_problem
        if self.state is None:
            return "no state has come from the Intera server"
        age_s = self.age_s(now_s)
        if 0 <= age_s <= self._cfg.state_timeout_s:
            return ""
        if age_s < 0:
            return f"the clock of this machine jumped back by {-age_s:.2f} s"
        if foreign:
            cause = "the Intera server was started anew"
        else:
            cause = f"{garbage} messages were not valid" if garbage else self._lateness(now_s)
        return (
            f"the newest state of the arm is {age_s:.2f} s old (allowed: "
            f"{self._cfg.state_timeout_s:g} s): {cause}"
        )

    def _lateness(self, now_s: float) -> str:
        assert self.state is not None, "asked for only with a state"
        parts = {
            "the robot publishes no joint states": self.state.robot_age_s,
            "states arrive late": self._delay_s,
            "no state has come from the Intera server since": now_s - self._arrival_s,
        }
        return max(parts, key=lambda cause: parts[cause])

    def arm_problem(self) -> str:
        """What is wrong with the arm, by the newest state, in one line; empty for nothing."""
        state = self.state
        if state is None:
            return ""
        if state.estop_button == _PRESSED:
            return "the emergency stop is pressed"
        if state.collision or state.hold_reason is HoldReason.COLLISION:
            return "the robot felt a collision"
        if state.error:
            return "the robot reports an error"
        if state.estop_button == _RELEASED_BUT_STOPPED:
            return "the emergency stop was pressed, and the robot is still stopped"
        if state.stopped:
            return "the robot is stopped"
        if not state.homed:
            return "joints of the robot are not homed and do not know where they are"
        if not state.enabled:
            return "the robot is not enabled"
        if state.hold_reason.latched:
            return f"the Intera server holds the arm: {state.hold_reason.text}"
        return ""

    def control_problem(self, lease_number: int) -> str:
        """Whether somebody took control away, in one line; empty while we have it.

        Args:
            lease_number: Running number of our lease.
        """
        state = self.state
        if state is None or state.lease_number == lease_number:
            return ""
        if state.lease_number > lease_number:
            return "another controller has taken control of the arm"
        if state.activity is Activity.HOLDING and state.hold_reason is not HoldReason.NONE:
            return f"the Intera server holds the arm: {state.hold_reason.text}"
        return "the Intera server knows nothing of our control"

    def tracking_problem(self, commanded: Array, now_s: float) -> str:
        """Whether the arm is kept from where it was told to be, in one line; empty if not.

        Args:
            commanded: (7,), radians, the newest target that was sent.
            now_s: The time.
        """
        off = np.abs(self.joint_positions - commanded)
        worst = int(np.argmax(off))
        if off[worst] <= self._cfg.tracking_limit_rad:
            self._off_track_since_s = None
            return ""
        if self._off_track_since_s is None:
            self._off_track_since_s = now_s
        if now_s - self._off_track_since_s <= self._cfg.tracking_time_s:
            return ""
        return (
            f"right_j{worst} is {off[worst]:.2f} rad from its target (allowed: "
            f"{self._cfg.tracking_limit_rad:g} rad): something holds the arm back"
        )
