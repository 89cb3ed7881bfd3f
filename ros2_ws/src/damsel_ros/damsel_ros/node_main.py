"""Running nodes as a process: one line and an exit code for whatever can go wrong."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown

from damsel.cli import EXIT_BAD_INPUT
from damsel.errors import DamselError, InvalidConfigError, brief
from damsel_ros.share import config_file

__all__ = [
    "check_domain_id",
    "die_with_operator",
    "prepare_dds",
    "prepare_logs",
    "run_nodes",
    "start_ros",
]

OPERATOR_PID = "DAMSEL_OPERATOR_PID"
"""Environment variable with the process that started a node, which must not outlive it."""

_PR_SET_PDEATHSIG = 1
_LOOK_UP_S = 0.1
_MAX_DOMAIN_ID = 232


def check_domain_id() -> None:
    """Refuse a DDS domain that there is none of.

    Raises:
        InvalidConfigError: If ROS_DOMAIN_ID is set to anything but a number that DDS has a port
            for.
    """
    given = os.environ.get("ROS_DOMAIN_ID", "")
    if given and not (given.isascii() and given.isdigit() and int(given) <= _MAX_DOMAIN_ID):
        raise InvalidConfigError(
            f"ROS_DOMAIN_ID is {brief(given)}; allowed: a whole number in [0, {_MAX_DOMAIN_ID}]"
        )


def prepare_dds() -> None:
    """Keep DDS on this machine and quick to find others, unless the user has said otherwise."""
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(config_file("fastdds.xml")))


def start_ros(args: Sequence[str] | None = None) -> None:
    """Initialise rclpy without its signal handlers, which would end what an orderly end needs.

    Args:
        args: Command line with ROS arguments; `sys.argv` if None.

    Raises:
        InvalidConfigError: If the ROS arguments, a parameter file or the domain id cannot be read.
    """
    prepare_dds()
    prepare_logs()
    check_domain_id()
    try:
        rclpy.init(
            args=None if args is None else list(args),
            signal_handler_options=SignalHandlerOptions.NO,
        )
    except RuntimeError as error:  # base of the private classes for every kind of bad argument
        what = "ROS 2 cannot be started" if args == [] else "ROS arguments not understood"
        raise InvalidConfigError(f"{what}: {error}") from None


def prepare_logs() -> None:
    """Have ROS 2 log below the folder for temporary files where it could not in the home folder."""
    if "ROS_LOG_DIR" in os.environ:
        return
    home = os.environ.get("HOME")
    ros_home = os.environ.get("ROS_HOME") or (home and f"{home}/.ros")
    if ros_home:
        with contextlib.suppress(OSError):
            folder = Path(ros_home, "log")
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return
    os.environ["ROS_LOG_DIR"] = str(Path(tempfile.gettempdir(), f"ros-log-{os.getuid()}"))


def die_with_operator() -> None:
    """Have the kernel interrupt this process when its operator dies, however that happens."""
    operator_pid = os.environ.get(OPERATOR_PID)
    if operator_pid is None:
        return
    with contextlib.suppress(OSError, AttributeError):  # only Linux has it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
    if str(os.getppid()) != operator_pid and not _descends_from(operator_pid):
        os.kill(os.getpid(), signal.SIGINT)


def _descends_from(pid: str) -> bool:
    """Whether a process is above this one, with others between, such as a debugger."""
    above = str(os.getppid())
    while above not in (pid, "0"):
        try:
            status = Path(f"/proc/{above}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        above = status.rpartition(")")[2].split()[1]
    return above == pid


def run_nodes(program: str, create: Callable[[], Sequence[Node]]) -> int:
    """Create nodes, spin them in one executor until told to stop, and return the exit code.

    Args:
        program: Name for messages.
        create: Makes the nodes once rclpy is up. A node with a method `finish` has it called with
            the executor when it is told to stop, for what is still on its way; one with a method
            `close`, whatever has happened, before it is destroyed.
    """
    nodes: Sequence[Node] = ()
    told_to_stop = _note_interrupts()
    try:
        die_with_operator()
        start_ros()
        nodes = create()
        # What is there now stays: the collector need not stop the arm's thread to go through it.
        gc.freeze()
        executor = SingleThreadedExecutor()
        for node in nodes:
            executor.add_node(node)
        while not told_to_stop:
            executor.spin_once(timeout_sec=_LOOK_UP_S)
        for node in nodes:
            if hasattr(node, "finish"):
                node.finish(executor)
    except DamselError as error:
        print(f"{program}: error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    finally:
        for node in nodes:
            if hasattr(node, "close"):
                node.close()
        try_shutdown()
        # Python gives signals back to the system before it ends; a second one would kill it.
        for number in set(told_to_stop):
            signal.signal(number, signal.SIG_IGN)
    return 0


def _note_interrupts() -> list[int]:
    """Have signals to stop noted in the returned list, wherever Python happens to be."""
    noted: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The terminal was closed, unless `nohup` has that ignored.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: noted.append(number))
    return noted
