"""A small port through which tests and people do things to the virtual robot.

A request is a JSON object `{"do": NAME, "value": VALUE}`, the reply `{"ok": true, ...}` or
`{"ok": false, "error": TEXT}`. For the virtual robot only; a real one has no such port.
"""

from __future__ import annotations

import json
from typing import Any, Callable

import zmq

from damsel_intera.errors import InteraError, NoAnswerError, RefusedError, SettingError

__all__ = ["ControlPort", "control"]

Handler = Callable[[Any], "dict[str, Any] | None"]

_MOST_BYTES = 4096


class ControlPort:
    """Answers requests; the handlers run where `serve` is called."""

    def __init__(self, address: str, handlers: dict[str, Handler]) -> None:
        self._handlers = handlers
        self._context: Any = zmq.Context()
        self._socket = self._context.socket(zmq.REP)
        self._socket.linger = 0
        self._socket.maxmsgsize = _MOST_BYTES
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            raise SettingError(
                f"cannot listen at {address}: {error}; allowed: a free port"
            ) from None

    def serve(self) -> None:
        """Answer what has arrived."""
        while self._socket.poll(0):
            data = b"".join(self._socket.recv_multipart())
            try:
                reply = {"ok": True, **self._do(data)}
            except (InteraError, TypeError, ValueError) as error:
                reply = {"ok": False, "error": str(error)}
            self._socket.send(json.dumps(reply).encode())

    def _do(self, data: bytes) -> dict[str, Any]:
        request = json.loads(data)
        if not isinstance(request, dict) or request.get("do") not in self._handlers:
            raise SettingError(f"no such thing to do; allowed: {', '.join(sorted(self._handlers))}")
        return self._handlers[request["do"]](request.get("value")) or {}

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()
        self._context.term()


def control(address: str, do: str, value: Any = None, timeout_s: float = 5.0) -> dict[str, Any]:
    """Do something to a virtual robot.

    Args:
        address: ZeroMQ's address of its control port.
        do: what; an unknown name is answered with all that are known.
        value: with what value.
        timeout_s: how long to wait, seconds.

    Raises:
        NoAnswerError: If no virtual robot answers there.
        RefusedError: If it would not.
    """
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(address)
        socket.send(json.dumps({"do": do, "value": value}).encode())
        if not socket.poll(round(1000 * timeout_s)):
            raise NoAnswerError(f"no virtual robot answers at {address}; allowed: one that runs")
        reply: dict[str, Any] = json.loads(socket.recv())
    if not reply.pop("ok"):
        raise RefusedError(str(reply.get("error")))
    return reply
