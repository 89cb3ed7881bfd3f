"""The whole path without a robot: adapt, ROS 2, ZeroMQ, the Intera server, ROS 1, an arm."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from damsel.errors import RobotError
from damsel.tasks import Task
from damsel_intera.client import Client
from damsel_intera.errors import InteraError, RefusedError
from damsel_intera.virtual.rehearsal import Rehearsal, missing_ros1
from damsel_msgs.msg import TrajectoryRecord
from damsel_ros.adapt_cli import Surroundings
from damsel_ros.attendant import Attendant
from damsel_ros.nodes import NAMESPACE, start_nodes
from damsel_ros.operator_client import Operator
from damsel_ros.processes import NodeProcess, NodeProcesses
from damsel_ros.rehearse_cli import surroundings_of
from tests.ros.watcher import Watcher
from tests.support.fault_table import FaultRow, FaultTable
from tests.support.tcp_gate import TcpGate

pytestmark = [pytest.mark.ros1, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
TASK = Task("door", (0.62,))
AT_REST_RAD_S = 0.05


@pytest.fixture(scope="module", autouse=True)
def _ros1() -> None:
    if missing := missing_ros1():
        pytest.skip(missing)


@pytest.fixture
def patience_s(request: pytest.FixtureRequest) -> float:
    """How long both ends bear with silence; on a busy machine 100 ms pass quickly."""
    return float(getattr(request, "param", 0.1))


@pytest.fixture
def rehearsal(tmp_path: Path, patience_s: float) -> Iterator[Rehearsal]:
    logs = tmp_path / "logs"
    logs.mkdir()
    with Rehearsal(logs) as rehearsal:
        rehearsal.start_roscore()
        rehearsal.start_robot()
        rehearsal.start_server("topics", "--watchdog", str(patience_s))
        yield rehearsal


@pytest.mark.parametrize(
    ("family", "goal"), [("door", "0.62"), ("push", "0.17,-0.04"), ("drawer", "0.1")]
)
def test_a_task_of_each_family_is_solved_through_it(
    family: str, goal: str, tmp_path: Path, shipped_bundle: Path
) -> None:
    file = tmp_path / "result.json"
    command = [sys.executable, "-m", "damsel_ros.rehearse_cli", "--bundle", str(shipped_bundle)]
    done = subprocess.run(
        [*command, "--family", family, "--goal", goal, "--json", str(file)],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(file.read_text(encoding="utf-8"))
    assert result["family_inferred"] == family
    assert result["success"]
    assert done.stdout.count("put block, door and drawer back") == len(result["trajectories"])


# The pre-flight check


def preflight(rehearsal: Rehearsal, tmp_path: Path) -> tuple[int, dict[str, str]]:
    """Exit code, and what each check said."""
    overrides = surroundings_of(rehearsal).overrides["robot"]
    parameters = {f"{NAMESPACE}/robot": {"ros__parameters": overrides}}
    file = tmp_path / "mine.yaml"
    file.write_text(json.dumps(parameters), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "damsel_ros.preflight_cli", "--parameters", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()[:-1]
    return done.returncode, {line[6:26].strip(): line[:4].strip() + line[26:] for line in lines}


def test_the_preflight_passes_when_all_is_well_and_names_what_is_not(
    rehearsal: Rehearsal, domain_id: int, tmp_path: Path
) -> None:
    code, found = preflight(rehearsal, tmp_path)
    assert code == 2
    assert found["object poses"].startswith("FAIL no pose of the block has come yet")
    assert found["enabled"].startswith("FAIL")
    arguments = ["--ros-args", "-r", f"__ns:={NAMESPACE}", "-p"]
    with NodeProcesses() as processes:
        processes.start(
            "object_bridge",
            "damsel_ros.object_bridge_node",
            [*arguments, f"objects_address:={rehearsal.objects_address}"],
        )
        client_enables(rehearsal)
        code, found = preflight(rehearsal, tmp_path)
        assert {name: line for name, line in found.items() if not line.startswith("ok")} == {}
        assert code == 0
        assert set(found) >= {"server", "protocol", "robot software", "control rate", "joint names"}
        rehearsal.inject("press_estop")
        code, found = preflight(rehearsal, tmp_path)
        assert code == 2
        assert found["emergency stop"].startswith("FAIL is pressed")


def client_enables(rehearsal: Rehearsal) -> None:
    with Client(rehearsal.addresses, "test") as client:
        client.hello()
        client.enable()


# Faults


@dataclass
class Stage:
    """Everything that runs, and what can be done to it."""

    rehearsal: Rehearsal
    nodes: dict[str, NodeProcess]
    operator: Operator
    watcher: Watcher
    gate: TcpGate
    velocities: list[tuple[float, float]] = field(default_factory=list)

    def held_after(self, struck_s: float) -> float:
        """How long after that moment the arm was at rest for good, seconds."""
        moving = [at for at, speed in self.velocities if speed > AT_REST_RAD_S]
        return max(0.0, max(moving, default=struck_s) - struck_s)


@pytest.fixture
def stage(
    rehearsal: Rehearsal,
    patience_s: float,
    domain_id: int,
    tmp_path: Path,
    long_bundle: Path,
    watcher: Watcher,
) -> Iterator[Stage]:
    """A run about to begin, enabled; the network to the server goes through a gate."""
    addresses = rehearsal.addresses
    ports = [addresses.state_port, addresses.command_port, addresses.operator_port]
    with TcpGate(ports) as gate, NodeProcesses() as processes:
        around: Surroundings = surroundings_of(rehearsal)
        names = ("sawyer.state_port", "sawyer.command_port", "sawyer.operator_port")
        overrides = {node: dict(values) for node, values in around.overrides.items()}
        overrides["robot"] |= dict(zip(names, gate.ports, strict=True))
        overrides["robot"]["sawyer.state_timeout_s"] = patience_s
        nodes = start_nodes(
            processes,
            robot="sawyer",
            mode="realtime",
            bundle=long_bundle,
            composed=False,
            run_folder=tmp_path,
            overrides=replace(around, overrides=overrides).overrides,
            extra=around.extra,
        )
        attendants: list[Attendant] = []
        operator = Operator(
            namespace=NAMESPACE, check=lambda: [one.poll() for one in attendants] and None
        )
        operator.wait_for_nodes(20.0)
        attendant = Attendant(operator.node, around.person(lambda _: None))
        attendant.enable(operator.poll, 20.0)
        attendants.append(attendant)
        operator.set_task(TASK)
        stage = Stage(rehearsal, nodes, operator, watcher, gate)
        done = threading.Event()
        thread = threading.Thread(target=watch_arm, args=(stage, done), daemon=True)
        thread.start()
        yield stage
        done.set()
        thread.join()
        gate.open = True
        operator.close()


def watch_arm(stage: Stage, done: threading.Event) -> None:
    """Ask the virtual robot itself how fast it moves, until told to stop."""
    while not done.wait(0.005):
        try:
            status = stage.rehearsal.inject("status")
        except InteraError:
            continue
        speed = float(np.abs(status["joint_velocities"]).max())
        stage.velocities.append((time.monotonic(), speed))


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong in mid-trajectory.

    Attributes:
        strike: Makes it happen.
        message: What the operator is told in the end.
        within_s: In what time the arm is at rest.
    """

    strike: Callable[[Stage], None]
    message: str
    within_s: float = 0.3


def cut(stage: Stage, duration_s: float) -> None:
    stage.gate.open = False
    if duration_s:
        threading.Timer(duration_s, lambda: setattr(stage.gate, "open", True)).start()


FAULTS = {
    "emergency stop pressed": Fault(
        lambda stage: stage.rehearsal.inject("press_estop") and None,
        "the emergency stop is pressed",
    ),
    "collision felt": Fault(
        lambda stage: stage.rehearsal.inject("collide", 0.2) and None,
        "the robot felt a collision",
    ),
    "robot reports an error": Fault(
        lambda stage: stage.rehearsal.inject("fail") and None, "the robot reports an error"
    ),
    "robot falls silent": Fault(
        lambda stage: stage.rehearsal.inject("silence") and None,
        "the robot publishes no joint states|the robot's own states are late or missing",
        # Noticed at 100 ms; then it comes to rest.
        within_s=0.45,
    ),
    "robot's states are not finite": Fault(
        lambda stage: stage.rehearsal.inject("state_fault", {"invalid": 1}) and None,
        "the robot's own states are not finite|the robot publishes no joint states",
    ),
    "robot's states are 300 ms late": Fault(
        lambda stage: stage.rehearsal.inject("state_fault", {"delay_s": 0.3}) and None,
        r"state of the arm is 0\.\d+ s old|the robot's own states are late or missing",
        within_s=0.45,
    ),
    "network gone for 500 ms": Fault(
        lambda stage: cut(stage, 0.5),
        r"state of the arm is 0\.\d+ s old|no fresh command within the watchdog's time",
    ),
    "network gone for good": Fault(
        lambda stage: cut(stage, 0.0), r"state of the arm is 0\.\d+ s old .*: no state has come"
    ),
    "Intera server killed": Fault(
        lambda stage: stage.rehearsal.kill("server"),
        r"state of the arm is 0\.\d+ s old .*: no state has come",
        # The robot's own command timeout is what is left: it keeps to its last target.
        within_s=0.5,
    ),
    "robot's driver killed": Fault(
        lambda stage: stage.rehearsal.kill("robot"),
        "the robot publishes no joint states|the robot's own states are late or missing",
    ),
    "ROS 2 robot node killed": Fault(
        lambda stage: stage.nodes["robot"].signal(signal.SIGKILL), "the robot node went silent"
    ),
    "adapt node killed": Fault(
        lambda stage: stage.nodes["adapt"].signal(signal.SIGKILL),
        "the adapt node went silent",
        # The step that was commanded last is still carried out, and the arm is told to stay.
        within_s=0.8,
    ),
    "task node killed": Fault(
        lambda stage: stage.nodes["task"].signal(signal.SIGKILL),
        "the task node went silent",
        within_s=0.8,
    ),
}


def strike_in_mid_trajectory(
    stage: Stage, strike: Callable[[Stage], None]
) -> Callable[[TrajectoryRecord, bool], None]:
    """Do it when the arm has been moving for a while; `stage.struck_s` says when."""
    struck: list[float] = []

    def on_progress(record: TrajectoryRecord, _: bool) -> None:
        if record.steps >= 10 and not struck:
            struck.append(time.monotonic())
            strike(stage)

    on_progress.struck = struck  # type: ignore[attr-defined]
    return on_progress


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_holds_the_arm_and_ends_the_run_with_its_cause(
    stage: Stage, name: str, fault_table: FaultTable
) -> None:
    fault = FAULTS[name]
    on_progress = strike_in_mid_trajectory(stage, fault.strike)
    with pytest.raises(RobotError, match=fault.message) as error:
        stage.operator.adapt(1, on_progress)
    time.sleep(0.5)
    held_s = stage.held_after(on_progress.struck[0])  # type: ignore[attr-defined]
    assert held_s < fault.within_s
    # No transition of the disturbed trajectory is in any context.
    assert all(context.transitions == 0 for _, context in stage.watcher.contexts)
    # And nothing moves again by itself.
    assert stage.held_after(time.monotonic() - 0.2) <= 0.2
    fault_table.add(
        FaultRow(
            fault=name,
            path="rehearsal",
            # A simulated arm is gone with its driver; a real one would hold by its own timeout.
            arm="at rest" if "robot" in stage.rehearsal.processes else "gone with its driver",
            within_ms=1000 * held_s,
            message=str(error.value),
            run="ends",
        )
    )


def garbage_on_every_port(stage: Stage) -> None:
    ports = (stage.gate.ports, stage.rehearsal.addresses)
    for port in (*ports[0], ports[1].command_port, ports[1].operator_port):
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(bytes(range(256)) * 16)


def somebody_else(stage: Stage) -> Client:
    return Client(stage.rehearsal.addresses, "somebody else")


def claim_as_somebody_else(stage: Stage) -> None:
    with somebody_else(stage) as client:
        client.hello()
        with pytest.raises(RefusedError, match="damsel robot node"):
            client.claim()


def replay_an_old_run(stage: Stage) -> None:
    """Commands with a lease and a session that were good once, to somewhere else."""
    with somebody_else(stage) as client:
        client.hello()
        assert client.receive_state(1.0)
        client.lease = 12345
        for _ in range(20):
            client.send_targets(np.zeros(7).tolist())
            time.sleep(0.002)
        client.session -= 1
        client.send_targets(np.zeros(7).tolist())


HARMLESS: dict[str, Callable[[Stage], None]] = {
    "garbage on every port": garbage_on_every_port,
    "second controller claims": claim_as_somebody_else,
    "commands replayed from an old run": replay_an_old_run,
    "ROS 1 master killed": lambda stage: stage.rehearsal.kill("roscore"),
    "robot's states doubled and out of order": lambda stage: (
        stage.rehearsal.inject("state_fault", {"duplicate": 0.3, "reorder": 0.3}) and None
    ),
}


class EnoughError(Exception):
    """A test has seen what it wanted to see; the run need not go on to its end."""


@pytest.mark.parametrize("patience_s", [0.3], indirect=True)
def test_what_is_no_fault_does_not_stop_the_arm(stage: Stage, fault_table: FaultTable) -> None:
    to_come = list(HARMLESS.values())
    finished: list[int] = []

    def one_each_trajectory(record: TrajectoryRecord, done: bool) -> None:
        if done:
            finished.append(record.trajectory)
        struck = len(HARMLESS) - len(to_come)
        if record.steps >= 10 and to_come and struck == len(finished):
            to_come.pop(0)(stage)

    run = stage.operator.adapt(len(HARMLESS) - 3, one_each_trajectory)
    assert to_come == []
    assert len(run.result.trajectories) == len(HARMLESS)
    # None of them was made again.
    assert len({message.trajectory for _, message in stage.watcher.observations}) == len(HARMLESS)
    for name in HARMLESS:
        fault_table.add(FaultRow(name, "rehearsal", "moves on", 0.0, "", "goes on"))


def test_a_network_that_is_gone_for_50_ms_is_no_fault(
    stage: Stage, fault_table: FaultTable
) -> None:
    on_progress = strike_in_mid_trajectory(stage, lambda stage: cut(stage, 0.05))

    def until_finished(record: TrajectoryRecord, finished: bool) -> None:
        on_progress(record, finished)
        if finished:
            raise EnoughError

    with pytest.raises(EnoughError):
        stage.operator.adapt(1, until_finished)
    assert stage.operator.stop()
    assert len({message.trajectory for _, message in stage.watcher.observations}) == 1
    fault_table.add(FaultRow("network gone for 50 ms", "rehearsal", "moves on", 0.0, "", "goes on"))


def test_lost_object_poses_hold_the_arm_and_have_the_trajectory_made_again(
    stage: Stage, fault_table: FaultTable
) -> None:
    bridge = stage.nodes["object_bridge"]

    def lose(_: Stage) -> None:
        bridge.signal(signal.SIGSTOP)
        threading.Timer(1.5, lambda: bridge.signal(signal.SIGCONT)).start()

    on_progress = strike_in_mid_trajectory(stage, lose)

    def until_finished(record: TrajectoryRecord, finished: bool) -> None:
        on_progress(record, finished)
        if finished:
            raise EnoughError

    with pytest.raises(EnoughError):
        stage.operator.adapt(1, until_finished)
    assert stage.operator.stop()
    held = [
        (at, message.reason)
        for at, message in stage.watcher.applied
        if message.status == message.STATUS_HELD and "no pose of the block" in message.reason
    ]
    assert len(held) == 1
    # The trajectory that was thrown away, and the one in its place.
    assert len({message.trajectory for _, message in stage.watcher.observations}) == 2
    noticed_s = held[0][0] - on_progress.struck[0]  # type: ignore[attr-defined]
    fault_table.add(
        FaultRow(
            "object poses gone for 1.5 s",
            "rehearsal",
            "told to hold, until the objects are back",
            1000 * noticed_s,
            held[0][1],
            "throws the trajectory away and makes it again",
        )
    )
