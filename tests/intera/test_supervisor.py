"""Who may move the arm and when it holds, by the clock that the supervisor is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from damsel_intera.errors import RefusedError
from damsel_intera.reasons import LATCHED, Activity, HoldReason, Refusal
from damsel_intera.robot import RobotState, fault_of
from damsel_intera.settings import ServerCfg
from damsel_intera.supervisor import Lease, Supervisor
from damsel_intera.wire import Command
from tests.intera.doubles import HOME, header, robot_state

SESSION = 77
FAULTS: list[tuple[HoldReason, dict[str, Any]]] = [
    (HoldReason.ESTOP, {"estop_button": 1, "stopped": True, "enabled": False}),
    (HoldReason.STOPPED, {"estop_button": 3, "stopped": True, "enabled": False}),
    (HoldReason.COLLISION, {"collision": True}),
    (HoldReason.ROBOT_ERROR, {"error": True, "stopped": True, "enabled": False}),
    (HoldReason.DISABLED, {"enabled": False}),
    (HoldReason.ROBOT_INVALID, {"joint_positions": (float("nan"), *HOME[1:])}),
    (HoldReason.ROBOT_INVALID, {"joint_velocities": (0.0,) * 6}),
]


@dataclass
class Bench:
    """A supervisor with a robot that is well, unless told otherwise, at a time of its own."""

    supervisor: Supervisor = field(default_factory=lambda: Supervisor(ServerCfg(), SESSION))
    now_s: float = 100.0
    sequence: int = 0
    joint: float = 0.0
    changes: dict[str, Any] = field(default_factory=dict)

    def pass_time(self, seconds: float = 0.01) -> tuple[float, ...] | None:
        self.now_s += seconds
        self.see(robot_state(self.now_s, **self.changes))
        return self.supervisor.tick(self.now_s)

    def see(self, state: RobotState | None) -> None:
        self.supervisor.see_robot(state, self.now_s)

    def claim(self, name: str = "adapt") -> Lease:
        lease = self.supervisor.claim(name, self.now_s)
        self.sequence = 0
        return lease

    def command(self, joint: float | None = None, **fields: Any) -> tuple[float, ...] | None:
        self.sequence += 1
        seen_s = fields.pop("seen_s", self.now_s - 0.01)
        lease = self.supervisor.lease
        defaults = {
            "session": SESSION,
            "lease": lease.secret if lease else 0,
            "sequence": self.sequence,
        }
        joints = (self.joint if joint is None else joint, *HOME[1:])
        command = Command(joints, seen_s)
        if self.supervisor.take(header(**{**defaults, **fields}), command, self.now_s):
            return self.supervisor.tick(self.now_s)
        return None

    def follow(self, ticks: int = 10) -> None:
        for _ in range(ticks):
            self.pass_time()
            self.joint += 0.002
            assert self.command() is not None
            assert self.supervisor.activity is Activity.FOLLOWING


@pytest.fixture(name="bench")
def bench_fixture() -> Bench:
    bench = Bench()
    bench.pass_time()
    return bench


@pytest.fixture(name="following")
def following_bench(bench: Bench) -> Bench:
    bench.claim()
    bench.follow()
    return bench


def test_at_first_it_holds_and_leaves_the_robot_alone(bench: Bench) -> None:
    assert bench.supervisor.hold_reason is HoldReason.NO_CONTROLLER
    assert bench.supervisor.activity is Activity.HOLDING
    assert bench.pass_time() is None


def test_targets_are_passed_on_and_repeated(following: Bench) -> None:
    assert following.command(0.021) == (0.021, *HOME[1:])
    assert following.pass_time() == (0.021, *HOME[1:])
    assert following.supervisor.last_sequence == following.sequence


def test_without_commands_it_holds_after_100_ms_where_the_arm_is(following: Bench) -> None:
    following.changes = {"joint_positions": (0.5, *HOME[1:])}
    following.pass_time(0.099)
    assert following.supervisor.activity is Activity.FOLLOWING
    assert following.pass_time(0.0011) == (0.5, *HOME[1:])
    assert following.supervisor.hold_reason is HoldReason.STALE
    assert following.supervisor.lease is None


def test_a_hold_is_repeated_for_a_second_and_does_not_drift(following: Bench) -> None:
    following.supervisor.hold(HoldReason.OPERATOR_HOLD, following.now_s)
    following.changes = {"joint_positions": (0.3, *HOME[1:])}
    assert following.pass_time(0.5) == HOME
    assert following.pass_time(0.49) == HOME
    assert following.pass_time(0.02) is None


def test_a_hold_on_a_hold_does_not_creep(following: Bench) -> None:
    for tick in range(50):
        following.supervisor.hold(HoldReason.OPERATOR_HOLD, following.now_s)
        # Something leans on the arm.
        following.changes = {"joint_positions": (0.001 * tick, *HOME[1:])}
        assert following.pass_time(0.1) == HOME


def test_a_hold_long_after_a_hold_is_where_the_arm_is_then(following: Bench) -> None:
    following.supervisor.hold(HoldReason.OPERATOR_HOLD, following.now_s)
    following.changes = {"joint_positions": (0.3, *HOME[1:])}
    assert following.pass_time(1.1) is None
    following.supervisor.hold(HoldReason.OPERATOR_HOLD, following.now_s)
    assert following.pass_time() == (0.3, *HOME[1:])


def test_a_late_controller_cannot_go_on_without_claiming(following: Bench) -> None:
    lease = following.supervisor.lease
    assert lease is not None
    following.pass_time(0.2)
    assert following.command(lease=lease.secret) is None
    assert following.supervisor.last_refusal is Refusal.OTHER_LEASE
    assert following.supervisor.hold_reason is HoldReason.STALE
    following.claim()
    following.joint = 0.0
    following.follow()


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"session": SESSION - 1}, Refusal.OLD_SESSION),
        ({"session": 0}, Refusal.OLD_SESSION),
        ({"lease": 1}, Refusal.OTHER_LEASE),
        ({"lease": 0}, Refusal.OTHER_LEASE),
        ({"sequence": 10}, Refusal.OLD_SEQUENCE),
        ({"sequence": 0}, Refusal.OLD_SEQUENCE),
        ({"seen_s": 99.0}, Refusal.LATE),
        ({"seen_s": 1e9}, Refusal.LATE),
    ],
)
def test_a_foreign_or_old_command_moves_nothing_and_disturbs_nobody(
    following: Bench, fields: dict[str, Any], refusal: Refusal
) -> None:
    before = following.supervisor.tick(following.now_s)
    assert following.command(1.0, **fields) is None
    assert following.supervisor.last_refusal is refusal
    assert following.supervisor.refused_count == 1
    assert following.supervisor.tick(following.now_s) == before
    following.follow(1)


def test_a_foreign_command_does_not_feed_the_watchdog(following: Bench) -> None:
    for _ in range(11):
        following.pass_time()
        following.command(lease=1)
    assert following.supervisor.hold_reason is HoldReason.STALE


@pytest.mark.parametrize(
    ("joint", "reason"),
    [
        (float("nan"), HoldReason.NOT_FINITE),
        (0.5, HoldReason.JUMP),
        (4.0, HoldReason.JOINT_LIMIT),
    ],
)
def test_a_target_that_cannot_be_meant_ends_control(
    following: Bench, joint: float, reason: HoldReason
) -> None:
    assert following.command(joint) == HOME
    assert following.supervisor.hold_reason is reason
    assert following.supervisor.lease is None
    assert not following.supervisor.latched


def test_the_first_target_must_be_where_the_arm_is(bench: Bench) -> None:
    bench.claim()
    bench.pass_time()
    assert bench.command(0.1) == HOME
    assert bench.supervisor.hold_reason is HoldReason.JUMP


def test_a_second_controller_is_told_who_has_control(following: Bench) -> None:
    with pytest.raises(RefusedError, match="'adapt' has control; allowed: one controller"):
        following.claim("other")
    following.follow(1)


def test_after_a_release_the_next_may_claim(following: Bench) -> None:
    lease = following.supervisor.lease
    assert lease is not None
    with pytest.raises(RefusedError, match="'adapt' has it; allowed: claim it first"):
        following.supervisor.release(lease.secret ^ 1, following.now_s)
    following.supervisor.release(lease.secret, following.now_s)
    assert following.supervisor.hold_reason is HoldReason.RELEASED
    assert following.claim("other").number == lease.number + 1


def test_who_claims_and_says_nothing_loses_control(bench: Bench) -> None:
    bench.claim()
    for _ in range(199):
        bench.pass_time()
    assert bench.supervisor.hold_reason is HoldReason.WAITING
    bench.pass_time(0.02)
    assert bench.supervisor.hold_reason is HoldReason.STALE


@pytest.mark.parametrize(("reason", "changes"), FAULTS)
def test_a_fault_holds_until_an_operator_clears_it(
    following: Bench, reason: HoldReason, changes: dict[str, Any]
) -> None:
    following.changes = changes
    following.pass_time()
    assert following.supervisor.hold_reason is reason
    assert following.supervisor.latched
    assert following.supervisor.lease is None
    following.changes = {}
    for _ in range(1000):
        following.pass_time()
    assert following.supervisor.hold_reason is reason
    with pytest.raises(RefusedError, match="allowed: an operator's enable first"):
        following.claim()
    following.supervisor.clear_faults(following.now_s)
    # Old targets are gone, and nothing is sent before somebody has claimed.
    assert following.pass_time() is None
    following.claim()
    following.joint = 0.0
    following.follow()


def test_after_a_collision_the_arm_is_not_drawn_back(following: Bench) -> None:
    following.changes = {"collision": True}
    assert following.pass_time() == HOME
    assert following.pass_time(0.08) == HOME
    following.changes = {}
    assert following.pass_time(0.03) is None


def test_every_fault_of_the_robot_is_latched() -> None:
    assert {reason for reason, _ in FAULTS} <= LATCHED
    assert fault_of(robot_state()) is HoldReason.NONE


def test_the_first_fault_is_the_one_that_is_told(following: Bench) -> None:
    following.changes = {"collision": True}
    following.pass_time()
    following.changes = {"estop_button": 1, "stopped": True, "enabled": False}
    following.pass_time()
    assert following.supervisor.hold_reason is HoldReason.COLLISION
    following.supervisor.hold(HoldReason.OPERATOR_HOLD, following.now_s)
    assert following.supervisor.latched


def test_a_robot_that_falls_silent_is_a_fault(following: Bench) -> None:
    state = robot_state(following.now_s)
    following.now_s += 0.09
    following.see(state)
    assert not following.supervisor.latched
    following.now_s += 0.02
    following.see(state)
    assert following.supervisor.hold_reason is HoldReason.ROBOT_SILENT


def test_an_arm_that_is_not_heard_is_sent_nothing_until_it_is_heard_again(
    following: Bench,
) -> None:
    following.now_s += 0.2
    following.see(following.supervisor.robot)
    assert following.supervisor.hold_reason is HoldReason.ROBOT_SILENT
    assert following.supervisor.tick(following.now_s) is None
    found = (0.4, *HOME[1:])
    following.changes = {"joint_positions": found}
    assert following.pass_time(5.0) == found
    following.changes = {"joint_positions": (0.5, *HOME[1:])}
    assert following.pass_time(0.5) == found
    assert following.pass_time(1.0) is None
    assert following.supervisor.hold_reason is HoldReason.ROBOT_SILENT


def test_states_that_come_late_are_not_held_at(following: Bench) -> None:
    following.changes = {"robot_stamp_s": following.now_s, "joint_positions": (0.4, *HOME[1:])}
    assert following.pass_time(0.3) is None
    following.changes = {"joint_positions": (0.5, *HOME[1:])}
    assert following.pass_time() == (0.5, *HOME[1:])


def test_a_silent_arm_that_nobody_moved_is_left_alone(bench: Bench) -> None:
    bench.now_s += 0.2
    bench.see(bench.supervisor.robot)
    assert bench.supervisor.hold_reason is HoldReason.ROBOT_SILENT
    assert bench.pass_time() is None


def test_a_server_that_stood_still_neither_sends_nor_obeys(following: Bench) -> None:
    # It had just seen the robot; nothing has been looked at since.
    following.now_s += 0.5
    assert following.command(seen_s=following.now_s - 0.01) is None
    assert following.supervisor.hold_reason is HoldReason.STALE
    assert following.supervisor.last_refusal is Refusal.OTHER_LEASE
    assert following.supervisor.tick(following.now_s) is None
    with pytest.raises(RefusedError, match="the robot sends no joint states"):
        following.claim()
    following.changes = {"joint_positions": (0.4, *HOME[1:])}
    assert following.pass_time() == (0.4, *HOME[1:])


def test_a_robot_whose_own_state_falls_silent_is_a_fault(following: Bench) -> None:
    following.changes = {"assembly_received_s": following.now_s - 0.99}
    following.pass_time()
    assert not following.supervisor.latched
    following.pass_time(0.02)
    assert following.supervisor.hold_reason is HoldReason.ROBOT_SILENT


def test_a_state_that_was_long_under_way_is_a_fault(following: Bench) -> None:
    following.changes = {"robot_stamp_s": following.now_s - 0.05}
    following.pass_time()
    assert not following.supervisor.latched
    following.changes = {"robot_stamp_s": following.now_s - 0.2}
    following.pass_time(0.15)
    assert following.supervisor.hold_reason is HoldReason.ROBOT_SILENT


def test_a_robot_that_no_longer_tells_of_collisions_holds(following: Bench) -> None:
    following.changes = {"collision_told_s": following.now_s}
    following.pass_time(0.9)
    assert not following.supervisor.latched
    following.pass_time(0.2)
    assert following.supervisor.hold_reason is HoldReason.COLLISION_SILENT
    following.supervisor.clear_faults(following.now_s)
    following.pass_time()
    assert following.supervisor.latched


def test_a_robot_that_never_told_of_collisions_regularly_moves(following: Bench) -> None:
    following.changes = {"collision_told_s": None}
    following.pass_time(5.0)
    assert not following.supervisor.latched


def test_states_out_of_order_are_passed_over(following: Bench) -> None:
    newest_s = following.now_s
    old = robot_state(newest_s, robot_stamp_s=newest_s - 0.01, joint_positions=(0.9, *HOME[1:]))
    following.see(old)
    assert following.supervisor.robot == robot_state(newest_s)
    following.follow(1)


def test_a_robot_clock_that_is_set_back_holds_until_an_operator_has_looked(
    following: Bench,
) -> None:
    following.now_s += 0.01
    following.see(robot_state(following.now_s, robot_stamp_s=following.now_s - 3600))
    assert following.supervisor.hold_reason is HoldReason.ROBOT_SILENT
    following.supervisor.clear_faults(following.now_s)
    for _ in range(50):
        following.now_s += 0.01
        following.see(robot_state(following.now_s, robot_stamp_s=following.now_s - 3600))
    assert not following.supervisor.latched


def test_an_enable_does_not_make_a_slow_network_a_healthy_one(following: Bench) -> None:
    late: dict[str, Any] = {}
    for _ in range(2):
        following.now_s += 0.3
        late = {"robot_stamp_s": following.now_s - 0.3}
        following.see(robot_state(following.now_s, **late))
        assert following.supervisor.hold_reason is HoldReason.ROBOT_SILENT
        following.supervisor.clear_faults(following.now_s)
    following.now_s += 0.01
    following.see(robot_state(following.now_s, robot_stamp_s=following.now_s - 0.3))
    assert following.supervisor.latched
    following.supervisor.clear_faults(following.now_s)
    following.pass_time(0.3)
    assert not following.supervisor.latched


def test_a_lease_that_has_lapsed_is_not_in_anybodys_way(following: Bench) -> None:
    following.now_s += 0.09
    following.see(robot_state(following.now_s))
    following.now_s += 0.02
    following.claim("another")


def test_motors_that_are_off_are_sent_nothing(following: Bench) -> None:
    following.changes = {"enabled": False}
    assert following.pass_time() is None
