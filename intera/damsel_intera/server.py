"""The server next to the robot: `python3 -m damsel_intera.server --robot sdk|topics`.

One loop: it wakes when the robot's states, a command or a request arrive, when the watchdog would
bite, and at least every tick. All decisions are the supervisor's; this only carries messages.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Tuple

import zmq

from damsel_intera.command_line import OneLineParser, priority
from damsel_intera.errors import InteraError, RobotPortError, WireError
from damsel_intera.keys import load_key
from damsel_intera.logbook import Logbook
from damsel_intera.operations import Operations
from damsel_intera.realtime import hurry
from damsel_intera.reasons import HoldReason, Refusal
from damsel_intera.robot import SUPPORTED_VERSIONS, RobotPort, RobotState, supported
from damsel_intera.settings import ServerCfg
from damsel_intera.status import StatusWriter
from damsel_intera.supervisor import Supervisor
from damsel_intera.transport import Addresses, ServerSockets
from damsel_intera.wire import Command, Header, decode, encode

__all__ = ["Server", "main"]

Vector = Tuple[float, ...]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NEARLY = 0.9  # a repetition that is due within a millisecond goes out now
_PARTING_TICKS = 10
_BURST = 100  # messages taken off a port before the other ports have their turn


class Server:
    """Joins a robot to the sockets until `stop` is called."""

    def __init__(self, robot: RobotPort, sockets: ServerSockets, cfg: ServerCfg) -> None:
        """Set the robot's own limits.

        Raises:
            RobotPortError: If the robot's software is of a version that we do not speak to.
        """
        version = robot.software_version()
        if not supported(version):
            raise RobotPortError(
                f"the robot's software is {version}; allowed: {', '.join(SUPPORTED_VERSIONS)}"
            )
        self._cfg = cfg
        self._robot = robot
        self._sockets = sockets
        self._log = Logbook(sys.stderr)
        self._supervisor = Supervisor(cfg, secrets.randbits(64) or 1)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._operations = Operations(self._supervisor, robot, self._wake, self._log)
        self._running = True
        self._sequence = 0
        self._robot_stamp_s = 0.0
        self._sent: Vector | None = None
        self._sent_s = 0.0
        self._due_s = time.monotonic()
        self._last_hold = HoldReason.NONE
        self._status = StatusWriter(self._supervisor)
        robot.set_command_timeout(cfg.command_timeout_s)
        robot.set_speed_ratio(cfg.follow_speed_ratio)
        robot.on_update(self._wake)

    def stop(self, *_: object) -> None:
        """End the loop, from a signal or another thread; the arm is told to hold."""
        self._running = False
        self._wake()

    def note(self, text: str) -> None:
        """Write a line to the server's log."""
        self._log.note(text)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it will wake anyway
            os.write(self._wake_write, b"x")

    def run(self) -> None:
        """Serve until `stop`."""
        poller = zmq.Poller()
        for socket in (self._sockets.command, self._sockets.operator, self._wake_read):
            poller.register(socket, zmq.POLLIN)
        self._log.note(f"serving a {self._robot.kind} robot")
        try:
            while self._running:
                poller.poll(self._patience_ms())
                self._pass()
        finally:
            self._part()

    def _part(self) -> None:
        """Leave an arm that holds; it is told for a while, as rospy sends in its own time."""
        self._supervisor.hold(HoldReason.RELEASED, time.monotonic())
        for _ in range(_PARTING_TICKS):
            now_s = time.monotonic()
            self._supervisor.see_robot(self._robot.state(), now_s)
            self._send(self._supervisor.tick(now_s))
            time.sleep(self._cfg.tick_s)
        self._log.note("ends; the arm holds")
        self._log.close()

    def _patience_ms(self) -> int:
        now_s = time.monotonic()
        due_s = self._due_s
        deadline_s = self._supervisor.deadline_s
        if deadline_s is not None:
            due_s = min(due_s, deadline_s)
        return max(0, math.ceil(1000 * (due_s - now_s)))

    def _pass(self) -> None:
        """Take in what has arrived, let the supervisor decide, send what follows.

        The clock is read at every step: a process that stands still may do so in the middle of a
        pass, and must not then act on what has grown old.
        """
        self._clear_wake()
        state = self._robot.state()
        self._supervisor.see_robot(state, time.monotonic())
        if self._take_commands():
            self._send(self._supervisor.tick(time.monotonic()))
        self._answer_requests()
        now_s = time.monotonic()
        targets = self._supervisor.tick(now_s)
        if targets != self._sent or now_s - self._sent_s >= _NEARLY * self._cfg.tick_s:
            self._send(targets)
        news = self._report_hold()
        news |= state is not None and state.robot_stamp_s != self._robot_stamp_s
        if news or now_s >= self._due_s:
            # Ticks that come a little late do not put off the next ones, so the rate holds.
            on_time = self._due_s <= now_s < self._due_s + self._cfg.tick_s
            self._due_s = (self._due_s if on_time else now_s) + self._cfg.tick_s
            self._publish(self._supervisor.robot)

    def _clear_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_read, 4096):
                pass

    def _take_commands(self) -> bool:
        """Have the supervisor judge the commands that wait; whether any was accepted."""
        accepted = False
        for _ in range(_BURST):
            data = self._sockets.receive_command()
            if data is None:
                break
            try:
                header, message = decode(data)
                if not isinstance(message, Command):
                    raise WireError(f"{type(message).__name__} on the command port")
            except WireError as error:
                self._supervisor.refuse(Refusal.GARBAGE)
                self._log.rarely("garbage", f"command port: {error}")
                continue
            before = self._supervisor.refused_count
            accepted |= self._supervisor.take(header, message, time.monotonic())
            if self._supervisor.refused_count > before:
                refusal = self._supervisor.last_refusal
                self._log.rarely(refusal.name, f"refused a command: {refusal.text}")
        return accepted

    def _answer_requests(self) -> None:
        for _ in range(_BURST):
            request = self._sockets.receive_request()
            if request is None:
                break
            answer = self._operations.handle(*request, time.monotonic())
            if answer is not None:
                self._sockets.answer(*answer)
        while True:
            answer = self._operations.finished(time.monotonic())
            if answer is None:
                return
            self._sockets.answer(*answer)

    def _send(self, targets: Vector | None) -> None:
        self._sent, self._sent_s = targets, time.monotonic()
        if targets is None:
            return
        try:
            self._robot.command_positions(targets)
        except RobotPortError as error:
            self._log.rarely("send", str(error))
            # Of several faults the first is the cause, and what is reported.
            if not self._supervisor.latched:
                self._supervisor.hold(HoldReason.SEND_FAILED, time.monotonic())

    def _report_hold(self) -> bool:
        """Log why the arm holds, if that has changed; returns whether it has."""
        reason = self._supervisor.hold_reason
        if reason is self._last_hold:
            return False
        self._last_hold = reason
        self._log.note(f"holds: {reason.text}" if reason else "moves")
        return True

    def _publish(self, state: RobotState | None) -> None:
        message = self._status.write(state, time.monotonic())
        if state is None or message is None:
            return
        self._robot_stamp_s = state.robot_stamp_s
        self._sequence += 1
        header = Header.now(session=self._supervisor.session, sequence=self._sequence)
        try:
            self._sockets.state.send(encode(header, message), zmq.NOBLOCK)
        except (zmq.Again, WireError) as error:
            self._log.rarely("publish", f"a state was not sent: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="damsel_intera.server",
        description="Join a Sawyer to damsel's ROS 2 side. ROS_MASTER_URI names the robot.",
    )
    parser.add_argument(
        "--robot",
        choices=("sdk", "topics"),
        default="sdk",
        help="through the vendor's SDK, or through the robot's topics alone",
    )
    parser.add_argument("--host", default=Addresses.host, help="address to listen at")
    for name in ("state_port", "command_port", "operator_port"):
        default = getattr(Addresses, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    parser.add_argument("--key", type=Path, help="the server.key that damsel_intera.keys wrote")
    parser.add_argument(
        "--watchdog",
        type=float,
        default=ServerCfg.watchdog_s,
        metavar="SECONDS",
        help="without a fresh command for so long the arm holds (default %(default)s)",
    )
    parser.add_argument(
        "--command-timeout",
        type=float,
        default=ServerCfg.command_timeout_s,
        metavar="SECONDS",
        help="the robot's own timeout (default %(default)s)",
    )
    parser.add_argument(
        "--realtime-priority",
        type=priority,
        default=20,
        metavar="0..99",
        help="of the loop that commands the robot, where permitted (default %(default)s; 0: none)",
    )
    return parser


def _robot(kind: str) -> RobotPort:
    if kind == "sdk":
        from damsel_intera.sdk_robot import SdkRobot

        return SdkRobot()
    from damsel_intera.topic_robot import TopicRobot

    return TopicRobot()


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal comes; 0 then, 2 after one line if it cannot be."""
    options = _parser().parse_args(arguments)
    try:
        cfg = ServerCfg(watchdog_s=options.watchdog, command_timeout_s=options.command_timeout)
        addresses = Addresses(
            options.host, options.state_port, options.command_port, options.operator_port
        )
        key = load_key(options.key, "server") if options.key else None
        if key is None and options.host not in _LOOPBACK:
            print(
                f"damsel_intera.server: warning: without --key, whoever reaches {options.host} "
                "can move the arm",
                file=sys.stderr,
            )
        with ServerSockets(addresses, key) as sockets:
            robot = _robot(options.robot)
            try:
                server = Server(robot, sockets, cfg)
                signal.signal(signal.SIGINT, server.stop)
                signal.signal(signal.SIGTERM, server.stop)
                # Threads of ROS 1 that are there already stay ordinary.
                server.note(f"scheduling: {hurry(options.realtime_priority)}")
                server.run()
            finally:
                robot.close()
    except KeyboardInterrupt:
        print("damsel_intera.server: stopped before it served", file=sys.stderr)
    except InteraError as error:
        print(f"damsel_intera.server: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
