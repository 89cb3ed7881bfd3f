"""The `sawyer` backend against a double of the Intera server: what moves the arm, what holds it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from damsel.calibration import OBJECT_NAMES, Calibration
from damsel.control import joint_positions_for
from damsel.errors import InvalidConfigError, PerceptionError, RobotError
from damsel.kinematics import end_effector_position
from damsel.perception import rest_positions
from damsel.rigid import RigidTransform
from damsel.scene import HOME_JOINT_POSITIONS
from damsel_intera.keys import CLIENT_KEY, SERVER_KEY, load_key, write_keys
from damsel_intera.wire import Activity, HoldReason, Operation
from damsel_ros.backends.sawyer import SawyerBackend
from damsel_ros.backends.sawyer_cfg import SawyerCfg, sawyer_cfg_of
from damsel_ros.backends.sawyer_parameters import SAWYER_PARAMETERS
from damsel_ros.share import config_file
from tests.ros.intera_double import WATCHDOG_S, InteraDouble, free_addresses
from tests.support.fault_table import FaultRow, FaultTable

Array = NDArray[np.float64]

FORWARD = np.array([0.005, 0.0, 0.005])
NEARBY = joint_positions_for(np.array([[0.47, 0.02, 0.06]]))[0]


@pytest.fixture
def server() -> Iterator[InteraDouble]:
    with InteraDouble(free_addresses(), NEARBY) as server:
        yield server


@pytest.fixture
def robot(server: InteraDouble) -> Iterator[SawyerBackend]:
    robot = SawyerBackend(
        SawyerCfg(addresses=server.addresses, confirm_timeout_s=2.0), Calibration()
    )
    robot.connect()
    yield robot
    robot.close()


def see(robot: SawyerBackend, positions: Array | None = None, age_s: float = 0.0) -> None:
    """Show the robot all objects, through a camera whose clock is two days ahead of ours."""
    positions = rest_positions() if positions is None else positions
    for name, position in zip(OBJECT_NAMES, positions.reshape(3, 3), strict=True):
        marker = RigidTransform(np.eye(3), position)
        robot.see_object(name, "base", marker, time.monotonic() + 172_800.0 - age_s)


def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen"
        time.sleep(0.01)


def reset(robot: SawyerBackend, timeout_s: float = 20.0) -> None:
    """Go through a whole reset, with an obliging person."""
    robot.reset()
    deadline_s = time.monotonic() + timeout_s
    while robot.pending_reset():
        assert time.monotonic() < deadline_s, robot.pending_reset()
        if robot.prompt:
            see(robot)
            robot.confirm_reset()
        time.sleep(0.02)
    see(robot)


def step_for(
    robot: SawyerBackend,
    displacement: Array,
    duration_s: float,
    *,
    period_s: float = 0.05,
    look: Callable[[SawyerBackend], None] = see,
) -> None:
    """Move as the robot node does: step, wait, look, observe."""
    end_s = time.monotonic() + duration_s
    while time.monotonic() < end_s:
        robot.step(displacement)
        time.sleep(period_s)
        look(robot)
        robot.observe()


def test_a_reset_leads_to_the_start_and_steps_move_the_arm(
    robot: SawyerBackend, server: InteraDouble
) -> None:
    reset(robot)
    np.testing.assert_allclose(server.joints, HOME_JOINT_POSITIONS, atol=0.01)
    observed = robot.observe()
    np.testing.assert_allclose(observed[3:], rest_positions())
    before = end_effector_position(server.joints[None])[0]
    np.testing.assert_allclose(observed[:3], before, atol=1e-3)
    for _ in range(10):
        applied = robot.step(FORWARD)
        np.testing.assert_allclose(applied.displacement_base, FORWARD, atol=1e-9)
        time.sleep(0.05)
        see(robot)
        robot.observe()
    moved = end_effector_position(server.joints[None])[0] - before
    np.testing.assert_allclose(moved, 10 * FORWARD, atol=0.004)


def test_no_two_targets_differ_by_more_than_the_joints_can_move(
    robot: SawyerBackend, server: InteraDouble
) -> None:
    reset(robot)
    for _ in range(8):
        robot.step(np.array([0.01, 0.01, 0.01]))
        time.sleep(0.05)
        see(robot)
    robot.hold()
    until(lambda: robot.diagnostics()["motion"] == "idle")
    targets = np.stack([target for _, target in server.targets])
    # Within the joints' own limits, per tick of 10 ms; a lost tick may double it.
    assert np.abs(np.diff(targets, axis=0)).max() < 2 * 0.01 * 4.6


def test_a_hold_brakes_gives_control_back_and_nothing_moves_afterwards(
    robot: SawyerBackend, server: InteraDouble
) -> None:
    reset(robot)
    robot.step(FORWARD)
    time.sleep(0.03)
    robot.hold()
    until(lambda: server.state.hold_reason is HoldReason.RELEASED, 1.0)
    assert server.travel_rad(0.3) == 0.0
    with pytest.raises(RobotError, match="the arm is idle; allowed: a step after a reset"):
        robot.step(FORWARD)


FAULTS: dict[str, tuple[Callable[[InteraDouble], None], str]] = {
    "emergency stop": (
        lambda server: server.hold(HoldReason.ESTOP, estop_button=1, stopped=True, enabled=False),
        "the emergency stop is pressed",
    ),
    "collision": (
        lambda server: server.hold(HoldReason.COLLISION, collision=True),
        "the robot felt a collision",
    ),
    "robot error": (
        lambda server: server.hold(HoldReason.ROBOT_ERROR, error=True),
        "the robot reports an error",
    ),
    "disabled": (
        lambda server: server.hold(HoldReason.DISABLED, enabled=False),
        "the robot is not enabled",
    ),
    "server refused a jump": (
        lambda server: server.hold(HoldReason.JUMP),
        "holds the arm: a target jumped by more than the joints can move",
    ),
    "server hears no commands": (
        lambda server: setattr(server, "deaf", True),
        "holds the arm: no fresh command within the watchdog's time",
    ),
    "another controller": (
        lambda server: server.change(lease_number=9),
        "another controller has taken control",
    ),
    "states stop": (
        lambda server: setattr(server, "mangle", lambda _: []),
        r"state of the arm is 0\.\d+ s old \(allowed: 0.1 s\): no state has come from the Intera",
    ),
    "states are not valid": (
        lambda server: setattr(server, "mangle", lambda data: [b"x" * len(data)]),
        r"state of the arm is 0\.\d+ s old .*: \d+ messages were not valid",
    ),
    "robot publishes no joint states": (
        lambda server: server.change(robot_age_s=0.25),
        r"state of the arm is 0\.\d+ s old .*: the robot publishes no joint states",
    ),
    "server started anew": (
        lambda server: setattr(server, "session", server.session + 1),
        r"state of the arm is 0\.\d+ s old .*: the Intera server was started anew",
    ),
    "server clock jumps ahead": (
        lambda server: setattr(server, "clock_offset_s", 5.0),
        r"the server's clock jumped: 5\.\d+ s by its states in 0\.\d+ s",
    ),
    "server clock jumps back": (
        lambda server: setattr(server, "clock_offset_s", -5.0),
        r"the server's clock jumped: -\d\.\d+ s by its states",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_holds_the_arm_names_its_cause_and_does_not_go_away_by_itself(
    robot: SawyerBackend, server: InteraDouble, name: str, fault_table: FaultTable
) -> None:
    strike, says = FAULTS[name]
    reset(robot)
    until(lambda: server.state.activity is Activity.FOLLOWING)
    struck_s = time.monotonic()
    strike(server)
    lift = np.array([0.01, 0.0, 0.002])
    with pytest.raises(RobotError, match=says) as error:
        step_for(robot, lift, 3.0, period_s=0.02)
    noticed_s = time.monotonic()
    assert noticed_s - struck_s < 0.1 + WATCHDOG_S + 0.15
    robot.hold()
    # It lets go of the arm: no target comes any more, whatever is asked for.
    time.sleep(0.05)
    count = len(server.targets)
    with pytest.raises(RobotError, match=says):
        robot.step(lift)
    with pytest.raises(RobotError, match=re.compile(f"{says}.*; make it safe, then start again")):
        robot.reset()
    time.sleep(0.2)
    assert len(server.targets) == count
    fault_table.add(
        FaultRow(
            fault=name,
            path="double",
            arm="gets no more targets, until it is enabled anew",
            within_ms=1000 * (noticed_s - struck_s),
            message=str(error.value),
            run="ends",
        )
    )


def enable(robot: SawyerBackend) -> None:
    robot.enable()
    deadline_s = time.monotonic() + 5.0
    while robot.pending_enable():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_after_a_fault_only_enabling_makes_the_arm_move_again(
    robot: SawyerBackend, server: InteraDouble
) -> None:
    reset(robot)
    server.hold(HoldReason.ESTOP, estop_button=1, stopped=True, enabled=False)
    until(lambda: bool(robot.fault))
    with pytest.raises(RobotError, match="emergency stop is pressed; allowed: enable after"):
        enable(robot)
    server.change(estop_button=3)
    with pytest.raises(RobotError, match="make it safe, then start again, or call service"):
        robot.reset()
    count = len(server.targets)
    enable(robot)
    time.sleep(0.2)
    # Enabling alone moves nothing.
    assert len(server.targets) == count
    assert robot.fault == ""
    reset(robot)
    robot.observe()


def test_an_enable_that_is_interrupted_is_not_said_to_have_worked(
    robot: SawyerBackend, server: InteraDouble
) -> None:
    asked = threading.Event()

    def take_your_time(operation: Operation) -> None:
        if operation is Operation.ENABLE:
            asked.set()
            time.sleep(0.3)

    server.on_request = take_your_time
    robot.enable()
    assert asked.wait(2.0)
    robot.hold()
    assert robot.pending_enable() == "the robot is being enabled"
    with pytest.raises(RobotError, match="interrupted; allowed: enable again"):
        until(lambda: not robot.pending_enable())
    server.on_request = lambda _: None
    enable(robot)


def test_the_way_back_ends_when_whoever_could_stop_it_hangs(
    robot: SawyerBackend, server: InteraDouble
) -> None:
    away = HOME_JOINT_POSITIONS + np.array([0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    server.change(joint_positions=tuple(away.tolist()))
    robot.beat()
    robot.reset()

    def on_the_way() -> bool:
        robot.beat()
        robot.pending_reset()
        return len(server.targets) > 20

    until(on_the_way)
    time.sleep(1.5)  # no beat
    count = len(server.targets)
    time.sleep(0.2)
    assert len(server.targets) == count
    with pytest.raises(RobotError, match="the robot node stood still for"):
        robot.pending_reset()


def test_a_server_that_was_started_anew_is_greeted_when_the_arm_is_enabled(
    robot: SawyerBackend, server: InteraDouble
) -> None:
    server.session += 1
    until(lambda: "old" in robot.fault)
    enable(robot)
    assert robot.fault == ""
    reset(robot)


@pytest.mark.parametrize("how", ["duplicated", "reordered", "a gap of 50 ms"])
def test_what_the_network_may_do_to_states_does_not_stop_the_arm(
    robot: SawyerBackend, server: InteraDouble, how: str
) -> None:
    kept: list[bytes] = []

    def reorder(data: bytes) -> list[bytes]:
        kept.append(data)
        return [kept.pop(), kept.pop()] if len(kept) == 2 else []

    reset(robot)
    if how == "duplicated":
        server.mangle = lambda data: [data, data, data]
    elif how == "reordered":
        server.mangle = reorder
    step_for(robot, FORWARD, 0.2)
    if how == "a gap of 50 ms":
        server.mangle = lambda _: []
        step_for(robot, FORWARD, 0.04)
        server.mangle = lambda data: [data]
    step_for(robot, FORWARD, 0.3)


def test_states_that_are_late_without_a_gap_are_noticed(
    robot: SawyerBackend, server: InteraDouble
) -> None:
    reset(robot)
    queue: list[bytes] = []

    def delay(data: bytes) -> list[bytes]:
        queue.append(data)
        return [queue.pop(0)] if len(queue) > 15 else [queue[0]]

    server.mangle = delay
    with pytest.raises(RobotError, match=r"is 0\.1\d s old|is 0\.2\d s old"):
        step_for(robot, FORWARD, 1.0)


# The person


def test_objects_that_are_not_back_are_named(robot: SawyerBackend, server: InteraDouble) -> None:
    with pytest.raises(RobotError, match="nothing is to be confirmed now"):
        robot.confirm_reset()
    robot.reset()
    until(lambda: bool(robot.pending_reset() and robot.prompt), 20.0)
    # While hands are in the workspace nobody has control.
    until(lambda: server.state.hold_reason is HoldReason.RELEASED)
    with pytest.raises(RobotError, match="no pose of the block has come yet"):
        robot.confirm_reset()
    away = rest_positions()
    away[1] += 0.1
    see(robot, away)
    with pytest.raises(RobotError, match=r"the block is 0.100 m from its start .*0.005 m"):
        robot.confirm_reset()
    time.sleep(0.01)
    see(robot)
    robot.confirm_reset()
    until(lambda: robot.pending_reset() == "")
    assert Operation.CLAIM in server.operations


def test_a_person_who_never_confirms_ends_the_reset(robot: SawyerBackend) -> None:
    robot.reset()
    with pytest.raises(RobotError, match="nobody confirmed within 2 s"):
        until(lambda: robot.pending_reset() == "", 20.0)
    with pytest.raises(RobotError, match="the reset was interrupted"):
        robot.pending_reset()


def test_a_hold_interrupts_the_way_back(robot: SawyerBackend, server: InteraDouble) -> None:
    robot.reset()
    until(lambda: "returns" in robot.pending_reset() and len(server.targets) > 20)
    robot.hold()
    until(lambda: robot.diagnostics()["motion"] == "idle")
    assert server.travel_rad(0.2) == 0.0
    with pytest.raises(RobotError, match="the reset was interrupted"):
        robot.pending_reset()


# The objects


@pytest.mark.parametrize(
    ("lose", "says"),
    [
        (lambda robot: None, "no pose of the block for"),
        (lambda robot: see(robot, age_s=0.5), "poses of the block come 0.50 s late"),
        (lambda robot: see(robot, age_s=3600.0), "or the clock that stamps them was set back"),
        (lambda robot: see(robot, rest_positions() + 0.2), "the pose of the block jumped"),
        (lambda robot: see(robot, np.full(9, np.nan)), "a pose of the block is not finite"),
    ],
    ids=["missing", "late", "camera clock set back", "jumping", "not finite"],
)
def test_lost_objects_are_named_and_are_no_fault_of_the_arm(
    robot: SawyerBackend, lose: Callable[[SawyerBackend], None], says: str
) -> None:
    reset(robot)
    robot.observe()
    with pytest.raises(PerceptionError, match=says):
        step_for(robot, FORWARD, 0.6, look=lose)
    assert robot.fault == ""
    robot.hold()
    reset(robot)
    robot.observe()


def test_a_pose_in_an_unknown_frame_is_told_in_diagnostics(robot: SawyerBackend) -> None:
    robot.see_object("block", "side", RigidTransform.identity(), 1.0)
    assert "is in frame 'side'" in robot.diagnostics()["objects"]


def test_a_camera_clock_that_is_set_forward_is_not_felt(robot: SawyerBackend) -> None:
    reset(robot)
    step_for(robot, FORWARD, 0.3, look=lambda robot: see(robot, age_s=-3600.0))
    robot.observe()


# Connecting


def test_no_server_is_one_line(server: InteraDouble) -> None:
    robot = SawyerBackend(SawyerCfg(addresses=free_addresses()), Calibration())
    with pytest.raises(
        RobotError, match=r"Intera server: no answer from tcp://127\.0\.0\.1:"
    ) as error:
        robot.connect()
    assert "\n" not in str(error.value)
    assert robot.fault == "the Sawyer is not connected"
    robot.close()


def test_a_server_without_states_is_one_line(server: InteraDouble) -> None:
    server.mangle = lambda _: []
    robot = SawyerBackend(SawyerCfg(addresses=server.addresses), Calibration())
    with pytest.raises(RobotError, match="answers but sends no states"):
        robot.connect()


def test_closing_gives_control_back(server: InteraDouble) -> None:
    robot = SawyerBackend(SawyerCfg(addresses=server.addresses), Calibration())
    robot.connect()
    reset(robot)
    robot.close()
    assert server.state.hold_reason is HoldReason.RELEASED


def test_a_missing_key_file_is_one_line() -> None:
    robot = SawyerBackend(SawyerCfg(key="no/such/client.key"), Calibration())
    with pytest.raises(RobotError, match=r"cannot read the key no/such/client\.key"):
        robot.connect()


def test_with_a_key_only_its_holder_is_let_in(tmp_path: Path) -> None:
    write_keys(tmp_path)
    with InteraDouble(free_addresses(), key=load_key(tmp_path / SERVER_KEY, "server")) as server:
        key = str(tmp_path / CLIENT_KEY)
        robot = SawyerBackend(SawyerCfg(addresses=server.addresses, key=key), Calibration())
        robot.connect()
        assert robot.fault == ""
        robot.close()
        stranger = SawyerBackend(SawyerCfg(addresses=server.addresses), Calibration())
        with pytest.raises(RobotError, match=r"no answer from .*: .*it wants a key, missing here"):
            stranger.connect()
        write_keys(tmp_path / "other")
        key = str(tmp_path / "other" / CLIENT_KEY)
        stranger = SawyerBackend(SawyerCfg(addresses=server.addresses, key=key), Calibration())
        with pytest.raises(RobotError, match=r"no answer from .*: .*not the pair of ours"):
            stranger.connect()


# Parameters


def test_the_shipped_parameter_file_names_every_parameter_with_its_default() -> None:
    content = yaml.safe_load(config_file("sawyer.yaml").read_text(encoding="utf-8"))
    shipped = content["/damsel/robot"]["ros__parameters"]["sawyer"]
    assert shipped == {one.name.removeprefix("sawyer."): one.default for one in SAWYER_PARAMETERS}


def test_the_defaults_of_parameters_are_those_of_the_configuration() -> None:
    values = {one.name: one.default for one in SAWYER_PARAMETERS}
    assert sawyer_cfg_of(values) == SawyerCfg()


def test_parameters_that_do_not_go_together_are_one_line() -> None:
    values = {one.name: one.default for one in SAWYER_PARAMETERS}
    with pytest.raises(InvalidConfigError, match="allowed: three different ones"):
        sawyer_cfg_of(values | {"sawyer.state_port": 47102})
