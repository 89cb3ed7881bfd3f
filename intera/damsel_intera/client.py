"""The other end of the bridge: what the ROS 2 side, an operator's tool or a test talks through.

A `Client` belongs to one thread. All calls return within their timeout, whatever the network does.
"""

from __future__ import annotations

import contextlib
import math
import time
from typing import Any, Callable, Sequence

import zmq

from damsel_intera.errors import NoAnswerError, RefusedError, SettingError, WireError
from damsel_intera.keys import Key
from damsel_intera.reasons import TOWARDS_MOTION
from damsel_intera.transport import Addresses, no_answer, open_socket
from damsel_intera.wire import (
    Command,
    Header,
    Operation,
    OperatorReply,
    OperatorRequest,
    State,
    decode,
    encode,
)

__all__ = ["Client"]

_ENABLE_TIMEOUT_S = 15.0  # the vendor allows five seconds for each of reset and enable
_HEARD_S = 0.5
_LOOK_UP_S = 0.05
_HOLD_ANSWER_S = 0.3


class Client:
    """Connection to the server; a context manager.

    Attributes:
        name: who we are, for whoever else wants control.
        session: the server's start that we have greeted, 0 before `hello`.
        lease: our permission to command, 0 without.
        lease_number: its running number, to be compared with `State.lease_number`.
        state: newest state received, or None.
        state_header: its header, or None.
        garbage_count: how many messages were no states.
        foreign_count: how many states were of another start of the server than was greeted.
    """

    def __init__(self, addresses: Addresses, name: str, key: Key | None = None) -> None:
        """Open the sockets; whether anybody is there shows with the first request.

        Args:
            addresses: where the server is.
            name: who we are.
            key: the client's key, or None to speak in the clear.

        Raises:
            SettingError: If the host is neither a name nor an address.
        """
        self.name = name
        self.session = 0
        self.lease = 0
        self.lease_number = 0
        self.state: State | None = None
        self.state_header: Header | None = None
        self.garbage_count = 0
        self.foreign_count = 0
        self._addresses = addresses
        self._key = key
        self._sequence = 0
        self._request_sequence = 0
        self._server_s = 0.0
        self._heard_s = float("-inf")
        self._context: Any = zmq.Context()
        self._states = open_socket(self._context, zmq.SUB, key)
        self._states.setsockopt(zmq.CONFLATE, 1)
        self._states.setsockopt(zmq.SUBSCRIBE, b"")
        self._commands = open_socket(self._context, zmq.PUSH, key)
        # A command that cannot leave now must not leave later.
        self._commands.setsockopt(zmq.IMMEDIATE, 1)
        self._commands.setsockopt(zmq.CONFLATE, 1)
        try:
            self._states.connect(addresses.state)
            self._commands.connect(addresses.command)
        except (zmq.ZMQError, UnicodeError) as error:
            self.close()
            raise SettingError(
                f"cannot connect to host {addresses.host!r}: {error}; allowed: a name or an address"
            ) from None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect; the server's watchdog then ends a lease that is still held."""
        self._states.close()
        self._commands.close()
        self._context.term()

    def receive_state(self, timeout_s: float = 0.0) -> State | None:
        """The newest state that was not returned before, or None if none comes in time.

        States of an older start of the server, duplicates and reordered ones are passed over.

        Args:
            timeout_s: how long to wait for one, seconds.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            wait_ms = round(1000 * (deadline - time.monotonic()))
            if wait_ms > 0:
                self._states.poll(wait_ms)
            try:
                data = self._states.recv(zmq.NOBLOCK)
            except zmq.Again:
                return None
            state = self._take(data)
            if state is not None:
                return state

    def _take(self, data: bytes) -> State | None:
        try:
            header, message = decode(data)
        except WireError:
            self.garbage_count += 1
            return None
        if not isinstance(message, State):
            self.garbage_count += 1
            return None
        last = self.state_header
        if last and last.session == header.session and header.sequence <= last.sequence:
            return None
        if self.session and header.session != self.session:
            self.foreign_count += 1
            return None  # another start of the server: say hello again to hear it
        self.state, self.state_header = message, header
        self._hear(header)
        return message

    def _hear(self, header: Header) -> None:
        if header.session == self.session and header.monotonic_s > self._server_s:
            self._server_s, self._heard_s = header.monotonic_s, time.monotonic()

    def send_targets(self, joint_positions: Sequence[float]) -> bool:
        """Tell the joints where to be now, (7,), radians; false if it could not be sent.

        Raises:
            WireError: If there are not seven finite numbers.
        """
        self._sequence += 1
        seen = self.state_header.monotonic_s if self.state_header else 0.0
        header = Header.now(session=self.session, lease=self.lease, sequence=self._sequence)
        data = encode(header, Command(tuple(joint_positions), seen))
        try:
            self._commands.send(data, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def hello(self, timeout_s: float = 2.0) -> OperatorReply:
        """Greet the server, learn its session and what robot it has; a held lease is forgotten.

        Raises:
            NoAnswerError: If it does not answer; a wrong or missing key looks the same.
            RefusedError: If it speaks another version of the protocol.
        """
        self._forget()
        self.session = 0
        return self._request(Operation.HELLO, timeout_s)

    def claim(self, timeout_s: float = 2.0) -> OperatorReply:
        """Become the controller.

        The first command must follow within the server's first-command time (2 s by default), the
        next ones within its watchdog's. Commands are refused as late while no state was received,
        so wait for one first.

        Raises:
            NoAnswerError: If the server does not answer.
            RefusedError: If another controller has control (its name is told), a fault must be
                cleared by `enable` first, or the session is old.
        """
        self._forget()
        return self._request(Operation.CLAIM, timeout_s)

    def release(self, timeout_s: float = 2.0) -> OperatorReply:
        """Give control back; the arm holds.

        Raises:
            NoAnswerError: If the server does not answer.
            RefusedError: If we had no control.
        """
        reply = self._request(Operation.RELEASE, timeout_s)
        self._forget()
        return reply

    def enable(
        self,
        timeout_s: float = _ENABLE_TIMEOUT_S,
        called_off: Callable[[], bool] = lambda: False,
    ) -> OperatorReply:
        """The operator's explicit go-ahead: clear faults and old targets, switch the motors on.

        Args:
            timeout_s: how long it may take, seconds.
            called_off: looked at meanwhile; once it is true the server is told to hold, which ends
                the enable with the motors off.

        Raises:
            NoAnswerError: If the server does not answer.
            RefusedError: If the robot could not be enabled, e.g. with the e-stop pressed, or the
                enable was called off.
        """
        self._forget()
        return self._request(Operation.ENABLE, timeout_s, called_off)

    def stop(self, timeout_s: float = 2.0) -> OperatorReply:
        """Switch the motors off; works without a greeting.

        Raises:
            NoAnswerError: If the server does not answer.
            RefusedError: If the robot could not be told.
        """
        return self._request(Operation.STOP, timeout_s)

    def hold(self, timeout_s: float = 2.0) -> OperatorReply:
        """End whatever the arm does; works without a greeting.

        Raises:
            NoAnswerError: If the server does not answer.
        """
        return self._request(Operation.HOLD, timeout_s)

    def _forget(self) -> None:
        self.lease = 0
        self.lease_number = 0

    def _request(
        self,
        operation: Operation,
        timeout_s: float,
        called_off: Callable[[], bool] = lambda: False,
    ) -> OperatorReply:
        if operation in TOWARDS_MOTION and time.monotonic() - self._heard_s > _HEARD_S:
            # The server tells by its own clock how old the request is. If it is another start of
            # the server that answers, it will refuse what follows.
            self._hear(self._ask(Operation.HELLO, timeout_s)[0])
        header, reply = self._ask(operation, timeout_s, called_off)
        if not reply.accepted:
            raise RefusedError(reply.text)
        if operation is Operation.HELLO:
            self.session = header.session
            self._server_s = 0.0
        if operation is Operation.CLAIM:
            self.lease, self.lease_number = header.lease, reply.lease_number
            self._sequence = 0
        self._hear(header)
        return reply

    def _ask(
        self,
        operation: Operation,
        timeout_s: float,
        called_off: Callable[[], bool] = lambda: False,
    ) -> tuple[Header, OperatorReply]:
        self._request_sequence += 1
        request = OperatorRequest(operation, self.name, self._server_s)
        header = Header.now(session=self.session, lease=self.lease, sequence=self._request_sequence)
        data = encode(header, request)
        # One socket a request: a REQ that got no answer could not ask again.
        socket = open_socket(self._context, zmq.REQ, self._key)
        try:
            socket.connect(self._addresses.operator)
            socket.send(data)
            deadline_s, told = time.monotonic() + timeout_s, False
            while not socket.poll(_wait_ms(deadline_s)):
                if time.monotonic() >= deadline_s:
                    raise no_answer(self._addresses.operator, self._key)
                if not told and called_off():
                    with contextlib.suppress(NoAnswerError):  # it is told again then
                        self._ask(Operation.HOLD, _HOLD_ANSWER_S)
                        told = True
            return _reply(socket.recv())
        finally:
            socket.close()


def _wait_ms(deadline_s: float) -> int:
    """How long to wait before looking up again, in whole milliseconds, rounded up."""
    return math.ceil(1000 * min(max(deadline_s - time.monotonic(), 0.0), _LOOK_UP_S))


def _reply(data: bytes) -> tuple[Header, OperatorReply]:
    try:
        header, message = decode(data)
    except WireError as error:
        raise RefusedError(f"the server's answer is none of this protocol: {error}") from None
    if not isinstance(message, OperatorReply):
        raise RefusedError("the server's answer is no reply; allowed: OperatorReply")
    return header, message
