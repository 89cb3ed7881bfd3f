"""Who may move the arm, where to, and when it holds: the server's decisions, without any I/O.

The supervisor is told the time, the robot's states and what arrived; it answers with the joint
positions to send. It is either FOLLOWING a controller's targets or HOLDING for a reason. The rules:

- One lease at a time. Every hold ends it, except the wait for a new controller's first target.
- A hold takes the measured positions as targets once, and never moves on from there by itself;
  nor does a second one while the first is still repeated to the robot, lest the arm creep.
  An old measurement would draw the arm back: until there is a fresh one, nothing is sent.
- Who was too late for the watchdog is refused, even if the watchdog was not looked at in between.
- A fault latches: no lease is given before `clear_faults`, which also forgets all old targets.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Tuple

from damsel_intera.errors import RefusedError
from damsel_intera.reasons import Activity, HoldReason, Refusal
from damsel_intera.robot import RobotState, fault_of
from damsel_intera.settings import ServerCfg
from damsel_intera.state_clock import StateClock
from damsel_intera.watchdog import TargetGauge, Watchdog
from damsel_intera.wire import Command, Header

__all__ = ["Lease", "Supervisor"]

Vector = Tuple[float, ...]

_CONTENT_HOLDS = {
    Refusal.NOT_FINITE: HoldReason.NOT_FINITE,
    Refusal.JUMP: HoldReason.JUMP,
    Refusal.JOINT_LIMIT: HoldReason.JOINT_LIMIT,
}


# Here the robot has stopped by itself. Once it listens again it must not be drawn back to where it
# was when we heard of it.
_ROBOT_STOPS = frozenset(
    {
        HoldReason.OPERATOR_STOP,
        HoldReason.ESTOP,
        HoldReason.COLLISION,
        HoldReason.ROBOT_ERROR,
        HoldReason.DISABLED,
        HoldReason.STOPPED,
    }
)


# States that are later than this are of a clock that was set back, which the operator has looked
# into; a network that is slow is no better for having been looked at.
_CLOCK_SET_BACK_S = 1.0


@dataclass(frozen=True)
class Lease:
    """Permission to command.

    Attributes:
        secret: random uint64 that every command must carry.
        number: running number, public.
        holder: name of the controller.
    """

    secret: int
    number: int
    holder: str


class Supervisor:
    """See the module's docstring. All times are seconds of one monotonic clock.

    Attributes:
        cfg: times and rates.
        session: random number of this start of the server.
        hold_reason: why the arm holds; NONE while it does not.
        lease: who has control, or None.
        last_sequence: of the latest command of this lease that was accepted.
        refused_count: how many messages moved nothing.
        last_refusal: why the latest of them did not.
        robot: the newest state of the robot, valid or not.
    """

    def __init__(self, cfg: ServerCfg, session: int) -> None:
        self.cfg = cfg
        self.session = session
        self.hold_reason = HoldReason.NO_CONTROLLER
        self.lease: Lease | None = None
        self.last_sequence = 0
        self.refused_count = 0
        self.last_refusal = Refusal.NONE
        self._latched = False
        self._clock = StateClock()
        self.robot: RobotState | None = None
        self._robot: RobotState | None = None
        self._late_s = 0.0
        self._watchdog = Watchdog(cfg.watchdog_s)
        self._gauge = TargetGauge(cfg.target_slack_s)
        self._targets: Vector | None = None
        self._awaits_measurement = False
        self._resend_until_s = 0.0
        self._leases = 0

    @property
    def activity(self) -> Activity:
        """What the arm is made to do."""
        return Activity.HOLDING if self.hold_reason else Activity.FOLLOWING

    @property
    def latched(self) -> bool:
        """Whether a fault keeps the arm until `clear_faults`."""
        return self._latched

    @property
    def deadline_s(self) -> float | None:
        """When the watchdog will bite unless fed, or None."""
        return self._watchdog.deadline_s

    def see_robot(self, state: RobotState | None, now_s: float) -> None:
        """Take the newest state of the robot; a fault in it latches a hold."""
        if state is not None and not self._clock.is_out_of_order(state.robot_stamp_s):
            self.robot = state
            self._late_s = self._clock.late_s(state.robot_stamp_s, state.received_s)
            if state.valid:
                self._robot = state
        fault = self._fault(self.robot, now_s)
        # Of several faults the first is the cause, and what is reported.
        if fault is not HoldReason.NONE and not self._latched:
            self.hold(fault, now_s)
        if self._awaits_measurement:
            self._hold_where_it_is(now_s)

    def _is_fresh(self, state: RobotState, now_s: float) -> bool:
        return max(self._late_s, now_s - state.received_s) <= self.cfg.robot_silent_s

    def _fault(self, state: RobotState | None, now_s: float) -> HoldReason:
        if state is None or not self._is_fresh(state, now_s):
            return HoldReason.ROBOT_SILENT
        if now_s - state.assembly_received_s > self.cfg.assembly_silent_s:
            return HoldReason.ROBOT_SILENT
        told_s = now_s if state.collision_told_s is None else state.collision_told_s
        numb = now_s - told_s > self.cfg.collision_silent_s
        return fault_of(state) or (HoldReason.COLLISION_SILENT if numb else HoldReason.NONE)

    def claim(self, name: str, now_s: float) -> Lease:
        """Make `name` the controller.

        Raises:
            RefusedError: If another has control, or a fault is latched.
        """
        self._heed_watchdog(now_s)
        if self._latched:
            raise RefusedError(
                f"the arm holds: {self.hold_reason.text}; allowed: an operator's enable first"
            )
        if self.lease is not None:
            raise RefusedError(f"{self.lease.holder!r} has control; allowed: one controller")
        if self._robot is None or not self._is_fresh(self._robot, now_s):
            raise RefusedError("the robot sends no joint states; allowed: a robot that does")
        self._leases += 1
        secret = secrets.randbits(64) or 1
        self.lease = Lease(secret, self._leases, name)
        self.hold_reason = HoldReason.WAITING
        self.last_sequence = 0
        self._targets = None
        self._awaits_measurement = False
        self._watchdog.feed(now_s, self.cfg.first_command_s)
        return self.lease

    def release(self, secret: int, now_s: float) -> None:
        """Give control back.

        Raises:
            RefusedError: If this is not the lease in force.
        """
        if self.lease is None or secret != self.lease.secret:
            holder = f"{self.lease.holder!r} has it" if self.lease else "nobody has it"
            raise RefusedError(f"this needs control, {holder}; allowed: claim it first")
        self.hold(HoldReason.RELEASED, now_s)

    def clear_faults(self, now_s: float) -> None:
        """An operator's enable has succeeded: forget faults and old targets, hold where we are."""
        self._latched = False
        if self._late_s > _CLOCK_SET_BACK_S:
            self._clock.forget()
        self.hold(HoldReason.NO_CONTROLLER, now_s)
        self._targets = None
        self._awaits_measurement = False

    def hold(self, reason: HoldReason, now_s: float) -> None:
        """End whatever the arm does: its measured positions, once fresh, become its targets."""
        if self._latched and not reason.latched:
            return
        is_held = (
            self.activity is Activity.HOLDING
            and self._targets is not None
            and now_s < self._resend_until_s
            and reason not in _ROBOT_STOPS
        )
        self._latched = reason.latched
        self.hold_reason = reason
        self.lease = None
        self._watchdog.stop()
        if is_held:
            self._resend_until_s = now_s + self.cfg.hold_resend_s
        else:
            self._hold_where_it_is(now_s)

    def _hold_where_it_is(self, now_s: float) -> None:
        if self._robot is None or not self._is_fresh(self._robot, now_s):
            # An arm that was sent nowhere needs not be told to stay.
            self._awaits_measurement |= self._targets is not None
            self._targets = None
            return
        self._awaits_measurement = False
        self._targets = self._robot.joint_positions
        stops = self.hold_reason in _ROBOT_STOPS
        self._resend_until_s = now_s + (
            self.cfg.fault_resend_s if stops else self.cfg.hold_resend_s
        )

    def refuse(self, refusal: Refusal) -> None:
        """Count something that moved nothing."""
        self.refused_count += 1
        self.last_refusal = refusal

    def take(self, header: Header, command: Command, now_s: float) -> bool:
        """Judge a command that arrived; whether `tick` now has something else to send."""
        self._heed_watchdog(now_s)
        refusal = self._judge_origin(header, command, now_s)
        if refusal is not Refusal.NONE:
            self.refuse(refusal)
            return False
        self.last_sequence = header.sequence
        self._watchdog.feed(now_s)
        self._follow(command.joint_positions, now_s)
        return True

    def _judge_origin(self, header: Header, command: Command, now_s: float) -> Refusal:
        if header.session != self.session:
            return Refusal.OLD_SESSION
        if self.lease is None or header.lease != self.lease.secret:
            return Refusal.OTHER_LEASE
        if header.sequence <= self.last_sequence:
            return Refusal.OLD_SEQUENCE
        if not 0 <= now_s - command.seen_monotonic_s <= self.cfg.watchdog_s:
            return Refusal.LATE
        return Refusal.NONE

    def _follow(self, targets: Vector, now_s: float) -> None:
        if self.activity is not Activity.FOLLOWING and self._robot is not None:
            self._gauge.start(self._robot.joint_positions, now_s)
        refusal = self._gauge.judge(targets, now_s)
        if refusal is not Refusal.NONE:
            self.refuse(refusal)
            self.hold(_CONTENT_HOLDS[refusal], now_s)
            return
        self.hold_reason = HoldReason.NONE
        self._targets = targets

    def tick(self, now_s: float) -> Vector | None:
        """Advance to now.

        Returns:
            Joint positions (7,), radians, to send; None if the robot is to be left alone.
        """
        self._heed_watchdog(now_s)
        if self.activity is Activity.HOLDING and now_s >= self._resend_until_s:
            return None
        # Motors that are off must not find a target when they come on.
        if self._robot is None or not self._robot.enabled or self._robot.stopped:
            return None
        return self._targets

    def _heed_watchdog(self, now_s: float) -> None:
        if self._watchdog.has_bitten(now_s):
            self.hold(HoldReason.STALE, now_s)
