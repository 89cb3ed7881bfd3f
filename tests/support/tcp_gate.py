"""A network that can be cut: passes TCP on from one port to another while it is open.

What is under way when the gate shuts waits, as in a switch or a radio link, and comes late.
"""

from __future__ import annotations

import select
import socket
import threading

__all__ = ["TcpGate"]


class TcpGate:
    """Connections to our ports go on to the same number of ports elsewhere; a context manager.

    Attributes:
        ports: Ours, in the order of theirs.
        open: Whether anything passes.
    """

    def __init__(self, to_ports: list[int]) -> None:
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in to_ports]
        self._to = dict(zip(self._listeners, to_ports, strict=True))
        self.ports = [int(one.getsockname()[1]) for one in self._listeners]
        self.open = True
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> TcpGate:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._thread.join()
        for one in (*self._listeners, *self._pairs):
            one.close()

    def _run(self) -> None:
        while not self._closing:
            if not self.open:
                threading.Event().wait(0.002)
                continue
            ready, _, _ = select.select([*self._listeners, *self._pairs], [], [], 0.01)
            for one in ready:
                if one in self._to:
                    self._accept(one)
                elif one in self._pairs:
                    self._pass_on(one)

    def _accept(self, listener: socket.socket) -> None:
        ours, _ = listener.accept()
        try:
            theirs = socket.create_connection(("127.0.0.1", self._to[listener]), timeout=1.0)
        except OSError:
            ours.close()
            return
        for one in (ours, theirs):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pairs[ours], self._pairs[theirs] = theirs, ours

    def _pass_on(self, one: socket.socket) -> None:
        other = self._pairs[one]
        try:
            data = one.recv(65536)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        for end in (one, other):
            self._pairs.pop(end, None)
            end.close()
