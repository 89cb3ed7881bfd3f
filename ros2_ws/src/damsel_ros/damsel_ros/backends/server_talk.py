"""What is said to the Intera server and heard from it, by the one thread that owns the sockets."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from damsel.errors import RobotError
from damsel_intera.client import Client
from damsel_intera.errors import InteraError
from damsel_intera.keys import load_key
from damsel_intera.transport import Addresses
from damsel_intera.wire import OperatorReply
from damsel_ros.backends.state_guard import StateGuard

__all__ = ["CALLED_OFF", "ServerTalk", "connect_client"]

Array = NDArray[np.float64]

CALLED_OFF = "interrupted; allowed: enable again"
"""Why an enable that was called off has failed."""

_FIRST_STATE_S = 2.0
_LEASE_SEEN_S = 0.5
_ENABLED_SEEN_S = 2.0
_HOLD_ANSWER_S = 0.3


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


class ServerTalk:
    """A `Client` whose states feed a `StateGuard`; every failure is a `RobotError`.

    Whatever takes its time lets states go on arriving. The guard is shared with other threads,
    so it is touched under the lock alone.

    Attributes:
        claimed_number: Running number of the latest permission to command, given back or not.
    """

    def __init__(self, client: Client, guard: StateGuard, lock: threading.Lock) -> None:
        """Say nothing yet.

        Args:
            client: Connection, used by this object alone from now on.
            guard: Judges the states.
            lock: Held by whoever touches the guard.
        """
        self._client = client
        self._guard = guard
        self._lock = lock
        self._garbage_before = self._foreign_before = 0
        self.claimed_number = 0

    @property
    def lease_number(self) -> int:
        """Running number of our permission to command; 0 without."""
        return self._client.lease_number

    @property
    def invalid_messages(self) -> int:
        """Messages on the state port that were none."""
        return self._client.garbage_count

    def close(self) -> None:
        """Disconnect."""
        self._client.close()

    def receive(self, timeout_s: float = 0.0) -> None:
        """Take the newest state, if one has come or comes in time."""
        state = self._client.receive_state(timeout_s)
        header = self._client.state_header
        if state is not None and header is not None:
            with self._lock:
                self._guard.take(state, header, time.monotonic())
                self._garbage_before = self._client.garbage_count
                self._foreign_before = self._client.foreign_count

    def problem(self, now_s: float) -> str:
        """What is wrong with the states or the arm, in one line; the caller holds the lock."""
        garbage = self._client.garbage_count - self._garbage_before
        foreign = self._client.foreign_count - self._foreign_before
        return self._guard.stream_problem(now_s, garbage, foreign) or self._guard.arm_problem()

    def send(self, targets: Array) -> None:
        """Send joint targets (7,), radians; one that cannot leave now is not sent later."""
        self._client.send_targets(targets.tolist())

    def greet(self) -> OperatorReply:
        """Learn which start of the server this is, and hear the arm.

        Raises:
            RobotError: If the server does not answer, refuses, or sends no states.
        """
        with self._lock:
            self._guard.forget()
        reply = _asked(self._client.hello)
        if not self._await(lambda: self._guard.state is not None, _FIRST_STATE_S):
            raise RobotError("the Intera server answers but sends no states")
        return reply

    def enable(self, called_off: Callable[[], bool]) -> None:
        """Greet the server anew, and have it clear faults and switch the motors on.

        Args:
            called_off: Looked at meanwhile: whether the motors are to stay off after all.

        Raises:
            RobotError: If the robot could not be enabled, or it was called off.
        """
        self.greet()
        if called_off():
            raise RobotError(CALLED_OFF)
        _asked(lambda: self._client.enable(called_off=called_off))
        if not self._await(lambda: not self._guard.arm_problem(), _ENABLED_SEEN_S):
            raise RobotError(self._guard.arm_problem())

    def claim(self) -> None:
        """Become the controller, and see the states say so.

        Raises:
            RobotError: If the server refuses, as when another controller has control.
        """
        number = self.claimed_number = _asked(self._client.claim).lease_number

        def seen() -> bool:
            state = self._guard.state
            return state is not None and state.lease_number == number

        if not self._await(seen, _LEASE_SEEN_S):
            self.let_go(hold=False)
            raise RobotError("the Intera server gave control and does not say so in its states")

    def let_go(self, *, hold: bool) -> None:
        """Have the server hold the arm now rather than when its watchdog notices.

        Args:
            hold: Whether to end whatever the arm does, instead of giving our control back.
        """
        # If it does not answer its watchdog does it: nothing is sent any more.
        with contextlib.suppress(InteraError):
            (self._client.hold if hold else self._client.release)(_HOLD_ANSWER_S)

    def _await(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            self.receive(min(left_s, 0.02))
        return True


def _asked(ask: Callable[[], OperatorReply]) -> OperatorReply:
    try:
        return ask()
    except InteraError as error:
        raise RobotError(f"Intera server: {error}") from None
