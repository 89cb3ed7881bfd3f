"""The thread that speaks to the Intera server: a state in, joint targets out, every 10 ms.

It alone owns the sockets. Others leave a wish, which it obeys between two ticks while the arm is
at rest, because asking the server may take its time. A fault ends every motion and stays until
the arm is enabled anew; the server's own watchdog holds the arm from then on, and from the moment
this thread or its process is gone.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from damsel.errors import RobotError
from damsel_intera.client import Client
from damsel_intera.realtime import hurry
from damsel_ros.backends.arm_motion import ArmMotion, MotionMode, start_problem
from damsel_ros.backends.base import JointStates, JointTick
from damsel_ros.backends.server_talk import CALLED_OFF, ServerTalk
from damsel_ros.backends.standstill import Standstill
from damsel_ros.backends.state_guard import StateGuard
from damsel_ros.backends.tick_clock import TickClock

__all__ = ["ArmLink", "Wish"]

Array = NDArray[np.float64]

_KEPT_TICKS = 1000

_ESTOP = {0: "unpressed", 1: "pressed", 3: "released, but the robot is still stopped"}


class Wish(Enum):
    """What the thread is asked for while the arm is at rest."""

    ENABLE = "enable"
    RETURN = "return"
    STEP = "step"


class _LettingGo(Enum):
    """How the server is told that we command no more."""

    RELEASE = "release"
    HOLD = "hold"


class ArmLink:
    """Runs an `ArmMotion` over a `Client`, guarded by a `StateGuard`; for use from any thread."""

    def __init__(
        self,
        client: Client,
        motion: ArmMotion,
        guard: StateGuard,
        standstill: Standstill,
        *,
        period_s: float,
        priority: int,
    ) -> None:
        """Greet the server, hear the arm, and start the thread; nothing moves.

        Args:
            client: Connection, used by this object alone from now on.
            motion: What the joints are told.
            guard: Judges the states.
            standstill: Says whether what was asked for may still be done.
            period_s: Time between ticks.
            priority: Real-time priority of the thread, where permitted; 0 for none.

        Raises:
            RobotError: If the server does not answer, refuses, or sends no states.
        """
        self._motion = motion
        self._guard = guard
        self._standstill = standstill
        self._clock = TickClock(period_s)
        self._priority = priority
        self._scheduling = ""
        self._lock = threading.Lock()
        self._closing = False
        self._wish: Wish | None = None
        self._obeyed: Wish | None = None
        self._wish_error = ""
        self._fault = ""
        self._letting_go: _LettingGo | None = None
        self._ticks: deque[JointTick] = deque(maxlen=_KEPT_TICKS)
        self._talk = ServerTalk(client, guard, self._lock)
        self._talk.greet()
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
        self._talk.close()

    # From any thread

    @property
    def fault(self) -> str:
        """Why the arm must not move until it is enabled anew, in one line; empty if it may."""
        if not self._thread.is_alive():
            return "the thread that commands the arm has died; start the robot node anew"
        with self._lock:
            return self._fault

    @property
    def busy(self) -> bool:
        """Whether a wish is open or being obeyed, or the arm moves on its own."""
        if not self._thread.is_alive():
            return False  # nobody is there to do it; see `fault`
        with self._lock:
            moving = self._motion.mode in (MotionMode.RETURNING, MotionMode.BRAKING)
            open_wish = self._wish is not None or self._obeyed is not None
            return open_wish or moving or self._letting_go is not None

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
            return self._talk.problem(time.monotonic())

    def let_go_problem(self) -> str:
        """What keeps an arm that was let go of from being taken again without `robot/enable`.

        In one line; empty for nothing. States that come late do not: they may be in time again.
        """
        with self._lock:
            state = self._guard.state
            if state is not None and state.lease_number > self._talk.claimed_number:
                return "another controller has taken control of the arm"
            return self._guard.arm_problem()

    def measured(self) -> tuple[Array, Array]:
        """Newest joint positions in rad and velocities in rad/s, (7,) each."""
        with self._lock:
            state = self._guard.state
            if state is None:
                raise RobotError("no state has come from the Intera server")
            return np.array(state.joint_positions), np.array(state.joint_velocities)

    def joint_ticks(self) -> list[JointTick]:
        """Return the ticks since the last call, oldest first."""
        with self._lock:
            ticks = list(self._ticks)
            self._ticks.clear()
            return ticks

    def diagnostics(self) -> dict[str, str]:
        """What a person would want to know of the link and the arm."""
        with self._lock:
            state = self._guard.state
            jitter_ms = (f"{1000 * value:.2f}" for value in self._clock.jitter_s())
            values = {
                "motion": self._motion.mode.value,
                "state age [ms]": f"{1000 * self._guard.age_s(time.monotonic()):.1f}",
                "command lateness p50, p99, p99.9, max [ms]": ", ".join(jitter_ms),
                "ticks missed": str(self._clock.missed),
                "command thread": self._scheduling,
                "invalid messages": str(self._talk.invalid_messages),
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

    # In the thread alone

    def _run(self) -> None:
        self._scheduling = hurry(self._priority)
        while not self._closing:
            self._clock.wait()
            self._talk.receive()
            with self._lock:
                targets = self._advance(time.monotonic())
                self._note_tick(targets)
                letting_go, wish = self._letting_go, self._wish
                if targets is None and letting_go is None:
                    self._obeyed = wish
            if targets is not None:
                self._talk.send(targets)
                self._clock.sent()
            elif letting_go is not None:
                self._talk.let_go(hold=letting_go is _LettingGo.HOLD)
                with self._lock:
                    self._letting_go = None
                self._clock.restart()
            elif wish is not None:
                self._obey(wish)
                self._clock.restart()

    def _advance(self, now_s: float) -> Array | None:
        """The joint targets (7,) of this tick, or None to say nothing."""
        motion = self._motion
        if motion.mode is MotionMode.IDLE:
            return None
        problem = (
            self._talk.problem(now_s)
            or self._guard.control_problem(self._talk.lease_number)
            or self._guard.tracking_problem(motion.commanded_positions, now_s)
        )
        if problem:
            self._fail(problem)
            return None
        if motion.mode is MotionMode.RETURNING and (stood_still := self._standstill.problem()):
            # Who would stop the arm is not heard now. Control steps end by themselves.
            motion.brake()
            self._wish_error = stood_still
        try:
            targets, ended = motion.tick(self._guard.joint_positions)
        except RobotError as error:
            self._fail(str(error))
            return None
        if ended:
            motion.stop()
            self._letting_go = _LettingGo.RELEASE
        return targets

    def _note_tick(self, targets: Array | None) -> None:
        state = self._guard.state
        if state is not None:
            states = JointStates(np.array(state.joint_positions), np.array(state.joint_velocities))
            self._ticks.append(JointTick(state.robot_stamp_s, states, time.time(), targets))

    def _fail(self, problem: str) -> None:
        self._fault = self._fault or problem
        self._motion.stop()
        self._wish = None
        self._letting_go = _LettingGo.HOLD

    def _obey(self, wish: Wish) -> None:
        error = ""
        try:
            _refuse_for(self._standstill.problem())
            if wish is Wish.ENABLE:
                self._talk.enable(lambda: self._is_withdrawn(wish))
            else:
                self._take_control(wish)
        except RobotError as cause:
            error = str(cause)
        with self._lock:
            self._obeyed = None
            if self._wish is not wish:
                # Somebody has changed their mind meanwhile, as by `brake`.
                self._motion.brake()
                if self._wish is None and wish is Wish.ENABLE:
                    self._wish_error = CALLED_OFF
                return
            self._wish, self._wish_error = None, error
            if wish is Wish.ENABLE and not error:
                self._fault = ""

    def _is_withdrawn(self, wish: Wish) -> bool:
        with self._lock:
            return self._wish is not wish

    def _take_control(self, wish: Wish) -> None:
        _refuse_for(self.problem())
        self._talk.claim()
        with self._lock:
            measured = self._guard.joint_positions
            try:
                _refuse_for(self._standstill.problem())
                if wish is Wish.RETURN:
                    self._motion.begin_return(measured)
                else:
                    _refuse_for(start_problem(measured))
                    self._motion.begin_stepping(measured)
            except RobotError:
                self._letting_go = _LettingGo.RELEASE
                raise


def _refuse_for(problem: str) -> None:
    if problem:
        raise RobotError(problem)
