"""The server on real sockets, with a stand-in for the robot: who gets through, and how soon.

Times on a busy machine are longer than the watchdog's own; `SLACK_S` is what we allow for that.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import zmq

from damsel_intera.client import Client
from damsel_intera.errors import (
    InteraError,
    NoAnswerError,
    RefusedError,
    RobotPortError,
    SettingError,
)
from damsel_intera.keys import CLIENT_KEY, SERVER_KEY, load_key, write_keys
from damsel_intera.reasons import Activity, HoldReason, Refusal
from damsel_intera.robot import RobotState
from damsel_intera.server import Server
from damsel_intera.settings import ServerCfg
from damsel_intera.transport import Addresses, ServerSockets
from damsel_intera.wire import Command, Header, encode
from tests.intera.doubles import (
    HOME,
    FakeRobot,
    Network,
    connected,
    follow,
    local_addresses,
    served,
    wait_for,
    wait_for_hold,
)

SLACK_S = 0.05
RATE_HZ = 90  # of 100, for the same reason
NOISE = (b"", b"\0", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 15, b"DMSL" + bytes(60))


def test_it_tells_what_it_serves() -> None:
    robot = FakeRobot("5.3.1.99")
    with served(robot) as addresses, Client(addresses, "test") as client:
        reply = client.hello()
        assert (reply.sdk_version, reply.robot) == ("5.3.1.99", "topics")
        assert (reply.watchdog_s, reply.command_timeout_s) == (0.1, 0.2)
        assert robot.timeout_s == 0.2


def test_states_come_at_100_hz_or_more() -> None:
    with served(FakeRobot()) as addresses, connected(addresses) as client:
        end_s = time.monotonic() + 1.0
        count = 0
        while time.monotonic() < end_s:
            count += client.receive_state(0.1) is not None
    assert count >= RATE_HZ


def test_commands_move_the_arm() -> None:
    robot = FakeRobot()
    with served(robot) as addresses, connected(addresses) as client:
        client.claim()
        targets = follow(client, 0.3)
        assert robot.now.joint_positions == pytest.approx(targets)
        assert wait_for(client, lambda state: state.last_sequence == 30)


def test_when_commands_stop_it_holds_within_the_watchdogs_time() -> None:
    robot = FakeRobot()
    with served(robot) as addresses, connected(addresses) as client:
        client.claim()
        follow(client, 0.3)
        took_s = wait_for_hold(client, HoldReason.STALE)
    assert took_s < 0.1 + SLACK_S


def test_the_watchdogs_time_can_be_set() -> None:
    cfg = ServerCfg(watchdog_s=0.3)
    with served(FakeRobot(), cfg) as addresses, connected(addresses) as client:
        client.claim()
        follow(client, 0.1)
        assert 0.25 < wait_for_hold(client, HoldReason.STALE) < 0.3 + SLACK_S


def test_a_second_controller_is_refused_by_name() -> None:
    with served(FakeRobot()) as addresses, connected(addresses, "first") as first:
        first.claim()
        follow(first, 0.05)
        with Client(addresses, "second") as second:
            second.hello()
            follow(first, 0.05)
            with pytest.raises(RefusedError, match="'first' has control; allowed: one controller"):
                second.claim()
        follow(first, 0.05)
        assert wait_for(first, lambda state: state.activity is Activity.FOLLOWING)


def push(addresses: Addresses, *frames: bytes) -> None:
    """Throw bytes at the command port from a connection of our own."""
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket_:
        socket_.linger = 1000
        socket_.connect(addresses.command)
        for frame in frames:
            socket_.send(frame)
        time.sleep(0.1)


def test_commands_of_an_old_session_are_refused() -> None:
    robot = FakeRobot()
    with served(robot) as addresses, connected(addresses) as client:
        client.claim()
        old = encode(
            Header.now(session=client.session, lease=client.lease, sequence=10**6),
            Command((0.01, *HOME[1:]), time.monotonic() + 1.0),
        )
    with served(robot) as addresses, connected(addresses) as client:
        client.claim()
        before = len(robot.sent)
        push(addresses, old)
        state = wait_for(client, lambda state: state.refused_count > 0)
        assert state.last_refusal is Refusal.OLD_SESSION
        assert [targets for _, targets in robot.sent[before:] if targets[0] == 0.01] == []


def test_a_recording_of_this_session_is_refused() -> None:
    robot = FakeRobot()
    with served(robot) as addresses, connected(addresses) as client:
        client.claim()
        recorded = encode(
            Header.now(session=client.session, lease=client.lease, sequence=1),
            Command((0.01, *HOME[1:]), time.monotonic()),
        )
        follow(client, 0.05)
        push(addresses, recorded)
        wait_for(client, lambda state: state.refused_count > 0)
        client.claim()
        push(addresses, recorded)
        state = wait_for(client, lambda state: state.refused_count > 1)
        assert state.last_refusal is Refusal.OTHER_LEASE


def test_after_a_restart_of_the_server_nothing_goes_on() -> None:
    robot = FakeRobot()
    addresses = local_addresses()
    with Client(addresses, "test") as client:
        with ServerSockets(addresses) as sockets:
            serve_for_a_while(Server(robot, sockets, ServerCfg()), client)
        client.receive_state(0.1)  # what was still under way
        before = len(robot.sent)
        with ServerSockets(addresses) as sockets:
            server = Server(robot, sockets, ServerCfg())
            thread = threading.Thread(target=server.run, daemon=True)
            thread.start()
            for _ in range(50):
                client.send_targets(HOME)
                time.sleep(0.01)
            assert client.receive_state(0.2) is None, "states of a server that was not greeted"
            assert len(robot.sent) == before
            with pytest.raises(RefusedError, match="another start of the server; allowed: greet"):
                client.claim()
            client.hello()
            assert client.receive_state(1.0) is not None
            client.claim()
            follow(client, 0.05)
            assert len(robot.sent) > before
            server.stop()
            thread.join(5.0)


def serve_for_a_while(server: Server, client: Client) -> None:
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    client.hello()
    assert client.receive_state(2.0) is not None
    client.claim()
    follow(client, 0.05)
    server.stop()
    thread.join(5.0)


def test_garbage_on_every_port_is_survived() -> None:
    robot = FakeRobot()
    with served(robot) as addresses, connected(addresses) as client:
        client.claim()
        follow(client, 0.05)
        before = len(robot.sent)
        for port in (addresses.state_port, addresses.command_port, addresses.operator_port):
            for noise in NOISE:
                with socket.create_connection(("127.0.0.1", port)) as raw:
                    raw.sendall(noise)
        follow(client, 0.1)
        push(addresses, *NOISE)
        for noise in NOISE:
            assert ask_raw(addresses, noise), "garbage gets a refusal for an answer"
        client.hello()
        client.receive_state(1.0)
        client.claim()
        targets = follow(client, 0.1)
        assert robot.now.joint_positions == pytest.approx(targets)
        assert len(robot.sent) > before
        state = wait_for(client, lambda state: state.refused_count >= len(NOISE))
        assert state.last_refusal is Refusal.GARBAGE


def ask_raw(addresses: Addresses, data: bytes) -> bytes:
    with zmq.Context() as context, context.socket(zmq.REQ) as socket_:
        socket_.linger = 0
        socket_.connect(addresses.operator)
        socket_.send(data)
        assert socket_.poll(2000)
        return bytes(socket_.recv())


def test_an_oversize_message_costs_its_sender_the_connection_only() -> None:
    with served(FakeRobot()) as addresses, connected(addresses) as client:
        client.claim()
        push(addresses, bytes(10**6))
        follow(client, 0.1)
        assert wait_for(client, lambda state: state.activity is Activity.FOLLOWING)


def test_a_flood_of_garbage_does_not_starve_the_controller() -> None:
    with served(FakeRobot()) as addresses, connected(addresses) as client:
        client.claim()
        follow(client, 0.05)
        with zmq.Context() as context, context.socket(zmq.PUSH) as flood:
            flood.linger = 0
            flood.connect(addresses.command)
            begin_s = time.monotonic()
            while time.monotonic() < begin_s + 0.5:
                for _ in range(50):
                    flood.send(b"x" * 100)
                follow(client, 0.01)
            assert wait_for(client, lambda state: state.activity is Activity.FOLLOWING)


def test_a_client_survives_a_garbling_server() -> None:
    addresses = local_addresses()
    with zmq.Context() as context, context.socket(zmq.PUB) as fake:
        fake.linger = 0
        fake.bind(addresses.state)
        with Client(addresses, "test") as client:
            deadline = time.monotonic() + 3.0
            while client.garbage_count < 3 and time.monotonic() < deadline:
                for noise in NOISE:
                    fake.send(noise)
                assert client.receive_state(0.02) is None
            assert client.garbage_count >= 3


def test_a_robot_that_falls_silent_holds() -> None:
    robot = FakeRobot()
    with served(robot) as addresses, connected(addresses) as client:
        client.claim()
        follow(client, 0.05)
        robot.silent_since_s = time.monotonic()
        begin_s = time.monotonic()
        state = wait_for(client, lambda state: state.hold_reason is HoldReason.ROBOT_SILENT)
        assert time.monotonic() - begin_s < 0.1 + SLACK_S
        assert state.robot_age_s >= 0.1


def test_states_that_are_not_finite_hold_and_are_not_passed_on() -> None:
    robot = FakeRobot()
    with served(robot) as addresses, connected(addresses) as client:
        client.claim()
        follow(client, 0.05)
        robot.moves = False
        robot.now = replace(robot.now, joint_positions=(float("nan"),) * 7)
        wait_for_hold(client, HoldReason.ROBOT_INVALID)
        state = wait_for(client, lambda state: state.hold_reason is HoldReason.ROBOT_INVALID)
        assert all(value == value for value in state.joint_positions)
        sent = [targets for _, targets in robot.sent[-5:]]
        assert all(value == value for targets in sent for value in targets)


def test_without_the_key_nobody_gets_in(tmp_path: Path) -> None:
    write_keys(tmp_path / "ours")
    write_keys(tmp_path / "theirs")
    server_key = load_key(tmp_path / "ours" / SERVER_KEY, "server")
    client_key = load_key(tmp_path / "ours" / CLIENT_KEY, "client")
    stranger = load_key(tmp_path / "theirs" / CLIENT_KEY, "client")
    # Who knows the server's public key but not a client's secret is a stranger, too.
    spy = replace(stranger, other=client_key.other)
    with served(FakeRobot(), key=server_key) as addresses:
        for key in (None, stranger, spy):
            with Client(addresses, "stranger", key) as client:
                with pytest.raises(NoAnswerError, match=r"it wants a key|not the pair of ours"):
                    client.hello(timeout_s=0.5)
                assert client.receive_state(0.2) is None
                assert not client.send_targets(HOME)
        with connected(addresses, key=client_key) as client:
            client.claim()
            follow(client, 0.1)
            state = wait_for(client, lambda state: state.activity is Activity.FOLLOWING)
            assert state.refused_count == 0


def test_a_network_that_is_gone_for_50_ms_is_not_felt() -> None:
    with (
        served(FakeRobot()) as server,
        Network(server) as network,
        connected(network.addresses) as client,
    ):
        client.claim()
        follow(client, 0.1)
        network.cut()
        follow(client, 0.05)
        network.mend()
        follow(client, 0.1)
        assert wait_for(client, lambda state: state.activity is Activity.FOLLOWING)


def test_a_network_that_is_gone_for_500_ms_holds_and_late_commands_move_nothing() -> None:
    robot = FakeRobot()
    with (
        served(robot) as server,
        Network(server) as network,
        connected(network.addresses) as client,
        connected(server, "watcher") as watcher,
    ):
        client.claim()
        follow(client, 0.1)
        network.cut()
        assert wait_for_hold(watcher, HoldReason.STALE) < 0.1 + SLACK_S
        held = robot.now.joint_positions
        follow(client, 0.4)
        network.mend()
        follow(client, 0.1)
        state = wait_for(client, lambda state: state.refused_count > 0)
        assert state.hold_reason is HoldReason.STALE
        assert robot.now.joint_positions == held
        client.claim()
        follow(client, 0.1)


class StandingStill(FakeRobot):
    """Has the server stand still in the middle of a pass, when it asks for the robot's state.

    What it then gets is of after that, or of before.
    """

    def __init__(self, before: bool) -> None:
        super().__init__()
        self.for_s = 0.0
        self.before = before

    def state(self) -> RobotState:
        for_s, self.for_s = self.for_s, 0.0
        old = super().state()
        time.sleep(for_s)
        return old if self.before else super().state()


@pytest.mark.parametrize(
    ("before", "reason"), [(False, HoldReason.STALE), (True, HoldReason.ROBOT_SILENT)]
)
@pytest.mark.parametrize("attempt", range(3))
def test_commands_that_waited_for_a_server_that_stood_still_move_nothing(
    before: bool, reason: HoldReason, attempt: int
) -> None:
    robot = StandingStill(before)
    with served(robot) as addresses, connected(addresses) as client:
        client.claim()
        follow(client, 0.1)
        robot.for_s = 0.5
        time.sleep(0.03 + 0.002 * attempt)
        sent, held = len(robot.sent), robot.now.joint_positions
        follow(client, 0.3)
        time.sleep(0.2)
        wait_for(client, lambda state: state.hold_reason is reason)
        assert {targets for _, targets in robot.sent[sent:]} <= {held}


def test_commands_are_not_kept_for_a_server_that_is_not_there() -> None:
    with Client(local_addresses(), "test") as client:
        assert not client.send_targets(HOME)
        with pytest.raises(NoAnswerError, match="no answer from tcp://"):
            client.hello(timeout_s=0.1)


def test_a_robot_of_another_version_is_not_served() -> None:
    with ServerSockets(local_addresses()) as sockets, pytest.raises(RobotPortError) as refused:
        Server(FakeRobot("5.1.0"), sockets, ServerCfg())
    assert str(refused.value) == "the robot's software is 5.1.0; allowed: 5.3.0, 5.3.1, 5.3.2"


def test_a_port_that_is_taken_is_one_line() -> None:
    addresses = local_addresses()
    with ServerSockets(addresses), pytest.raises(SettingError, match="allowed: free ports"):
        ServerSockets(addresses)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--watchdog", "0"], "watchdog_s is 0.0; allowed: above 0, at most 1.0"),
        (["--command-timeout", "2"], "command_timeout_s is 2.0; allowed: above 0, at most 1.0"),
        (["--state-port", "0"], "port 0; allowed: 1 to 65535"),
        (["--state-port", "47102"], "allowed: three different ones"),
        (["--host", ""], "host ''; allowed: a name or an address"),
        (["--key", "nowhere/server.key"], "cannot read the key nowhere/server.key"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(arguments: list[str], says: str) -> None:
    command = [sys.executable, "-m", "damsel_intera.server", "--robot", "topics", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("damsel_intera.server: error: ")
    assert says in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_every_error_is_of_one_family() -> None:
    assert issubclass(NoAnswerError, InteraError)
    assert str(InteraError("two\nlines")) == "two lines"


def test_a_server_that_answers_nonsense_is_a_refusal_in_one_line() -> None:
    addresses = local_addresses()
    with zmq.Context() as context, context.socket(zmq.REP) as fake:
        fake.linger = 0
        fake.bind(addresses.operator)
        answers = [b"", b"nonsense", encode(Header.now(), Command(HOME))]

        def answer() -> None:
            for data in answers:
                fake.recv()
                fake.send(data)

        thread = threading.Thread(target=answer)
        thread.start()
        with Client(addresses, "test") as client:
            for _ in answers:
                with pytest.raises(RefusedError, match="the server's answer is") as refused:
                    client.hello()
                assert "\n" not in str(refused.value)
        thread.join(5.0)
