"""A network that can be cut: passes TCP on from one port to another while it is whole.

What is under way when it is cut waits, as in a switch or a radio link, and comes late. The
gate is a process of its own: in that of a test whatever else Python does would delay it.

`python -m tests.support.tcp_gate PORT...` prints its own ports, and takes `cut` and `mend`.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["TcpGate"]

_ROOT = Path(__file__).parents[2]
_ORDERS = 0  # standard input


class TcpGate:
    """Connections to our ports go on to the same number of ports elsewhere; a context manager.

    Attributes:
        ports: Ours, in the order of theirs.
    """

    def __init__(self, to_ports: Sequence[int]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.tcp_gate", *map(str, to_ports)],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None, "asked for above"
        assert self._process.stdout is not None, "asked for above"
        self._orders = self._process.stdin
        self.ports = [int(port) for port in self._process.stdout.readline().split()]

    def __enter__(self) -> TcpGate:
        return self

    def __exit__(self, *_: object) -> None:
        # The end of its orders is its own.
        self._process.communicate()

    def cut(self) -> None:
        """From now on nothing passes."""
        self._order("cut")

    def mend(self) -> None:
        """From now on everything passes."""
        self._order("mend")

    def _order(self, order: str) -> None:
        self._orders.write(f"{order}\n")
        self._orders.flush()


class _Gate:
    """What the process does."""

    def __init__(self, to_ports: Sequence[int]) -> None:
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in to_ports]
        self._to = dict(zip(self._listeners, to_ports, strict=True))
        self._pairs: dict[socket.socket, socket.socket] = {}
        print(*(one.getsockname()[1] for one in self._listeners), flush=True)

    def run(self) -> None:
        """Pass on until there are no more orders."""
        is_whole = True
        while True:
            watched = [*self._listeners, *self._pairs] if is_whole else []
            ready, _, _ = select.select([_ORDERS, *watched], [], [])
            if _ORDERS in ready:
                orders = os.read(_ORDERS, 4096).split()
                if not orders:
                    return
                is_whole = orders[-1] == b"mend"
                continue
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


if __name__ == "__main__":
    _Gate([int(port) for port in sys.argv[1:]]).run()
