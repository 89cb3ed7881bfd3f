"""Whatever arrives, in whatever order: what is sent to the joints keeps these promises."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from damsel_intera.errors import RefusedError
from damsel_intera.limits import POSITION_HIGH, POSITION_LOW, VELOCITY
from damsel_intera.reasons import Activity, HoldReason
from damsel_intera.settings import ServerCfg
from damsel_intera.supervisor import Supervisor
from damsel_intera.wire import Command
from tests.intera.doubles import HOME, header, robot_state

SESSION = 9
CFG = ServerCfg()
small = st.floats(-0.02, 0.02)
angles = st.one_of(small, small, st.floats(-0.3, 0.3), st.sampled_from([math.nan, math.inf, 5.0]))
faults: list[dict[str, Any]] = [
    {"estop_button": 1, "stopped": True, "enabled": False},
    {"collision": True},
    {"enabled": False},
    {"joint_positions": (math.nan,) * 7},
]


class AnyController(RuleBasedStateMachine):
    """A robot that obeys at once, and controllers that do as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0
        self.supervisor = Supervisor(CFG, SESSION)
        # Near a limit, so that limits are met.
        self.joints: tuple[float, ...] = (POSITION_HIGH[0] - 0.05, *HOME[1:])
        self.changes: dict[str, Any] = {}
        self.lease = 0
        self.sequence = 0
        self.fed_s = self.now_s
        self.enabled_since_fault = True
        self.latched_before = False
        self.pass_time(0.01)

    def obey(self, targets: tuple[float, ...] | None) -> None:
        if targets is None:
            return
        assert all(map(math.isfinite, targets))
        for target, low, high in zip(targets, POSITION_LOW, POSITION_HIGH, strict=True):
            assert low <= target <= high
        for target, joint, limit in zip(targets, self.joints, VELOCITY, strict=True):
            slack_s = CFG.target_slack_s + 0.02
            assert abs(target - joint) <= limit * slack_s + 1e-9, "the joints cannot follow this"
        if self.changes.get("enabled", True):
            self.joints = targets

    @rule(seconds=st.sampled_from([0.001, 0.01, 0.02, 0.09, 2.0]))
    def pass_time(self, seconds: float) -> None:
        while seconds > 0:
            step_s = min(seconds, 0.01)
            seconds -= step_s
            self.now_s += step_s
            changes = {"joint_positions": self.joints, **self.changes}
            self.supervisor.see_robot(robot_state(self.now_s, **changes), self.now_s)
            self.obey(self.supervisor.tick(self.now_s))

    @rule()
    def claim(self) -> None:
        try:
            self.lease = self.supervisor.claim("any", self.now_s).secret
        except RefusedError:
            return
        assert not self.latched_before, "control after a fault, and nobody has enabled"
        self.sequence = 0
        self.fed_s = self.now_s + CFG.first_command_s

    @rule(angle=angles, joint=st.integers(0, 6))
    def command(self, angle: float, joint: int) -> None:
        self.sequence += 1
        targets = list(self.joints)
        targets[joint] += angle
        command = Command(tuple(targets), self.now_s)
        sent = header(session=SESSION, lease=self.lease, sequence=self.sequence)
        activity = self.supervisor.activity
        before = self.supervisor.last_sequence
        if self.supervisor.take(sent, command, self.now_s):
            self.obey(self.supervisor.tick(self.now_s))
        if self.supervisor.last_sequence > before:
            self.fed_s = self.now_s
        else:
            assert self.supervisor.activity is activity, "a refused command changes nothing"

    @rule(angles=st.lists(small, min_size=1, max_size=20), silence_s=st.sampled_from([0.01, 0.2]))
    def stream(self, angles: list[float], silence_s: float) -> None:
        for angle in angles:
            self.command(angle, 0)
            self.pass_time(0.01)
        self.pass_time(silence_s)

    @rule(angle=angles, joint=st.integers(0, 6))
    def take_control(self, angle: float, joint: int) -> None:
        self.changes = {}
        self.supervisor.hold(HoldReason.OPERATOR_HOLD, self.now_s)
        self.enable()
        self.claim()
        self.command(angle, joint)

    @rule()
    def hold(self) -> None:
        self.supervisor.hold(HoldReason.OPERATOR_HOLD, self.now_s)

    @rule(fault=st.sampled_from(faults))
    def fail(self, fault: dict[str, Any]) -> None:
        self.changes = fault
        self.pass_time(0.01)
        assert self.supervisor.latched

    @rule()
    def recover(self) -> None:
        self.changes = {}

    @rule()
    def enable(self) -> None:
        self.supervisor.clear_faults(self.now_s)
        self.latched_before = False
        self.pass_time(0.01)

    @invariant()
    def a_fault_leaves_nobody_in_control(self) -> None:
        self.latched_before = self.supervisor.latched
        if self.supervisor.latched:
            assert self.supervisor.lease is None
            assert self.supervisor.activity is Activity.HOLDING

    @invariant()
    def the_arm_moves_for_a_controller_that_is_heard_only(self) -> None:
        if self.supervisor.activity is not Activity.HOLDING:
            assert self.supervisor.lease is not None
            assert self.now_s - self.fed_s <= CFG.watchdog_s + 0.011


AnyController.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyController = AnyController.TestCase
