"""The `robot` node: owns the arm through one backend and is the only one that moves it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from random import SystemRandom

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import Executor
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.task import Future
from rclpy.timer import Timer
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from damsel.errors import InvalidConfigError, RobotError, brief
from damsel_msgs.msg import EndEffectorCommand, Observation
from damsel_msgs.srv import Reset
from damsel_ros.attendance import Attendance
from damsel_ros.backends import BACKEND_NAMES, make_robot
from damsel_ros.backends.base import TO_ENABLE, AttendedRobot, JointTick
from damsel_ros.backends.sawyer_parameters import SAWYER_PARAMETERS
from damsel_ros.conversions import (
    FRAME_BASE,
    ROBOT_DIAGNOSTICS,
    applied_to_message,
    diagnostics_to_message,
    displacement_from_message,
    joint_command_to_message,
    joint_states_to_message,
    observed_to_message,
    time_of,
)
from damsel_ros.events import Observed, Status
from damsel_ros.lifecycle import OutspokenLifecycleNode, transition
from damsel_ros.node_main import run_nodes
from damsel_ros.parameters import Parameter, declare_parameters
from damsel_ros.qos import COMMAND, JOINTS, STANDARD, STREAM, TICKS
from damsel_ros.robot_loop import Mode, Phase, RobotEvent, RobotLoop
from damsel_ros.steady import steady_timer

__all__ = ["RobotNode", "main"]

PARAMETERS = (
    Parameter("backend", "sim", "Which arm to own.", choices=BACKEND_NAMES),
    Parameter(
        "mode",
        "lockstep",
        "lockstep: a control step is made when its command arrives. realtime: a clock makes them.",
        choices=tuple(mode.value for mode in Mode),
    ),
    Parameter("autostart", True, "Configure and activate without waiting to be told."),
    Parameter(
        "command_timeout_s",
        0.5,
        "Without a command for this long [s] the trajectory ends and the arm holds.",
        low=0.05,
        high=10.0,
    ),
    Parameter(
        "joint_state_rate_hz",
        20.0,
        "Joint states a second [Hz]. While anybody hears `joint_command` those of every tick "
        "come, in as many bursts a second.",
        low=1.0,
        high=200.0,
    ),
    *SAWYER_PARAMETERS,
)

_WATCHDOG_PERIOD_S = 0.05
_BEAT_PERIOD_S = 0.05
_DIAGNOSTICS_PERIOD_S = 1.0
_LATE_TICK = 1.2  # periods
_FAREWELL_S = 2.0
_LAST_ANSWERS_S = 0.3
_SHUT_DOWN = "the robot node was shut down"
_NOT_ENABLED = (
    "nobody has enabled the arm since the robot node connected: call service /damsel/robot/enable"
)
_TOLD_TO_HOLD = (
    "nobody has enabled the arm since it was told to hold: call service /damsel/robot/enable"
)


class RobotNode(OutspokenLifecycleNode):
    """Lifecycle shell around `RobotLoop`: configure connects the backend, activate enables it.

    What the robot observes and accepts is in the read-only parameters `control_rate_hz`,
    `step_size_m`, `observation_layout` and `joint_names` from the start.
    """

    def __init__(self) -> None:
        """Declare parameters and interfaces; nothing moves.

        Raises:
            InvalidConfigError: If a parameter is not allowed.
        """
        super().__init__("robot")
        values = declare_parameters(self, PARAMETERS)
        self._mode = Mode(values["mode"])
        self._command_timeout_s = values["command_timeout_s"]
        self._robot = make_robot(values["backend"], values)
        self._description = self._robot.description
        self._declare_description()
        self._loop: RobotLoop | None = None
        self._tick_timer: Timer | None = None
        self._joint_timer: Timer | None = None
        self._last_tick_s = 0.0
        self._resetting: Future | None = None
        self._asked_to_hold = False

        self._observations = self.create_lifecycle_publisher(Observation, "observation", STREAM)
        self._applied = self.create_lifecycle_publisher(EndEffectorCommand, "applied", STREAM)
        self._joint_states = self.create_lifecycle_publisher(JointState, "/joint_states", JOINTS)
        self._joint_commands = self.create_lifecycle_publisher(JointState, "joint_command", TICKS)
        # Diagnostics speak in every lifecycle state.
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", STANDARD)
        self.create_subscription(EndEffectorCommand, "command", self._on_command, COMMAND)
        # A reset that a person takes part in must not keep the node from its other work.
        self.create_service(Reset, "reset", self._on_reset, callback_group=ReentrantCallbackGroup())
        self.create_service(Trigger, "hold", self._on_hold)
        steady_timer(self, _DIAGNOSTICS_PERIOD_S, self._publish_diagnostics)
        self._joint_state_period_s = 1.0 / values["joint_state_rate_hz"]
        self._attended = self._robot if isinstance(self._robot, AttendedRobot) else None
        self._attendance: Attendance | None = None
        # Motors that somebody has left on are no leave to move.
        self._must_not_move = "" if self._attended is None else _NOT_ENABLED
        if self._attended is not None:
            if self._mode is Mode.LOCKSTEP:
                raise InvalidConfigError(
                    f"mode is lockstep with backend {values['backend']}; allowed: realtime, a "
                    "physical arm does not wait"
                )
            self._attendance = Attendance(
                self, self._attended, hold=self._hold, enabled=self._on_enabled
            )
            # Whatever keeps this node from its work keeps it from this.
            steady_timer(self, _BEAT_PERIOD_S, self._attended.beat)
        if values["autostart"]:
            self._autostart()

    # Lifecycle

    @transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Connect the backend; the arm does not move."""
        self._must_not_move = "" if self._attended is None else _NOT_ENABLED
        self._robot.connect()
        self._loop = RobotLoop(
            self._robot,
            mode=self._mode,
            command_timeout_s=self._command_timeout_s,
            # A restarted node must not reuse ids that are still latched on `reward`.
            first_trajectory=SystemRandom().randint(1, 0xFFFFFFFF),
        )
        return super().on_configure(state)

    @transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let resets and commands move the arm."""
        done = super().on_activate(state)
        if done == TransitionCallbackReturn.SUCCESS:
            realtime = self._mode is Mode.REALTIME
            period_s = self._description.control_period_s if realtime else _WATCHDOG_PERIOD_S
            self._tick_timer = steady_timer(self, period_s, self._on_tick)
            self._joint_timer = steady_timer(self, self._joint_state_period_s, self._on_joint_timer)
        return done

    @transition
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Hold the arm and refuse to move it."""
        self._end("the robot node was deactivated")
        return super().on_deactivate(state)

    @transition
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the backend."""
        self._disconnect()
        return super().on_cleanup(state)

    @transition
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Hold the arm and let go of the backend."""
        self.close()
        return super().on_shutdown(state)

    def finish(self, executor: Executor) -> None:
        """Hold the arm, and stay until whoever has it move has asked whether it does."""
        loop = self._active_loop
        moved = loop is not None and loop.phase is not Phase.IDLE
        self._end(_SHUT_DOWN)
        end_s = time.monotonic() + _FAREWELL_S
        while moved and not self._asked_to_hold and time.monotonic() < end_s:
            executor.spin_once(timeout_sec=_WATCHDOG_PERIOD_S)
        # The answer is still on its way, and more may ask.
        end_s = time.monotonic() + _LAST_ANSWERS_S
        while moved and time.monotonic() < end_s:
            executor.spin_once(timeout_sec=_WATCHDOG_PERIOD_S)

    def close(self) -> None:
        """Hold the arm and let go of the backend."""
        try:
            self._end(_SHUT_DOWN)
        finally:
            self._disconnect()

    def come_to_rest(self) -> None:
        """Hold the arm and let go of the backend, however far a transition had come."""
        try:
            self._end(f"the robot node failed: {self.failure}")
        finally:
            # Also one that had only begun to connect.
            self._loop = None
            self._robot.close()

    def _autostart(self) -> None:
        succeeded = TransitionCallbackReturn.SUCCESS
        if self.trigger_configure() != succeeded or self.trigger_activate() != succeeded:
            self.close()
            raise RobotError(f"the robot cannot be started: {self.failure or 'see its log'}")

    def _end(self, reason: str) -> None:
        timers = (self._tick_timer, self._joint_timer)
        self._tick_timer = self._joint_timer = None
        try:
            self._hold(reason)
        finally:
            for timer in timers:
                if timer is not None:
                    self.destroy_timer(timer)

    def _disconnect(self) -> None:
        if self._loop is not None:
            self._loop = None
            self._robot.close()

    @property
    def _active_loop(self) -> RobotLoop | None:
        """The loop while the node is active."""
        return self._loop if self._tick_timer is not None else None

    # Motion

    async def _on_reset(self, _: Reset.Request, response: Reset.Response) -> Reset.Response:
        loop = self._active_loop
        if loop is None:
            response.message = (
                "the robot node is shut down; start it anew"
                if self.shut_down
                else "the robot node is not active; configure and activate it first"
            )
            return response
        if self._must_not_move:
            fault = self._attended.fault if self._attended else ""
            response.message = f"{fault}; {TO_ENABLE}" if fault else self._must_not_move
            return response
        if self._attendance is not None and self._attendance.enabling:
            response.message = "the arm is being enabled; ask again when it is"
            return response
        self._end_reset("another reset was asked for")
        self._asked_to_hold = False
        try:
            events: Sequence[RobotEvent] = loop.reset(time.monotonic())
            if loop.phase is Phase.RESETTING:
                self._resetting = Future()
                events = await self._resetting
        except RobotError as error:
            response.message = str(error)
            return response
        # The first control period begins now, not in the middle of a tick.
        if self._tick_timer is not None:
            self._tick_timer.reset()
        self._last_tick_s = time.monotonic()
        self._publish(events)
        response.success = True
        response.trajectory = loop.trajectory
        return response

    def _end_reset(self, failure: str = "", events: Sequence[RobotEvent] = ()) -> None:
        """Answer whoever waits for a reset."""
        waiting, self._resetting = self._resetting, None
        if waiting is None:
            return
        if failure:
            waiting.set_exception(RobotError(failure))
        else:
            waiting.set_result(events)

    def _on_command(self, message: EndEffectorCommand) -> None:
        loop = self._active_loop
        if loop is None:
            return
        frame = message.header.frame_id
        if frame == FRAME_BASE:
            displacement_base = displacement_from_message(message)
            now_s = time.monotonic()
            self._publish(loop.command(message.trajectory, message.step, displacement_base, now_s))
        elif loop.phase is Phase.RUNNING:
            self._hold(f"a command in frame {brief(frame)}; allowed: {FRAME_BASE}")

    def _on_tick(self) -> None:
        if self._loop is None or self._tick_timer is None:
            return
        now_s = time.monotonic()
        events = self._loop.tick(now_s)
        if self._resetting is None:
            self._publish(events)
        elif self._loop.phase is Phase.RUNNING:
            self._end_reset(events=events)
        elif self._loop.phase is not Phase.RESETTING:
            self._end_reset(failure=self._loop.reason)
        if now_s - self._last_tick_s > _LATE_TICK * self._description.control_period_s:
            # Whoever answers the observation of a late tick still gets a whole period.
            self._tick_timer.reset()
        self._last_tick_s = now_s

    def _on_hold(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._loop is None:
            response.message = "the robot node is not configured; no arm is in its hands"
            return response
        self._hold("somebody asked the robot node to hold")
        self._asked_to_hold = True
        response.success = True
        response.message = "the arm holds until the next reset"
        if self._attended is not None:
            # The next reset may be under way already.
            self._must_not_move = _TOLD_TO_HOLD
            response.message = "the arm holds until somebody enables it"
        return response

    def _hold(self, reason: str) -> None:
        if self._loop is not None:
            self._publish(self._loop.hold(reason))
            self._end_reset(failure=reason)
            if self._attendance is not None and self._attendance.enabling:
                with suppress(RobotError):  # a lost link switches no motors on
                    self._robot.hold()  # for the loop it holds already

    def _on_enabled(self, reason: str) -> None:
        if self._loop is not None:
            self._must_not_move = ""
            self._loop.recover(reason)
            # Whoever waits for it should not wait for the next second.
            self._publish_diagnostics()

    # What others hear

    def _publish(self, events: Sequence[RobotEvent]) -> None:
        if not self.context.ok():
            return  # an interrupt has shut rclpy down; the arm is held all the same
        for event in events:
            stamp = self.get_clock().now().to_msg()
            if isinstance(event, Observed):
                self._observations.publish(observed_to_message(event, stamp))
                continue
            self._applied.publish(applied_to_message(event, stamp))
            if event.status is not Status.OK:
                # Whoever watches should not wait for the next second.
                self._publish_diagnostics()

    def _on_joint_timer(self) -> None:
        stamp = self.get_clock().now().to_msg()
        try:
            if self._joint_commands.get_subscription_count():
                # Ticks alone, so that all stamps are of the clock that they are on.
                self._publish_ticks(self._robot.joint_ticks())
                return
            states = self._robot.joint_states()
        except RobotError:
            return  # diagnostics say why nothing is known of the arm
        self._joint_states.publish(
            joint_states_to_message(states, names=self._description.joint_names, stamp=stamp)
        )

    def _publish_ticks(self, ticks: Sequence[JointTick]) -> None:
        """Tell everything about the joints, since somebody wants to know what they are told."""
        names = self._description.joint_names
        for tick in ticks:
            measured = time_of(tick.measured_s)
            self._joint_states.publish(
                joint_states_to_message(tick.states, names=names, stamp=measured)
            )
            if tick.targets is not None:
                sent = time_of(tick.sent_s)
                self._joint_commands.publish(
                    joint_command_to_message(tick.targets, names=names, stamp=sent)
                )

    def _publish_diagnostics(self) -> None:
        level, summary, values = self._health()
        self._diagnostics.publish(
            diagnostics_to_message(
                name=ROBOT_DIAGNOSTICS,
                hardware=self.get_fully_qualified_name(),
                level=level,
                summary=summary,
                values=values,
                stamp=self.get_clock().now().to_msg(),
            )
        )

    def _health(self) -> tuple[bytes, str, dict[str, str]]:
        loop = self._active_loop
        if loop is None:
            return DiagnosticStatus.WARN, "not active", {}
        values = {
            "backend": self._description.name,
            "mode": self._mode.value,
            "phase": loop.phase.value,
            "trajectory": str(loop.trajectory),
            "step": str(loop.step),
            "commands ignored": str(loop.ignored),
            **self._robot.diagnostics(),
        }
        fault = self._attended.fault if self._attended is not None else ""
        if fault and not loop.faulted:
            return DiagnosticStatus.ERROR, fault, values
        if self._must_not_move:
            return DiagnosticStatus.WARN, self._must_not_move, values
        if loop.phase is Phase.RESETTING:
            return DiagnosticStatus.OK, loop.reason, values
        if loop.phase is not Phase.HOLDING:
            return DiagnosticStatus.OK, loop.phase.value, values
        level = DiagnosticStatus.ERROR if loop.faulted else DiagnosticStatus.OK
        return level, f"holding: {loop.reason}", values

    def _declare_description(self) -> None:
        """Declare what the backend observes and accepts; no override may change it."""
        description = self._description
        for name, value in (
            ("control_rate_hz", description.control_rate_hz),
            ("step_size_m", description.step_size_m),
            ("observation_layout", list(description.observation_layout)),
            ("joint_names", list(description.joint_names)),
        ):
            descriptor = ParameterDescriptor(
                description="What the backend observes and accepts.", read_only=True
            )
            self.declare_parameter(name, value, descriptor, ignore_override=True)


def main() -> None:
    """Run the robot node as a process."""
    sys.exit(run_nodes("robot", lambda: [RobotNode()]))


if __name__ == "__main__":
    main()
