"""Stand-ins for the robot and the network, for tests of the server without ROS."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from damsel_intera.client import Client
from damsel_intera.errors import RobotPortError
from damsel_intera.frame import Header
from damsel_intera.keys import Key
from damsel_intera.reasons import EndpointFrame, HoldReason
from damsel_intera.robot import RobotState
from damsel_intera.server import Server
from damsel_intera.settings import ServerCfg
from damsel_intera.transport import Addresses, ServerSockets
from damsel_intera.virtual.rehearsal import free_ports
from damsel_intera.wire import State

HOME = (0.0, -1.0, 0.0, 2.0, 0.0, 0.5, 1.0)


def robot_state(now_s: float = 0.0, **changes: Any) -> RobotState:
    """A robot that is enabled and well."""
    state = RobotState(
        joint_positions=HOME,
        joint_velocities=(0.0,) * 7,
        joint_efforts=(0.0,) * 7,
        endpoint_position=(0.45, 0.0, 0.04),
        endpoint_frame=EndpointFrame.RIGHT_GRIPPER_TIP,
        enabled=True,
        stopped=False,
        error=False,
        homed=True,
        ready=True,
        collision=False,
        collision_told_s=now_s,
        estop_button=0,
        estop_source=0,
        robot_stamp_s=now_s,
        received_s=now_s,
        assembly_received_s=now_s,
    )
    return replace(state, **changes)


class FakeRobot:
    """A robot whose joints are at once where they are told to be."""

    kind = "topics"

    def __init__(self, version: str = "5.3.0") -> None:
        self.version = version
        self.now = robot_state()
        self.sent: list[tuple[float, tuple[float, ...]]] = []
        self.enables = 0
        self.stops = 0
        self.can_enable = True
        self.moves = True
        self.silent_since_s: float | None = None
        self.timeout_s = 0.0

    def state(self) -> RobotState:
        now_s = self.silent_since_s or time.monotonic()
        return replace(
            self.now,
            robot_stamp_s=now_s,
            received_s=now_s,
            assembly_received_s=now_s,
            collision_told_s=now_s,
        )

    def on_update(self, callback: Callable[[], None]) -> None:
        pass

    def command_positions(self, joint_positions: Sequence[float]) -> None:
        self.sent.append((time.monotonic(), tuple(joint_positions)))
        if self.moves:
            self.now = replace(self.now, joint_positions=tuple(joint_positions))

    def set_speed_ratio(self, ratio: float) -> None:
        self.speed_ratio = ratio

    def set_command_timeout(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s

    def enable(self, cancelled: Callable[[], bool]) -> None:
        self.enables += 1
        if not self.can_enable:
            raise RobotPortError("the e-stop is pressed; allowed: release it, then enable")
        self.now = replace(self.now, enabled=True, stopped=False, estop_button=0, estop_source=0)

    def stop(self) -> None:
        self.stops += 1
        self.now = replace(self.now, enabled=False, stopped=True)

    def software_version(self) -> str:
        return self.version

    def close(self) -> None:
        pass


def local_addresses() -> Addresses:
    return Addresses("127.0.0.1", *free_ports(3))


@contextlib.contextmanager
def served(
    robot: FakeRobot, cfg: ServerCfg | None = None, key: Key | None = None
) -> Iterator[Addresses]:
    """A server in a thread of its own."""
    addresses = local_addresses()
    with ServerSockets(addresses, key) as sockets:
        server = Server(robot, sockets, cfg or ServerCfg())
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            yield addresses
        finally:
            server.stop()
            thread.join(5.0)
            assert not thread.is_alive()


@contextlib.contextmanager
def connected(addresses: Addresses, name: str = "test", key: Key | None = None) -> Iterator[Client]:
    """A client that has greeted the server and heard the robot."""
    with Client(addresses, name, key) as client:
        client.hello()
        assert client.receive_state(2.0) is not None
        yield client


def follow(client: Client, seconds: float, speed_rad_s: float = 0.2) -> list[float]:
    """Drive right_j0 at a constant speed with commands at 100 Hz; returns the last targets."""
    state = client.state
    assert state is not None
    start, targets = state.joint_positions[0], list(state.joint_positions)
    begin_s = time.monotonic()
    for tick in range(1, round(seconds * 100) + 1):
        client.receive_state(0.0)
        targets[0] = start + speed_rad_s * 0.01 * tick
        client.send_targets(targets)
        time.sleep(max(0.0, begin_s + 0.01 * tick - time.monotonic()))
    return targets


def wait_for(client: Client, test: Callable[[State], bool], timeout_s: float = 3.0) -> State:
    """The first state for which the test holds."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        state = client.receive_state(0.1)
        if state is not None and test(state):
            return state
    raise AssertionError(f"not within {timeout_s} s; last state: {client.state}")


def wait_for_hold(client: Client, *reasons: HoldReason, timeout_s: float = 3.0) -> float:
    """How long it took until the arm held for one of these reasons, seconds."""
    begin_s = time.monotonic()
    wait_for(client, lambda state: state.hold_reason in reasons, timeout_s)
    return time.monotonic() - begin_s


def header(**fields: Any) -> Header:
    return Header(
        **{"session": 1, "lease": 2, "sequence": 3, "monotonic_s": 4.0, "wall_s": 5.0, **fields}
    )


class Network:
    """Passes TCP connections on to a server, until told not to; a context manager."""

    def __init__(self, server: Addresses) -> None:
        self.addresses = local_addresses()
        self._up = threading.Event()
        self._up.set()
        self._running = True
        self._sockets: list[socket.socket] = []
        for ours, theirs in (
            (self.addresses.state_port, server.state_port),
            (self.addresses.command_port, server.command_port),
            (self.addresses.operator_port, server.operator_port),
        ):
            listener = socket.create_server(("127.0.0.1", ours))
            self._sockets.append(listener)
            threading.Thread(target=self._accept, args=(listener, theirs), daemon=True).start()

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_: object) -> None:
        self._running = False
        self._up.set()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def cut(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._up.clear()

    def mend(self) -> None:
        """What was sent meanwhile arrives now, as with TCP."""
        self._up.set()

    def _accept(self, listener: socket.socket, port: int) -> None:
        while self._running:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", port))
            except OSError:
                return
            self._sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._up.wait()
                sink.sendall(data)
