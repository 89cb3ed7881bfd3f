"""A double of the Intera server: speaks its protocol over real sockets, and misbehaves on demand.

The arm that it stands for goes where it is told within a tick. Its watchdog and its rules for
leases are those that the protocol documents.
"""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from damsel.scene import HOME_JOINT_POSITIONS
from damsel_intera.keys import Key
from damsel_intera.transport import Addresses, ServerSockets
from damsel_intera.wire import (
    Activity,
    Command,
    EndpointFrame,
    Header,
    HoldReason,
    Operation,
    OperatorReply,
    OperatorRequest,
    Refusal,
    State,
    decode,
    encode,
)

Array = NDArray[np.float64]

PERIOD_S = 0.01
WATCHDOG_S = 0.1

RESTING = State(
    joint_positions=tuple(HOME_JOINT_POSITIONS.tolist()),
    joint_velocities=(0.0,) * 7,
    joint_efforts=(0.0,) * 7,
    endpoint_position=(0.0,) * 3,
    endpoint_frame=EndpointFrame.NONE,
    enabled=True,
    stopped=False,
    error=False,
    homed=True,
    ready=True,
    collision=False,
    collision_told=True,
    estop_button=0,
    estop_source=0,
    robot_stamp_s=0.0,
    robot_age_s=0.002,
    activity=Activity.HOLDING,
    hold_reason=HoldReason.NO_CONTROLLER,
    lease_number=0,
    last_sequence=0,
    refused_count=0,
    last_refusal=Refusal.NONE,
)


def free_addresses() -> Addresses:
    """Three ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return Addresses("127.0.0.1", *ports)


class InteraDouble:
    """The server and its arm, in a thread.

    Attributes:
        state: What it tells next; tests change it with `change`.
        targets: Every target that moved the arm, with its time.
        mangle: What is really sent for the bytes of a state: none, one or several.
        deaf: Whether commands and requests are ignored.
        on_request: Called with every request before it is answered.
    """

    def __init__(
        self, addresses: Addresses, joints: Array = HOME_JOINT_POSITIONS, key: Key | None = None
    ) -> None:
        self.addresses = addresses
        self.state = replace(RESTING, joint_positions=tuple(joints.tolist()))
        self.targets: list[tuple[float, Array]] = []
        self.operations: list[Operation] = []
        self.mangle: Callable[[bytes], list[bytes]] = lambda data: [data]
        self.deaf = False
        self.on_request: Callable[[Operation], None] = lambda _: None
        self.follow = True
        self.session = 1 + int(time.monotonic_ns())
        self.clock_offset_s = 0.0
        self._lease = 0
        self._lease_numbers = itertools.count(1)
        self._fed_s = 0.0
        self._sequence = 0
        self._closing = False
        self._lock = threading.Lock()
        self._sockets = ServerSockets(addresses, key)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> InteraDouble:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._closing = True
        self._thread.join()
        self._sockets.close()

    def change(self, **fields: object) -> None:
        """Change what the next states say."""
        with self._lock:
            self.state = replace(self.state, **fields)  # type: ignore[arg-type]

    def hold(self, reason: HoldReason, **fields: object) -> None:
        """End the lease, as the server does on any fault."""
        with self._lock:
            self._hold(reason)
            self.state = replace(self.state, **fields)  # type: ignore[arg-type]

    @property
    def joints(self) -> Array:
        return np.array(self.state.joint_positions)

    def travel_rad(self, duration_s: float) -> float:
        """How far any joint is moved within a time from now."""
        before = self.joints
        count = len(self.targets)
        time.sleep(duration_s)
        moved = [before, *(target for _, target in self.targets[count:])]
        return float(np.ptp(np.stack(moved), axis=0).max())

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._closing:
            due_s += PERIOD_S
            time.sleep(max(0.0, due_s - time.monotonic()))
            with self._lock:
                self._take_commands()
                self._answer_requests()
                following = self.state.activity is Activity.FOLLOWING
                if following and time.monotonic() - self._fed_s > WATCHDOG_S:
                    self._hold(HoldReason.STALE)
                state = self.state
                self._sequence += 1
                header = replace(Header.now(session=self.session, sequence=self._sequence))
                header = replace(header, monotonic_s=header.monotonic_s + self.clock_offset_s)
            for data in self.mangle(encode(header, state)):
                self._sockets.state.send(data)

    def _hold(self, reason: HoldReason) -> None:
        self._lease = 0
        self.state = replace(
            self.state, activity=Activity.HOLDING, hold_reason=reason, lease_number=0
        )

    def _take_commands(self) -> None:
        while (data := self._sockets.receive_command()) is not None:
            header, message = decode(data)
            if self.deaf or not isinstance(message, Command) or not self._lease:
                continue
            if header.lease != self._lease:
                continue
            self._fed_s = time.monotonic()
            self.targets.append((self._fed_s, np.array(message.joint_positions)))
            self.state = replace(
                self.state,
                joint_positions=message.joint_positions
                if self.follow
                else self.state.joint_positions,
                activity=Activity.FOLLOWING,
                hold_reason=HoldReason.NONE,
                last_sequence=header.sequence,
            )

    def _answer_requests(self) -> None:
        while (waiting := self._sockets.receive_request()) is not None:
            if self.deaf:
                continue
            envelope, data = waiting
            _, request = decode(data)
            assert isinstance(request, OperatorRequest)
            self.operations.append(request.operation)
            self.on_request(request.operation)
            lease = 0
            reply = OperatorReply(request.operation, accepted=True, text="done", robot="double")
            if request.operation is Operation.CLAIM:
                if self._lease:
                    reply = replace(reply, accepted=False, text="somebody else has control")
                elif self.state.hold_reason.latched:
                    text = f"{self.state.hold_reason.text}; allowed: claim after enable"
                    reply = replace(reply, accepted=False, text=text)
                else:
                    lease = self._lease = 77
                    number = next(self._lease_numbers)
                    reply = replace(reply, lease_number=number)
                    self._fed_s = time.monotonic()
                    self.state = replace(
                        self.state, lease_number=number, hold_reason=HoldReason.WAITING
                    )
            elif request.operation is Operation.RELEASE:
                self._hold(HoldReason.RELEASED)
            elif request.operation is Operation.HOLD:
                self._hold(HoldReason.OPERATOR_HOLD)
            elif request.operation is Operation.ENABLE:
                if self.state.estop_button == 1:
                    text = "the emergency stop is pressed; allowed: enable after releasing it"
                    reply = replace(reply, accepted=False, text=text)
                else:
                    self._hold(HoldReason.NO_CONTROLLER)
                    self.state = replace(
                        self.state,
                        enabled=True,
                        stopped=False,
                        error=False,
                        estop_button=0,
                        collision=False,
                    )
            header = Header.now(session=self.session, lease=lease)
            self._sockets.answer(envelope, encode(header, reply))
