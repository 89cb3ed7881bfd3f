"""The control loop of the robot node, without ROS: who may move the arm, when, and for how long.

A trajectory starts with a reset and ends with the next one, with a hold, or with a fault. A reset
may take its time: on hardware the arm goes back slowly and a person puts the objects back. In
lock-step a command makes the robot step at once, so simulated time stands still while nobody
commands. In real time a clock ends every step, and a step without a command holds the arm.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from damsel.errors import PerceptionError, RobotError
from damsel.safety import Watchdog
from damsel_ros.backends.base import AppliedStep, Robot
from damsel_ros.events import Applied, Observed, Status

__all__ = ["Mode", "Phase", "RobotEvent", "RobotLoop"]


class Mode(Enum):
    """Who says when a control step is over."""

    LOCKSTEP = "lockstep"
    REALTIME = "realtime"


class Phase(Enum):
    """Whether commands move the arm."""

    IDLE = "idle"
    RESETTING = "resetting"
    RUNNING = "running"
    HOLDING = "holding"


RobotEvent = Observed | Applied

_NOTHING = AppliedStep(np.zeros(3), clipped=False, peak_contact_force_n=float("nan"))


class RobotLoop:
    """Moves a robot on command and holds it otherwise.

    Every method that can move the arm returns what to publish, in order. Times are seconds of
    one monotonic clock.

    Attributes:
        phase: Whether commands move the arm.
        reason: Why the arm holds, or what a reset waits for; empty otherwise.
        faulted: Whether it holds because something went wrong.
        trajectory: Id of the current trajectory.
        step: Current step of it.
        ignored: Commands dropped because they answered another trajectory or step.
    """

    def __init__(
        self, robot: Robot, *, mode: Mode, command_timeout_s: float, first_trajectory: int
    ) -> None:
        """Make an idle loop.

        Args:
            robot: A connected robot.
            mode: Who says when a control step is over.
            command_timeout_s: Without a command for this long the trajectory is over.
            first_trajectory: Id of the first trajectory. Draw it so that it differs from those
                of an earlier robot node, whose messages may still be around.
        """
        self._robot = robot
        self._mode = mode
        self._watchdog = Watchdog(command_timeout_s)
        self._next_trajectory = first_trajectory
        self._answered = False
        self._lost = ""
        self.phase = Phase.IDLE
        self.reason = ""
        self.faulted = False
        self.trajectory = 0
        self.step = 0
        self.ignored = 0

    def reset(self, now_s: float) -> list[RobotEvent]:
        """Reset the robot and begin a new trajectory.

        Where that takes time the phase is `RESETTING` afterwards, nothing is returned, and `tick`
        returns the first observation when it has come to its end.

        Raises:
            RobotError: If the robot could not be reset; it holds then.
        """
        self.phase, self.reason, self.faulted = Phase.RESETTING, "", False
        self._lost = ""
        try:
            self._robot.reset()
            return self._await_reset(now_s)
        except RobotError as error:
            self._hold(str(error), faulted=True)
            raise

    def _await_reset(self, now_s: float) -> list[RobotEvent]:
        """Begin the trajectory once the robot is reset."""
        self.reason = self._robot.pending_reset()
        if self.reason:
            if self._lost:
                self.reason = f"{self.reason}, once more because {self._lost}"
            return []
        try:
            observation = self._robot.observe()
        except PerceptionError as error:
            # Lost at the last moment: nothing has begun, and somebody looks after the objects.
            self._lost = str(error)
            self.reason = f"the reset begins once more because {self._lost}"
            self._robot.reset()
            return []
        self.trajectory = self._next_trajectory
        # uint32 on the wire, and 0 is kept for "none yet".
        self._next_trajectory = self._next_trajectory % 0xFFFFFFFF + 1
        self.step = 0
        self.phase, self.reason, self.faulted = Phase.RUNNING, "", False
        self._watchdog.feed(now_s)
        self._answered = False
        return [Observed(self.trajectory, 0, observation)]

    def command(
        self, trajectory: int, step: int, displacement_base: NDArray[np.float64], now_s: float
    ) -> list[RobotEvent]:
        """Carry out the command that answers the current observation; drop any other.

        Args:
            trajectory: Trajectory of the observation that the command answers.
            step: Step of that observation.
            displacement_base: (3,) metres in frame `base`.
            now_s: Time of arrival.
        """
        expected = self.phase is Phase.RUNNING and not self._answered
        if not expected or (trajectory, step) != (self.trajectory, self.step):
            self.ignored += 1
            return []
        if not np.isfinite(displacement_base).all():
            return self._stop(f"the command of step {step} is not finite")
        self._watchdog.feed(now_s)
        try:
            events = self._apply(displacement_base, Status.OK)
            if self._mode is Mode.LOCKSTEP:
                events += self._next_step()
            else:
                self._answered = True
        except RobotError as error:
            return self._stop(str(error))
        return events

    def tick(self, now_s: float) -> list[RobotEvent]:
        """Let time pass: call every control period in real time, and now and then in lock-step."""
        if self.phase is Phase.RESETTING:
            try:
                return self._await_reset(now_s)
            except RobotError as error:
                self._hold(str(error), faulted=True)
                return []
        if self.phase is not Phase.RUNNING:
            return []
        if self._watchdog.is_stale(now_s):
            silence = f"no command for {self._watchdog.timeout_s:g} s, the arm holds"
            return self._stop(silence, Status.HELD)
        if self._mode is Mode.LOCKSTEP:
            return []
        try:
            events: list[RobotEvent] = []
            if not self._answered:
                events += self._apply(np.zeros(3), Status.HELD, f"no command for step {self.step}")
            self._answered = False
            return events + self._next_step()
        except PerceptionError as error:
            # The arm is well and knows it: the trajectory is thrown away and made again.
            return self._stop(str(error), Status.HELD)
        except RobotError as error:
            return self._stop(str(error))

    def hold(self, reason: str) -> list[RobotEvent]:
        """End the trajectory or the reset because somebody asked for it, and hold the arm."""
        if self.phase is Phase.HOLDING:
            # Whoever means to go on has to hear of it; the cause of a fault stays.
            return [Applied(self.trajectory, self.step, _NOTHING, Status.STOPPED, reason)]
        if self.phase is Phase.RUNNING:
            return self._stop(reason, faulted=False)
        if self.phase is Phase.RESETTING:
            self._hold(reason, faulted=False)
        return []

    def recover(self, reason: str) -> None:
        """End a fault: somebody has looked into it. The arm goes on holding.

        Args:
            reason: Why it holds now.
        """
        if self.phase is Phase.HOLDING:
            self.reason, self.faulted = reason, False

    def _apply(
        self, displacement_base: NDArray[np.float64], status: Status, reason: str = ""
    ) -> list[RobotEvent]:
        applied = self._robot.step(displacement_base)
        return [Applied(self.trajectory, self.step, applied, status, reason)]

    def _next_step(self) -> list[RobotEvent]:
        observation = self._robot.observe()
        # Not before: an observation that cannot be made is missed in the step that led to it.
        self.step += 1
        return [Observed(self.trajectory, self.step, observation)]

    def _stop(
        self, reason: str, status: Status = Status.STOPPED, *, faulted: bool = True
    ) -> list[RobotEvent]:
        self._hold(reason, faulted=faulted)
        return [Applied(self.trajectory, self.step, _NOTHING, status, reason)]

    def _hold(self, reason: str, *, faulted: bool) -> None:
        self.phase, self.reason, self.faulted = Phase.HOLDING, reason, faulted
        try:
            self._robot.hold()
        except RobotError as error:
            self.reason = f"{reason}; holding failed: {error}"
            self.faulted = True
