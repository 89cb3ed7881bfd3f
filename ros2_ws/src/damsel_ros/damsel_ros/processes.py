"""Starts the nodes as processes of their own, watches them, and stops them for certain."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from random import Random, SystemRandom
from typing import IO

from damsel.errors import DamselError
from damsel_ros.node_main import OPERATOR_PID

__all__ = ["NodeProcess", "NodeProcesses", "free_domain_id", "hide_in_own_domain"]

_STOP_SIGNALS = ((signal.SIGINT, 3.0), (signal.SIGTERM, 1.0), (signal.SIGKILL, 5.0))
_KEPT_LINES = 200

# DDS derives its ports from the domain id; above 101 they reach into the range that Linux gives
# to outgoing connections.
_DOMAIN_IDS = range(1, 102)
_DDS_PORT_BASE = 7400
_DDS_DOMAIN_GAIN = 250
_DDS_FIRST_UNICAST = 10


class NodeProcess:
    """One node, or several composed, in a process.

    Attributes:
        name: Name for messages.
        pid: Its process id.
    """

    def __init__(self, name: str, module: str, arguments: Sequence[str]) -> None:
        """Start `python -P -m module arguments`.

        It gets a session of its own, so that Ctrl-C in a terminal reaches the operator alone,
        who then stops the arm before the nodes; and it is told to stop if the operator dies.
        """
        self.name = name
        self._errors: deque[str] = deque(maxlen=_KEPT_LINES)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            env={**os.environ, OPERATOR_PID: str(os.getpid())},
        )
        assert self._process.stderr is not None, "asked for above"
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stderr,), daemon=True
        )
        self._reader.start()
        self.pid = self._process.pid

    @property
    def dead(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    @property
    def failure(self) -> str:
        """What went wrong with a process that has ended, in one line; empty for nothing."""
        self._process.wait()
        ended_well = self._process.returncode == 0
        return "" if ended_well else f"the {self.name} node died: {self.cause_of_death}"

    @property
    def cause_of_death(self) -> str:
        """Why the process ended, in one line."""
        self._process.wait()
        self._reader.join(timeout=1.0)
        code = self._process.returncode
        how = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
        lines = [line for line in self._errors if line.strip()]
        return f"{how}; its last words: {lines[-1].strip()}" if lines else how

    def signal(self, number: signal.Signals) -> None:
        """Send a signal unless the process has ended."""
        if not self.dead:
            self._process.send_signal(number)

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end and return whether it came."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        return self.dead

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._errors.append(line)


class NodeProcesses:
    """Several node processes that live and end together; a context manager."""

    def __init__(self) -> None:
        self._processes: list[NodeProcess] = []

    def __enter__(self) -> NodeProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, module: str, arguments: Sequence[str]) -> NodeProcess:
        """Start one more process."""
        process = NodeProcess(name, module, arguments)
        self._processes.append(process)
        return process

    def first_dead(self) -> NodeProcess | None:
        """Return a process that has ended, if any."""
        return next((process for process in self._processes if process.dead), None)

    def stop(self) -> None:
        """End every process: ask, insist, kill."""
        for number, patience_s in _STOP_SIGNALS:
            for process in self._processes:
                process.signal(number)
            deadline_s = time.monotonic() + patience_s
            left = [
                process
                for process in self._processes
                if not process.wait(max(0.0, deadline_s - time.monotonic()))
            ]
            if not left:
                break
        self._processes.clear()


def free_domain_id(random: Random) -> int:
    """Return a DDS domain id that nobody on this machine seems to use.

    Args:
        random: Source of randomness, so that two operators who start together differ.

    Raises:
        DamselError: If all of them are in use.
    """
    for domain_id in random.sample(_DOMAIN_IDS, len(_DOMAIN_IDS)):
        port = _DDS_PORT_BASE + _DDS_DOMAIN_GAIN * domain_id + _DDS_FIRST_UNICAST
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return domain_id
    raise DamselError("every DDS domain id is in use on this machine; set ROS_DOMAIN_ID")


def hide_in_own_domain() -> bool:
    """Have this process and what it starts hear nobody else, unless the user has named a domain.

    Returns:
        Whether they have a DDS domain of their own now.

    Raises:
        DamselError: If all of them are in use.
    """
    if "ROS_DOMAIN_ID" in os.environ:
        return False
    os.environ["ROS_DOMAIN_ID"] = str(free_domain_id(SystemRandom()))
    return True
