"""Everything of a rehearsal with faults: what runs, what can be done to it, what the arm did.

A stage is used by many tests. `Stage.repair` brings back whatever a fault has broken, and nothing
else, so that only kills cost a start of their own.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom

import numpy as np
import rclpy
import zmq
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown

from damsel.errors import RobotError
from damsel.tasks import Task
from damsel_intera.keys import CLIENT_KEY, SERVER_KEY, Key, load_key, write_keys
from damsel_intera.virtual.rehearsal import Rehearsal
from damsel_msgs.msg import TrajectoryRecord
from damsel_ros.attendant import Attendant
from damsel_ros.node_main import prepare_dds
from damsel_ros.nodes import NAMESPACE, Parameter, start_nodes
from damsel_ros.operator_client import Operator
from damsel_ros.person import StandIn
from damsel_ros.processes import NodeProcess, NodeProcesses, free_domain_id
from damsel_ros.rehearse_cli import surroundings_of
from tests.ros.watcher import Watcher
from tests.support.dial import Dial
from tests.support.lossy_udp import lossy_udp
from tests.support.tcp_gate import TcpGate
from tests.support.wall_clock import build_wall_clock, wall_clock

__all__ = [
    "AT_REST_RAD_S",
    "Clocks",
    "EarlyStrike",
    "EnoughError",
    "Stage",
    "Strike",
    "in_a_hurry",
    "until",
]

TASK = Task("door", (0.62,))
AT_REST_RAD_S = 0.05
_START_TIMEOUT_S = 20.0
_WATCH_PERIOD_S = 0.01
_ANSWER_MS = 500
_NICE = -15

# As short as a stand-in and a way back of a few centimetres allow.
_CONFIRM_TIMEOUT_S = 3.0
_RESET_TIMEOUT_S = 9.0

Progress = Callable[[TrajectoryRecord, bool], None]


@dataclass(frozen=True)
class Clocks:
    """The wall clocks of everybody but the operator.

    Attributes:
        next_to_robot: Of the robot and the Intera server.
        camera: Of whoever publishes the objects' poses.
        nodes: Of the robot, task and adapt nodes.
    """

    next_to_robot: Dial
    camera: Dial
    nodes: Dial

    @classmethod
    def make(cls, folder: Path, *, ahead_s: tuple[float, float, float]) -> Clocks | None:
        """Make them, so far ahead of the true time; None where nothing can be compiled."""
        library = build_wall_clock(folder)
        if library is None:
            return None
        names = ("next_to_robot", "camera", "nodes")
        made = [wall_clock(library, folder / n, s) for n, s in zip(names, ahead_s, strict=True)]
        return cls(*made)


class Stage:
    """See the module's docstring; a context manager.

    Attributes:
        rehearsal: What is next to the robot.
        gate: The network between it and the nodes.
        nodes: The ROS 2 nodes by name.
        operator: Asks for adaptations.
        watcher: Hears every topic.
        clocks: Wall clocks that can be set; None for the true one.
        dds: What part of all that the nodes send one another is lost; None if none can be.
    """

    def __init__(
        self,
        folder: Path,
        bundle: Path,
        *,
        patience_s: float,
        clocks: Clocks | None = None,
        locked: bool = False,
    ) -> None:
        """Make a stage on which nothing runs yet.

        Args:
            folder: For logs and parameters.
            bundle: What the adapt node adapts with.
            patience_s: How long both ends bear with silence.
            clocks: Wall clocks to start with.
            locked: Whether the server lets in only who has the key.
        """
        if locked:
            write_keys(folder)
        self._server_key, self._client_key = folder / SERVER_KEY, folder / CLIENT_KEY
        self._locked = locked
        self._folder, self._bundle, self._patience_s = folder, bundle, patience_s
        self.clocks = clocks
        self.dds = lossy_udp(folder)
        self.nodes: dict[str, NodeProcess] = {}
        self.operator: Operator
        self.watcher: Watcher
        self._velocities: list[tuple[float, float]] = []
        self._attendants: list[Attendant] = []
        self._whole = ExitStack()
        self._ros2 = ExitStack()

    def __enter__(self) -> Stage:
        self._whole.enter_context(in_a_hurry())
        self.rehearsal = self._whole.enter_context(Rehearsal(self._folder))
        with self._time("next_to_robot"):
            self.rehearsal.start_master()
            self.rehearsal.start_robot(wait=False)
            self._start_server()
        self.rehearsal.await_robot()
        addresses = self.rehearsal.addresses
        ports = [addresses.state_port, addresses.command_port, addresses.operator_port]
        self.gate = self._whole.enter_context(TcpGate(ports))
        self._whole.callback(self._ros2.close)
        done = threading.Event()
        thread = threading.Thread(target=self._watch_arm, args=(done,), daemon=True)
        thread.start()
        self._whole.callback(thread.join)
        self._whole.callback(done.set)
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.mend()
        self._whole.close()

    def repair(self) -> None:
        """Bring back what is broken, enable the arm, and forget what was seen."""
        self.gate.mend()
        if self.dds is not None:
            self.dds.set(0.0)
        self._repair_robot()
        if not self.nodes or any(node.dead for node in self.nodes.values()):
            self._ros2.close()
            self._start_ros2()
        elif self._attendants:
            self._close_operator()
            self._make_operator()
        # Objects that are not back yet are refused, and put back again.
        person = StandIn(lambda: self.rehearsal.inject("reset_objects"), lambda _: None)
        attendant = Attendant(self.operator.node, person)
        attendant.enable(self.operator.poll, _START_TIMEOUT_S)
        self._attendants.append(attendant)
        self._set_task()
        self.watcher.forget()
        self._velocities.clear()

    def _set_task(self) -> None:
        """Set it as soon as the robot node has been still for long enough."""
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                return self.operator.set_task(TASK)
            except RobotError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.1)

    def held_after(self, struck_s: float) -> float:
        """How long after that moment the arm was at rest for good, seconds."""
        moving = [at for at, speed in self._velocities if speed > AT_REST_RAD_S]
        return max(0.0, max(moving, default=struck_s) - struck_s)

    def moved_at(self, struck_s: float) -> bool:
        """Whether the arm moved at that moment, or the last time that it was looked at before."""
        before = [speed for at, speed in self._velocities if at <= struck_s]
        return bool(before) and before[-1] > AT_REST_RAD_S

    def await_motion(self, moved_s: float) -> None:
        """Wait until the arm has moved for so long."""
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        rested_s = time.monotonic()
        while time.monotonic() < rested_s + moved_s:
            assert time.monotonic() < deadline_s, "the arm does not move"
            time.sleep(_WATCH_PERIOD_S)
            if not self.moved_at(time.monotonic()):
                rested_s = time.monotonic()

    def _repair_robot(self) -> None:
        rehearsal = self.rehearsal
        # Who knows the others through one that is dead is started anew after it.
        names = ("master", "robot", "server")
        dead = [name not in rehearsal.processes for name in names]
        for name in names[dead.index(True) :] if any(dead) else ():
            if name in rehearsal.processes:
                rehearsal.kill(name)
        with self._time("next_to_robot"):
            if "master" not in rehearsal.processes:
                rehearsal.start_master()
            if "robot" not in rehearsal.processes:
                rehearsal.start_robot(wait=False)
            if "server" not in rehearsal.processes:
                self._start_server()
        rehearsal.await_robot()
        rehearsal.inject("clear")
        rehearsal.inject("release_estop")

    def _start_server(self) -> None:
        lock = ("--key", str(self._server_key)) if self._locked else ()
        self.rehearsal.start_server("topics", "--watchdog", str(self._patience_s), *lock)

    @property
    def key(self) -> Key | None:
        """What lets one in at the server; None where it stands open."""
        return load_key(self._client_key, "client") if self._locked else None

    @property
    def ports(self) -> list[int]:
        """Every TCP port next to the robot, and those of the gate."""
        rehearsal = self.rehearsal
        addresses = rehearsal.addresses
        others = (rehearsal.master_uri, rehearsal.control_address, rehearsal.objects_address)
        return [
            *self.gate.ports,
            addresses.state_port,
            addresses.command_port,
            addresses.operator_port,
            *(int(address.rpartition(":")[2]) for address in others),
        ]

    def _start_ros2(self) -> None:
        os.environ["ROS_DOMAIN_ID"] = str(free_domain_id(SystemRandom()))
        prepare_dds()
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._ros2.callback(try_shutdown)
        processes = self._ros2.enter_context(NodeProcesses())
        overrides: dict[str, dict[str, Parameter]] = {
            node: dict(values) for node, values in self._surroundings.overrides.items()
        }
        names = ("sawyer.state_port", "sawyer.command_port", "sawyer.operator_port")
        overrides["robot"] |= dict(zip(names, self.gate.ports, strict=True))
        overrides["robot"]["sawyer.state_timeout_s"] = self._patience_s
        overrides["robot"]["sawyer.pose_timeout_s"] = 2 * self._patience_s
        overrides["robot"]["sawyer.confirm_timeout_s"] = _CONFIRM_TIMEOUT_S
        overrides["robot"]["sawyer.return_speed_m_s"] = 0.1
        overrides["adapt"] = {"reset_timeout_s": _RESET_TIMEOUT_S}
        if self._locked:
            overrides["robot"]["sawyer.key"] = str(self._client_key)
        with self._time("nodes"), self.dds.governs() if self.dds else contextlib.nullcontext():
            self.nodes = start_nodes(
                processes,
                robot="sawyer",
                mode="realtime",
                bundle=self._bundle,
                composed=False,
                run_folder=self._folder,
                overrides=overrides,
            )
        with self._time("camera"):
            self.nodes["object_bridge"] = self._start_camera(processes)
        self.watcher = Watcher()
        self._ros2.callback(self.watcher.close)
        self._ros2.callback(self._close_operator)
        self._make_operator()

    def _start_camera(self, processes: NodeProcesses) -> NodeProcess:
        file = self._folder / "camera.yaml"
        address = {"objects_address": self.rehearsal.objects_address}
        file.write_text(
            json.dumps({f"{NAMESPACE}/object_bridge": {"ros__parameters": address}}), "utf-8"
        )
        arguments = ["--ros-args", "-r", f"__ns:={NAMESPACE}", "--params-file", str(file)]
        return processes.start("object_bridge", "damsel_ros.object_bridge_node", arguments)

    def _make_operator(self) -> None:
        self._attendants.clear()
        self.operator = Operator(
            namespace=NAMESPACE, check=lambda: [one.poll() for one in self._attendants] and None
        )
        self.operator.wait_for_nodes(_START_TIMEOUT_S)

    def _close_operator(self) -> None:
        self.operator.close()

    @property
    def _surroundings(self):  # type: ignore[no-untyped-def]
        return surroundings_of(self.rehearsal)

    @contextlib.contextmanager
    def _time(self, whose: str) -> Iterator[None]:
        """What is started meanwhile goes by the wall clock of these processes."""
        with getattr(self.clocks, whose).governs() if self.clocks else contextlib.nullcontext():
            yield

    def _watch_arm(self, done: threading.Event) -> None:
        """Ask the virtual robot itself how fast it moves, until told to stop."""
        request = json.dumps({"do": "status", "value": None}).encode()
        with zmq.Context() as context:
            socket = _connected(context, self.rehearsal.control_address)
            while not done.wait(_WATCH_PERIOD_S):
                socket.send(request)
                if not socket.poll(_ANSWER_MS):
                    socket.close()
                    socket = _connected(context, self.rehearsal.control_address)
                    continue
                status = json.loads(socket.recv())
                speed = float(np.abs(status["joint_velocities"]).max())
                self._velocities.append((time.monotonic(), speed))
            socket.close()


@contextlib.contextmanager
def in_a_hurry() -> Iterator[None]:
    """Where permitted, go before whatever else this machine does, as on a machine of one's own.

    Who is started meanwhile inherits it.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, min(before, _NICE))
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)


def _connected(context: zmq.Context, address: str) -> zmq.Socket:  # type: ignore[type-arg]
    socket = context.socket(zmq.REQ)
    socket.linger = 0
    socket.connect(address)
    return socket


class Strike:
    """Takes an adaptation's progress, and does something when the arm has moved for a while.

    Attributes:
        struck_s: When that was.
    """

    def __init__(self, stage: Stage, do: Callable[[Stage], object], after_steps: int = 10) -> None:
        self._stage, self._do, self._after_steps = stage, do, after_steps
        self.struck_s: float | None = None

    def __call__(self, record: TrajectoryRecord, _: bool) -> None:
        if record.steps >= self._after_steps and self.struck_s is None:
            self.struck_s = time.monotonic()
            self._do(self._stage)


class EarlyStrike:
    """Takes an adaptation's progress, and does something while the arm goes back to its start.

    Attributes:
        struck_s: When that was.
    """

    def __init__(self, stage: Stage, do: Callable[[Stage], object]) -> None:
        self._stage, self._do = stage, do
        self.struck_s: float | None = None
        threading.Thread(target=self._strike, daemon=True).start()

    def __call__(self, record: TrajectoryRecord, _: bool) -> None:
        """Nothing depends on it."""

    def _strike(self) -> None:
        self._stage.await_motion(0.2)
        self.struck_s = time.monotonic()
        self._do(self._stage)


class EnoughError(Exception):
    """A test has seen what it wanted to see; the run need not go on to its end."""


def until(strike: Strike, enough: Callable[[TrajectoryRecord, bool], bool]) -> Progress:
    """The same, and an end to the run with the first progress after it that is enough."""

    def on_progress(record: TrajectoryRecord, finished: bool) -> None:
        strike(record, finished)
        if strike.struck_s is not None and enough(record, finished):
            raise EnoughError

    return on_progress
