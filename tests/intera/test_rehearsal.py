"""The whole ROS 1 side: a real master, the virtual Sawyer, the server, and what can go wrong.

Every test runs with the server on the robot's bare topics; where the vendor's SDK is installed
(see conftest), also through it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from damsel_intera.client import Client
from damsel_intera.errors import InteraError, NoAnswerError, RefusedError
from damsel_intera.keys import CLIENT_KEY, SERVER_KEY, load_key, write_keys
from damsel_intera.reasons import Activity, EndpointFrame, HoldReason
from damsel_intera.virtual.control import control
from damsel_intera.virtual.rehearsal import Rehearsal
from damsel_intera.wire import ObjectPoses, decode
from tests.intera.doubles import Network, connected, follow, wait_for, wait_for_hold

pytestmark = [pytest.mark.ros1, pytest.mark.slow]

# What the watchdog's time may grow by on a busy machine before we call it a failure.
SLACK_S = 0.05
WATCHDOG_S = 0.1
RATE_HZ = 90  # of 100, for the same reason
LAG_RAD = 0.04  # 0.2 s behind, at the 0.2 rad/s of `follow`
STILL_RAD = 0.0005  # within 0.1 s


@pytest.fixture(
    name="rehearsal",
    scope="module",
    params=["topics", pytest.param("sdk", marks=pytest.mark.sdk)],
)
def running_rehearsal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsal]:
    sdk = os.environ.get("DAMSEL_INTERA_SDK") if request.param == "sdk" else None
    with Rehearsal(tmp_path_factory.mktemp("rehearsal"), sdk=Path(sdk) if sdk else None) as all_:
        all_.start(request.param)
        yield all_


@pytest.fixture(name="client")
def enabled_client(rehearsal: Rehearsal) -> Iterator[Client]:
    """A client of a robot that is enabled, well and at rest, and holds nothing."""
    rehearsal.inject("clear")
    rehearsal.inject("release_estop")
    with connected(rehearsal.addresses) as client:
        client.hold()
        wait_for(client, lambda state: not state.collision and state.robot_age_s < 0.1)
        client.enable()
        wait_for(client, lambda state: state.enabled and not state.hold_reason.latched)
        yield client


def robot_kind(rehearsal: Rehearsal) -> str:
    with Client(rehearsal.addresses, "asks") as client:
        return client.hello().robot


def rest(rehearsal: Rehearsal) -> list[float]:
    """Where the arm has come to rest."""
    deadline = time.monotonic() + 2.0
    joints: list[float] = rehearsal.inject("status")["joint_positions"]
    while True:
        time.sleep(0.1)
        before, joints = joints, rehearsal.inject("status")["joint_positions"]
        if max(abs(a - b) for a, b in zip(before, joints, strict=True)) < STILL_RAD:
            return joints
        assert time.monotonic() < deadline, "the arm does not come to rest"


LISTENER = """
from damsel_intera.ros_node import JOINT_COMMAND, start_node
rospy = start_node("recorder")
command = rospy.Subscriber(JOINT_COMMAND, rospy.AnyMsg)
while not command.get_num_connections():
    rospy.sleep(0.02)
print("connected", flush=True)
rospy.sleep(60.0)
"""


@contextlib.contextmanager
def listening_in(rehearsal: Rehearsal) -> Iterator[None]:
    """Somebody is connected to joint commands who is no part of the robot."""
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENER],
        env={**os.environ, **rehearsal.ros1_environment()},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "connected\n"
        yield
    finally:
        process.kill()
        process.communicate()


def assert_stays(rehearsal: Rehearsal, joints: list[float], seconds: float = 0.5) -> None:
    time.sleep(seconds)
    assert rehearsal.inject("status")["joint_positions"] == pytest.approx(joints, abs=0.005)


def test_states_stream_at_100_hz(client: Client) -> None:
    end_s = time.monotonic() + 2.0
    ages, stamps = [], set()
    while time.monotonic() < end_s:
        state = client.receive_state(0.1)
        if state is not None:
            ages.append(state.robot_age_s)
            stamps.add(state.robot_stamp_s)
    assert len(ages) >= 2 * RATE_HZ
    assert len(stamps) >= 2 * RATE_HZ, "the robot's own states come at 100 Hz"
    assert np.percentile(ages, 95) < 0.015


def test_states_tell_what_the_robot_is(client: Client) -> None:
    state = wait_for(client, lambda _: True)
    assert state.endpoint_frame is EndpointFrame.RIGHT_GRIPPER_TIP
    assert (state.enabled, state.stopped, state.error, state.homed) == (True, False, False, True)
    assert (state.estop_button, state.estop_source) == (0, 0)


def test_the_robots_own_limits_are_set(rehearsal: Rehearsal, client: Client) -> None:
    assert client.state is not None
    status = rehearsal.inject("status")
    assert status["timeout_s"] == 0.2
    assert status["speed_ratio"] == 1.0


def test_commands_move_the_arm(rehearsal: Rehearsal, client: Client) -> None:
    client.claim()
    before = rehearsal.inject("status")
    targets = follow(client, 1.0)
    after = rehearsal.inject("status")
    assert after["joint_positions"] == pytest.approx(targets, abs=LAG_RAD)
    assert after["joint_positions"][0] - before["joint_positions"][0] > 0.2 - LAG_RAD
    assert after["commands"] - before["commands"] >= RATE_HZ
    assert wait_for(client, lambda state: state.last_sequence == 100)


def test_when_commands_stop_the_arm_holds(rehearsal: Rehearsal, client: Client) -> None:
    client.claim()
    follow(client, 0.5, speed_rad_s=0.5)
    assert wait_for_hold(client, HoldReason.STALE) < WATCHDOG_S + SLACK_S
    joints = rest(rehearsal)
    assert_stays(rehearsal, joints)


def test_a_client_that_is_killed_leaves_an_arm_that_holds(
    rehearsal: Rehearsal, client: Client
) -> None:
    with streaming_process(rehearsal) as process:
        wait_for(client, lambda state: state.activity is Activity.FOLLOWING)
        time.sleep(0.3)
        process.kill()
        assert wait_for_hold(client, HoldReason.STALE) < WATCHDOG_S + SLACK_S
    assert_stays(rehearsal, rest(rehearsal))


def test_a_client_that_freezes_and_comes_back_moves_nothing(
    rehearsal: Rehearsal, client: Client
) -> None:
    with streaming_process(rehearsal) as process:
        wait_for(client, lambda state: state.activity is Activity.FOLLOWING)
        process.send_signal(signal.SIGSTOP)
        assert wait_for_hold(client, HoldReason.STALE) < WATCHDOG_S + SLACK_S
        joints = rest(rehearsal)
        process.send_signal(signal.SIGCONT)
        assert_stays(rehearsal, joints)


@contextlib.contextmanager
def streaming_process(rehearsal: Rehearsal) -> Iterator[subprocess.Popen[bytes]]:
    """A process that drives the arm until it is killed."""
    code = f"""
from damsel_intera.transport import Addresses
from tests.intera.doubles import connected, follow
with connected({rehearsal.addresses!r}, "streams") as client:
    client.claim()
    follow(client, 60.0, 0.05)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_server_that_is_killed_leaves_an_arm_that_stops(rehearsal: Rehearsal) -> None:
    kind = robot_kind(rehearsal)
    with connected(rehearsal.addresses) as client:
        client.enable()
        client.claim()
        targets = follow(client, 0.5)
        rehearsal.kill("server")
        # The robot itself ends at the last target, which is one tick away.
        joints = rest(rehearsal)
        assert joints == pytest.approx(targets, abs=0.01)
        rehearsal.start_server(kind)
        for _ in range(30):
            client.receive_state(0.0)
            client.send_targets(targets[:1] + joints[1:])
            time.sleep(0.01)
        assert_stays(rehearsal, joints, 0.1)
        with pytest.raises(RefusedError, match="another start of the server"):
            client.claim()
        client.hello()
        assert client.receive_state(2.0) is not None
        client.claim()
        follow(client, 0.2)


def test_a_server_that_is_ended_in_mid_motion_leaves_an_arm_that_holds(
    rehearsal: Rehearsal,
) -> None:
    kind = robot_kind(rehearsal)
    with connected(rehearsal.addresses) as client:
        client.enable()
        client.claim()
        follow(client, 0.5)
        rehearsal.kill("server", signal.SIGTERM)
        joints = rest(rehearsal)
        assert_stays(rehearsal, joints)
    rehearsal.start_server(kind)


def test_a_second_controller_is_refused_by_name(rehearsal: Rehearsal, client: Client) -> None:
    client.claim()
    follow(client, 0.1)
    with Client(rehearsal.addresses, "second") as second:
        second.hello()
        follow(client, 0.05)
        with pytest.raises(RefusedError, match="'test' has control"):
            second.claim()
    follow(client, 0.1)
    assert wait_for(client, lambda state: state.activity is Activity.FOLLOWING)


def test_the_e_stop_in_mid_motion(rehearsal: Rehearsal, client: Client) -> None:
    client.claim()
    follow(client, 0.3)
    rehearsal.inject("press_estop")
    assert wait_for_hold(client, HoldReason.ESTOP) < WATCHDOG_S + SLACK_S
    joints = rest(rehearsal)
    with pytest.raises(RefusedError, match="the e-stop is pressed; allowed: release it"):
        client.enable()
    rehearsal.inject("release_estop")
    follow(client, 0.3)
    with pytest.raises(RefusedError, match="an operator's enable first"):
        client.claim()
    assert_stays(rehearsal, joints, 0.2)
    client.enable()
    assert_stays(rehearsal, joints, 0.2)
    wait_for(client, lambda state: state.enabled)
    client.claim()
    targets = follow(client, 0.3)
    assert rehearsal.inject("status")["joint_positions"] == pytest.approx(targets, abs=LAG_RAD)


@pytest.mark.parametrize(
    ("fault", "value", "reason"),
    [
        ("collide", 0.2, HoldReason.COLLISION),
        ("stop", None, HoldReason.STOPPED),
        ("fail", None, HoldReason.ROBOT_ERROR),
    ],
)
def test_a_fault_of_the_robot_latches(
    rehearsal: Rehearsal, client: Client, fault: str, value: Any, reason: HoldReason
) -> None:
    client.claim()
    follow(client, 0.3)
    rehearsal.inject(fault, value)
    assert wait_for_hold(client, reason) < WATCHDOG_S + SLACK_S
    joints = rest(rehearsal)
    time.sleep(0.3)
    follow(client, 0.2)
    with pytest.raises(RefusedError, match="an operator's enable first"):
        client.claim()
    assert_stays(rehearsal, joints, 0.1)
    client.enable()
    wait_for(client, lambda state: state.enabled)
    client.claim()
    follow(client, 0.1)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"delay_s": 0.3}, HoldReason.ROBOT_SILENT),
        ({"drop": 1.0}, HoldReason.ROBOT_SILENT),
        ({"invalid": 1}, HoldReason.ROBOT_INVALID),
        ({"clock_s": -3600}, HoldReason.ROBOT_SILENT),
    ],
)
def test_states_that_cannot_be_relied_on_hold(
    rehearsal: Rehearsal, client: Client, fault: dict[str, float], reason: HoldReason
) -> None:
    client.claim()
    follow(client, 0.2)
    rehearsal.inject("state_fault", fault)
    follow(client, 0.25)
    wait_for_hold(client, reason)
    joints = rest(rehearsal)
    rehearsal.inject("clear")
    follow(client, 0.2)
    assert_stays(rehearsal, joints, 0.1)
    with pytest.raises(RefusedError, match="an operator's enable first"):
        client.claim()


def test_a_robot_clock_that_is_set_forward_is_not_felt(
    rehearsal: Rehearsal, client: Client
) -> None:
    client.claim()
    follow(client, 0.1)
    rehearsal.inject("state_fault", {"clock_s": 3600})
    follow(client, 0.3)
    assert wait_for(client, lambda state: state.activity is Activity.FOLLOWING)


def test_a_few_states_lost_doubled_and_disordered_are_not_felt(
    rehearsal: Rehearsal, client: Client
) -> None:
    client.claim()
    rehearsal.inject("state_fault", {"drop": 0.2, "duplicate": 0.3, "reorder": 0.3})
    targets = follow(client, 1.0)
    assert wait_for(client, lambda state: state.activity is Activity.FOLLOWING)
    assert rehearsal.inject("status")["joint_positions"] == pytest.approx(targets, abs=LAG_RAD)


def test_a_robot_that_falls_silent_altogether(rehearsal: Rehearsal, client: Client) -> None:
    client.claim()
    follow(client, 0.2)
    rehearsal.inject("silence", True)
    assert wait_for_hold(client, HoldReason.ROBOT_SILENT) < WATCHDOG_S + SLACK_S
    rehearsal.inject("silence", False)


def test_a_robot_that_no_longer_tells_of_collisions_holds(
    rehearsal: Rehearsal, client: Client
) -> None:
    assert wait_for(client, lambda state: state.collision_told)
    client.claim()
    follow(client, 0.2)
    rehearsal.inject("numb")
    follow(client, 1.2)
    wait_for_hold(client, HoldReason.COLLISION_SILENT)
    with pytest.raises(RefusedError, match="no longer says whether it feels a collision"):
        client.enable()
    rehearsal.inject("clear")
    time.sleep(0.2)
    client.enable()
    client.claim()
    follow(client, 0.1)


@pytest.mark.parametrize("overheard", [False, True], ids=["alone", "somebody else listens"])
def test_a_robot_that_does_not_listen_is_noticed(
    rehearsal: Rehearsal, client: Client, overheard: bool
) -> None:
    with listening_in(rehearsal) if overheard else contextlib.nullcontext():
        client.claim()
        follow(client, 0.2)
        rehearsal.inject("deafen")
        assert wait_for_hold(client, HoldReason.SEND_FAILED) < WATCHDOG_S + SLACK_S
        with pytest.raises(RefusedError, match="did not listen to /robot/limb/right/joint_command"):
            client.enable()
    rehearsal.inject("clear")
    client.enable()
    client.claim()
    targets = follow(client, 0.5)
    assert rehearsal.inject("status")["joint_positions"] == pytest.approx(targets, abs=LAG_RAD)


def test_a_network_that_is_gone_for_good(rehearsal: Rehearsal, client: Client) -> None:
    with Network(rehearsal.addresses) as network, connected(network.addresses, "far") as far:
        far.claim()
        follow(far, 0.2)
        network.cut()
        assert wait_for_hold(client, HoldReason.STALE) < WATCHDOG_S + SLACK_S
        assert_stays(rehearsal, rest(rehearsal))
        assert far.receive_state(0.05) is None or far.receive_state(0.05) is None
        with pytest.raises(NoAnswerError):
            far.hello(timeout_s=0.2)


def test_objects_are_told_25_times_a_second_or_more(rehearsal: Rehearsal) -> None:
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.linger = 0
        socket.subscribe(b"")
        socket.connect(rehearsal.objects_address)
        assert socket.poll(2000)
        count, end_s = 0, time.monotonic() + 1.0
        while time.monotonic() < end_s:
            if socket.poll(100):
                _, message = decode(socket.recv())
                count += 1
    assert count >= 25
    assert isinstance(message, ObjectPoses)
    assert [pose.name for pose in message.poses] == ["block", "door_handle", "drawer_handle"]


@pytest.mark.parametrize("noise", [b"", b"\0", b"[]", b"{}", b'{"do": 1}', b"{" * 1000])
def test_garbage_on_the_virtual_robots_control_port(rehearsal: Rehearsal, noise: bytes) -> None:
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(rehearsal.control_address)
        socket.send(noise)
        assert socket.poll(2000)
        assert b'"ok": false' in socket.recv()
    assert control(rehearsal.control_address, "status")


def test_a_robot_of_another_version_is_refused(rehearsal: Rehearsal) -> None:
    kind = robot_kind(rehearsal)
    rehearsal.inject("version", "5.1.0")
    try:
        rehearsal.kill("server", signal.SIGTERM)
        with pytest.raises(InteraError, match=r"server ended with 2: .*software is 5\.1\.0"):
            rehearsal.start_server(kind)
    finally:
        rehearsal.inject("version", "5.3.0")
        rehearsal.processes.pop("server", None)
        rehearsal.start_server(kind)


def test_without_the_key_nobody_gets_in(rehearsal: Rehearsal, tmp_path: Path) -> None:
    kind = robot_kind(rehearsal)
    write_keys(tmp_path)
    rehearsal.kill("server", signal.SIGTERM)
    rehearsal.start_server(kind, "--key", str(tmp_path / SERVER_KEY))
    try:
        with (
            Client(rehearsal.addresses, "stranger") as stranger,
            pytest.raises(NoAnswerError, match=r"it wants a key|not the pair of ours"),
        ):
            stranger.hello(timeout_s=0.5)
        key = load_key(tmp_path / CLIENT_KEY, "client")
        with connected(rehearsal.addresses, key=key) as client:
            client.enable()
            client.claim()
            follow(client, 0.2)
    finally:
        rehearsal.kill("server", signal.SIGTERM)
        rehearsal.start_server(kind)


def test_the_first_stop_needs_no_master(rehearsal: Rehearsal) -> None:
    kind = robot_kind(rehearsal)
    # A server that has never stopped the robot before.
    rehearsal.kill("server")
    rehearsal.start_server(kind)
    with connected(rehearsal.addresses) as client:
        client.enable()
        client.claim()
        follow(client, 0.2)
        rehearsal.kill("master")
        assert not rehearsal.master_listens()
        assert client.stop(timeout_s=3.0).text == "stopped"
        assert wait_for(client, lambda state: state.stopped)
        assert client.enable().text == "enabled"
    for name in ("robot", "server"):
        rehearsal.kill(name)
    rehearsal.start(kind)


def test_a_robot_that_is_killed_and_a_master_that_is_gone(rehearsal: Rehearsal) -> None:
    kind = robot_kind(rehearsal)
    with connected(rehearsal.addresses) as client:
        client.enable()
        client.claim()
        follow(client, 0.2)
        rehearsal.kill("robot")
        noticed = (HoldReason.SEND_FAILED, HoldReason.ROBOT_SILENT)
        assert wait_for_hold(client, *noticed) < WATCHDOG_S + SLACK_S
        rehearsal.kill("server", signal.SIGTERM)
        rehearsal.kill("master", signal.SIGTERM)
    with pytest.raises(InteraError, match="no ROS master at 'http://"):
        rehearsal.start_server(kind)
    rehearsal.processes.pop("server", None)
    rehearsal.start(kind)
    with connected(rehearsal.addresses) as client:
        client.enable()
        client.claim()
        follow(client, 0.2)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_one_command_starts_and_ends_it_all(tmp_path: Path, end: signal.Signals) -> None:
    command = [sys.executable, "-m", "damsel_intera.virtual.rehearse", "--free-ports"]
    process = subprocess.Popen(
        [*command, "--logs", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        up = process.stdout.readline().decode()
        assert "the rehearsal is up" in up
        process.send_signal(end)
        process.wait(20.0)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == (0 if end is signal.SIGINT else -end)
    deadline = time.monotonic() + 5.0
    while b"ends; the arm holds" not in (tmp_path / "server.log").read_bytes():
        assert time.monotonic() < deadline, "the server has stayed behind"
        time.sleep(0.05)
    master = re.search(r"ROS_MASTER_URI=http://127\.0\.0\.1:(\d+)", up)
    assert master
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(master[1]))) != 0, "the master has stayed behind"
