"""The thread that speaks to the Intera server: a state in, joint targets out, every 10 ms.

It alone owns the sockets. Others leave a wish, which it obeys between two ticks while the arm is
at rest, because asking the server may take its time. A fault ends every motion and stays until
the arm is enabled anew; the server's own watchdog holds the arm from then on, and from the moment
this thread or its process is gone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from damsel.errors import RobotError
from damsel_intera.client import Client
from damsel_intera.errors import InteraError
from damsel_intera.keys import load_key
from damsel_intera.transport import Addresses
from damsel_intera.wire import OperatorReply
from damsel_ros.backends.arm_motion import ArmMotion, MotionMode
from damsel_ros.backends.realtime import hurry
from damsel_ros.backends.state_guard import StateGuard
from damsel_ros.backends.tick_clock import TickClock

__all__ = ["ArmLink", "Wish", "connect_client"]

Array = NDArray[np.float64]

_ESTOP = {0: "unpressed", 1: "pressed", 3: "released, but the robot is still stopped"}

_FIRST_STATE_S = 2.0
_LEASE_SEEN_S = 0.5
_ENABLED_SEEN_S = 2.0
_HOLD_ANSWER_S = 0.3


class Wish(Enum):
    """What the thread is asked for while the arm is at rest."""

    ENABLE = "enable"
    RETURN = "return"
    STEP = "step"


def connect_client(addresses: Addresses, name: str, key: str) -> Client:
    """Open the sockets to the server.

    Args:
        addresses: Where it is.
        name: Who we are.
        key: File with the client's key; empty to speak in the clear.

    Raises:
        RobotError: If the key cannot be used.
    """
    try:
        return Client(addresses, name, load_key(Path(key), "client") if key else None)
    except InteraError as error:
        raise RobotError(str(error)) from None


class ArmLink:
    """Runs an `ArmMotion` over a `Client`, guarded by a `StateGuard`. Safe to use from any thread.

    Attributes:
        reply: What the server said of itself when it was greeted last.
    """

    def __init__(
        self,
        client: Client,
        motion: ArmMotion,
        guard: StateGuard,
        *,
        period_s: float,
        priority: int,
    ) -> None:
        """Greet the server, hear the arm, and start the thread; nothing moves.

        Args:
            client: Connection, used by this object alone from now on.
            motion: What the joints are told.
            guard: Judges the states.
            period_s: Time between ticks.
            priority: Real-time priority of the thread, where permitted; 0 for none.

        Raises:
            RobotError: If the server does not answer, refuses, or sends no states.
        """
        self._client = client
        self._motion = motion
        self._guard = guard
        self._clock = TickClock(period_s)
        self._priority = priority
        self._scheduling = ""
        self._lock = threading.Lock()
        self._closing = False
        self._wish: Wish | None = None
        self._wish_error = ""
        self._fault = ""
        self._hold_wanted = self._release_wanted = False
        self._garbage_before = self._foreign_before = 0
        self.reply = self._greet()
        self._thread = threading.Thread(target=self._run, name="arm link", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Bring the arm to rest, give control back, and end the thread."""
        self.brake()
        deadline_s = time.monotonic() + 1.0
        while self.busy and self._thread.is_alive() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        self._closing = True
        self._thread.join(timeout=5.0)
        self._client.close()

    # From any thread

    @property
    def fault(self) -> str:
        """Why the arm must not move until it is enabled anew, in one line; empty if it may."""
        if not self._thread.is_alive():
            return "the thread that commands the arm has died; see the log of the robot node"
        with self._lock:
            return self._fault

    @property
    def busy(self) -> bool:
        """Whether a wish is open or the arm moves on its own."""
        with self._lock:
            moving = self._motion.mode in (MotionMode.RETURNING, MotionMode.BRAKING)
            letting_go = self._hold_wanted or self._release_wanted
            return self._wish is not None or moving or letting_go

    @property
    def mode(self) -> MotionMode:
        """What the arm is doing."""
        with self._lock:
            return self._motion.mode

    @property
    def phase(self) -> str:
        """Where on its way back the arm is, in words."""
        with self._lock:
            return self._motion.phase

    def wish(self, wish: Wish) -> None:
        """Ask for something; `busy` says when it was tried, `wish_error` whether it worked."""
        with self._lock:
            self._wish, self._wish_error = wish, ""

    @property
    def wish_error(self) -> str:
        """Why the latest wish could not be obeyed, in one line; empty if it was."""
        with self._lock:
            return self._wish_error

    def brake(self) -> None:
        """Bring the arm to rest and give control back; `busy` until then."""
        with self._lock:
            self._motion.brake()
            self._wish, self._wish_error = None, ""

    def begin_step(self, displacement_base: Array) -> tuple[Array, bool]:
        """Open a control step; see `ArmMotion.begin_step`."""
        with self._lock:
            return self._motion.begin_step(displacement_base, self._guard.joint_positions)

    def problem(self) -> str:
        """What is wrong with the states or the arm now, in one line; empty for nothing."""
        with self._lock:
            return self._problem(time.monotonic())

    def measured(self) -> tuple[Array, Array]:
        """Newest joint positions in rad and velocities in rad/s, (7,) each."""
        with self._lock:
            state = self._guard.state
            if state is None:
                raise RobotError("no state has come from the Intera server")
            return np.array(state.joint_positions), np.array(state.joint_velocities)

    def diagnostics(self) -> dict[str, str]:
        """What a person would want to know of the link and the arm."""
        with self._lock:
            state = self._guard.state
            median, p99, largest = (1000 * value for value in self._clock.jitter_s())
            values = {
                "motion": self._motion.mode.value,
                "state age [ms]": f"{1000 * self._guard.age_s(time.monotonic()):.1f}",
                "command lateness p50, p99, max [ms]": f"{median:.2f}, {p99:.2f}, {largest:.2f}",
                "ticks missed": str(self._clock.missed),
                "command thread": self._scheduling,
                "invalid messages": str(self._client.garbage_count),
                "fault": self._fault,
            }
            if state is not None:
                values |= {
                    "enabled": str(state.enabled),
                    "emergency stop": _ESTOP.get(state.estop_button, "unknown"),
                    "collision": str(state.collision),
                    "error": str(state.error),
                    "server": f"{state.activity.name.lower()}: {state.hold_reason.text}",
                    "commands refused": f"{state.refused_count} ({state.last_refusal.text})",
                }
            return values

    # In the constructor, then in the thread alone

    def _greet(self) -> OperatorReply:
        with self._lock:
            self._guard.forget()
        try:
            reply = self._client.hello()
        except InteraError as error:
            raise RobotError(f"Intera server: {error}") from None
        if not self._await(lambda: self._guard.state is not None, _FIRST_STATE_S):
            raise RobotError("the Intera server answers but sends no states")
        return reply

    def _await(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Receive states until something is true of them."""
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            self._receive(min(left_s, 0.02))
        return True

    def _receive(self, timeout_s: float = 0.0) -> None:
        state = self._client.receive_state(timeout_s)
        header = self._client.state_header
        if state is not None and header is not None:
            with self._lock:
                self._guard.take(state, header, time.monotonic())
                self._garbage_before = self._client.garbage_count
                self._foreign_before = self._client.foreign_count

    def _run(self) -> None:
        self._scheduling = hurry(self._priority)
        while not self._closing:
            self._clock.wait()
            self._receive()
            with self._lock:
                targets = self._advance(time.monotonic())
            if targets is not None:
                self._client.send_targets(targets.tolist())
                self._clock.sent()
            elif self._hold_wanted or self._release_wanted:
                self._let_go()
                self._clock.restart()
            elif self._wish is not None:
                self._obey()
                self._clock.restart()

    def _advance(self, now_s: float) -> Array | None:
        """The joint targets (7,) of this tick, or None to say nothing."""
        motion = self._motion
        if motion.mode is MotionMode.IDLE:
            return None
        measured = self._guard.joint_positions
        problem = (
            self._problem(now_s)
            or self._guard.control_problem(self._client.lease_number)
            or self._guard.tracking_problem(motion.commanded_positions, now_s)
        )
        if problem:
            self._fail(problem)
            return None
        try:
            targets, ended = motion.tick(measured)
        except RobotError as error:
            self._fail(str(error))
            return None
        if ended:
            motion.stop()
            self._release_wanted = True
        return targets

    def _problem(self, now_s: float) -> str:
        garbage = self._client.garbage_count - self._garbage_before
        foreign = self._client.foreign_count - self._foreign_before
        return self._guard.stream_problem(now_s, garbage, foreign) or self._guard.arm_problem()

    def _fail(self, problem: str) -> None:
        self._fault = self._fault or problem
        self._motion.stop()
        self._wish = None
        self._hold_wanted = True

    def _let_go(self) -> None:
        """Have the server hold the arm now rather than when its watchdog notices."""
        hold = self._hold_wanted
        try:
            if hold:
                self._client.hold(_HOLD_ANSWER_S)
            else:
                self._client.release(_HOLD_ANSWER_S)
        except InteraError:
            pass  # the watchdog does it: nothing is sent any more
        with self._lock:
            self._hold_wanted = self._release_wanted = False

    def _obey(self) -> None:
        with self._lock:
            wish = self._wish
        error = ""
        try:
            if wish is Wish.ENABLE:
                self._enable()
            elif wish is not None:
                self._take_control(wish)
        except InteraError as cause:
            error = f"Intera server: {cause}"
        except RobotError as cause:
            error = str(cause)
        with self._lock:
            self._wish_error = error
            # Somebody may have changed their mind meanwhile, as by `brake`.
            if self._wish is not wish and self._motion.mode is not MotionMode.IDLE:
                self._motion.brake()
            if self._wish is wish:
                self._wish = None

    def _enable(self) -> None:
        self.reply = self._greet()
        self._client.enable()
        with self._lock:
            self._fault = ""
        if not self._await(lambda: not self._guard.arm_problem(), _ENABLED_SEEN_S):
            raise RobotError(self._guard.arm_problem())

    def _take_control(self, wish: Wish) -> None:
        problem = self.problem()
        if problem:
            raise RobotError(problem)
        lease_number = self._client.claim().lease_number

        def seen() -> bool:
            state = self._guard.state
            return state is not None and state.lease_number == lease_number

        if not self._await(seen, _LEASE_SEEN_S):
            raise RobotError("the Intera server gave control and does not say so in its states")
        try:
            with self._lock:
                measured = self._guard.joint_positions
                if wish is Wish.RETURN:
                    self._motion.begin_return(measured)
                else:
                    self._motion.begin_stepping(measured)
        except RobotError:
            self._release_wanted = True
            raise
