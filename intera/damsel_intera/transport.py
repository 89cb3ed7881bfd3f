"""The ZeroMQ sockets: which exist, how they are set up, and who may connect.

| port | socket at the server | at a client | carries |
|---|---|---|---|
| state | PUB | SUB, only the newest is kept | `State` |
| command | PULL | PUSH, only the newest is kept, nothing without a connection | `Command` |
| operator | ROUTER | REQ, a fresh one for each request | `OperatorRequest`, `OperatorReply` |

The operator's port is a ROUTER so that a stop is answered while somebody else's request is still
at work. With a key all three are encrypted and the server lets in only the holder of the client's
key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator

from damsel_intera.errors import NoAnswerError, SettingError
from damsel_intera.frame import MAX_FRAME_BYTES
from damsel_intera.keys import Key

__all__ = ["Addresses", "ServerSockets", "open_socket"]

_QUEUE = 200  # messages; two seconds of commands
# A connection whose other end is gone is noticed by heartbeats, not by TCP's minutes.
_HEARTBEAT_MS = 500
_HEARTBEAT_TIMEOUT_MS = 2000


@dataclass(frozen=True)
class Addresses:
    """Where the server is.

    Attributes:
        host: address; the server binds to it, clients connect to it.
        state_port: TCP port of the states.
        command_port: TCP port of the commands.
        operator_port: TCP port of the operators' requests.
    """

    host: str = "127.0.0.1"
    state_port: int = 47101
    command_port: int = 47102
    operator_port: int = 47103

    def __post_init__(self) -> None:
        """Refuse ports that cannot be."""
        ports = (self.state_port, self.command_port, self.operator_port)
        for port in ports:
            if not 0 < port < 65536:
                raise SettingError(f"port {port}; allowed: 1 to 65535")
        if len(set(ports)) < len(ports):
            raise SettingError(f"ports {ports}; allowed: three different ones")
        if not self.host or any(character in self.host for character in " /"):
            raise SettingError(f"host {self.host!r}; allowed: a name or an address")

    @property
    def state(self) -> str:
        """ZeroMQ's address of the states."""
        return f"tcp://{self.host}:{self.state_port}"

    @property
    def command(self) -> str:
        """ZeroMQ's address of the commands."""
        return f"tcp://{self.host}:{self.command_port}"

    @property
    def operator(self) -> str:
        """ZeroMQ's address of the operators' requests."""
        return f"tcp://{self.host}:{self.operator_port}"


def open_socket(context: Any, kind: int, key: Key | None = None) -> Any:
    """A socket with the settings that all of them share; the caller binds or connects it.

    Args:
        context: a `zmq.Context`.
        kind: ZeroMQ's number of the socket's type.
        key: this side's key, or None to speak in the clear.
    """
    socket = context.socket(kind)
    socket.linger = 0
    socket.maxmsgsize = MAX_FRAME_BYTES
    socket.sndhwm = _QUEUE
    socket.rcvhwm = _QUEUE
    socket.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, _HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL, 50)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    if key is not None:
        socket.curve_secretkey = key.secret.encode()
        socket.curve_publickey = key.public.encode()
        if key.role == "server":
            socket.curve_server = True
        else:
            socket.curve_serverkey = key.other.encode()
    return socket


class ServerSockets:
    """The server's three sockets, bound; a context manager.

    Attributes:
        state: PUB.
        command: PULL.
        operator: ROUTER.
    """

    def __init__(self, addresses: Addresses, key: Key | None = None) -> None:
        """Bind.

        Raises:
            SettingError: If an address is taken or not this machine's.
        """
        self._context: Any = zmq.Context()
        self._authenticator: ThreadAuthenticator | None = None
        if key is not None:
            self._authenticator = _let_in_only(self._context, key.other)
        self.state = open_socket(self._context, zmq.PUB, key)
        self.command = open_socket(self._context, zmq.PULL, key)
        self.operator = open_socket(self._context, zmq.ROUTER, key)
        try:
            self.state.bind(addresses.state)
            self.command.bind(addresses.command)
            self.operator.bind(addresses.operator)
        except zmq.ZMQError as error:
            self.close()
            raise SettingError(
                f"cannot listen at {addresses.host}, ports {addresses.state_port}, "
                f"{addresses.command_port}, {addresses.operator_port}: {error}; "
                "allowed: free ports on an address of this machine"
            ) from None

    def __enter__(self) -> ServerSockets:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the ports back."""
        for socket in (self.state, self.command, self.operator):
            socket.close()
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.term()

    def receive_command(self) -> bytes | None:
        """The next waiting bytes of the command port, or None."""
        try:
            parts: Any = self.command.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        return b"".join(parts)

    def receive_request(self) -> tuple[tuple[bytes, ...], bytes] | None:
        """The next waiting request as (whom to answer, bytes), or None."""
        try:
            parts: Any = self.operator.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        # ROUTER puts the peer first; REQ adds an empty part. Whatever else comes is answered too.
        envelope = tuple(parts[:2]) if len(parts) > 2 and not parts[1] else tuple(parts[:1])
        return envelope, b"".join(parts[len(envelope) :])

    def answer(self, envelope: tuple[bytes, ...], data: bytes) -> None:
        """Send a reply to whom `receive_request` named; one who has gone gets none."""
        try:
            self.operator.send_multipart([*envelope, data], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                raise


def _let_in_only(context: Any, public_key: str) -> ThreadAuthenticator:
    """Refuse every client that does not hold the secret of this public key."""

    class OneClient:
        def callback(self, _domain: str, key: bytes) -> bool:
            return bytes(key) == public_key.encode()

    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    authenticator.configure_curve_callback("*", credentials_provider=OneClient())
    return authenticator


def no_answer(address: str, key: Key | None) -> NoAnswerError:
    """The error for a server that stays silent."""
    other = "its key is not the pair of ours" if key is not None else "it wants a key, missing here"
    return NoAnswerError(f"no answer from {address}: no server listens there, or {other}")
