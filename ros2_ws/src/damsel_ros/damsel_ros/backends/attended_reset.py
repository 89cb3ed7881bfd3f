"""A reset with a person in it: the arm goes back, the person puts the objects back and says so.

Polled, never waiting. The arm has been let go of while hands are in its workspace: the server
holds it and takes no targets. It must not have been moved when they have done.
"""

from __future__ import annotations

from enum import Enum

from damsel.errors import RobotError, RobotTimeoutError
from damsel.perception import ObjectPoses, misplaced
from damsel_ros.backends.arm_link import ArmLink, Wish
from damsel_ros.backends.arm_motion import MotionMode, start_problem
from damsel_ros.backends.base import TO_ENABLE
from damsel_ros.backends.standstill import Standstill

__all__ = ["AttendedReset", "ResetStage"]

PROMPT = "put block, door and drawer back to their start, step back, and confirm"


class ResetStage(Enum):
    """How far a reset has come."""

    NONE = "none"
    STOPPING = "stopping the arm"
    RETURNING = "the arm returns to its start"
    ASKING = "waiting for somebody to confirm that the objects are back"
    TAKING = "taking control of the arm"
    DONE = "done"


class AttendedReset:
    """One reset after another.

    Attributes:
        stage: How far the current one has come.
    """

    def __init__(
        self,
        link: ArmLink,
        poses: ObjectPoses,
        standstill: Standstill,
        *,
        placement_tolerance_m: float,
        confirm_timeout_s: float,
    ) -> None:
        """Make one that has not begun.

        Args:
            link: The arm.
            poses: The objects.
            standstill: Says whether what was asked for may still be done.
            placement_tolerance_m: How far from its start an object may be.
            confirm_timeout_s: How long a person has.
        """
        self._link = link
        self._poses = poses
        self._standstill = standstill
        self._tolerance_m = placement_tolerance_m
        self._confirm_timeout_s = confirm_timeout_s
        self._asked_s = 0.0
        self._refused = ""
        self.stage = ResetStage.NONE

    @property
    def prompt(self) -> str:
        """What a person is asked to do now; empty for nothing."""
        return PROMPT if self.stage is ResetStage.ASKING else ""

    def begin(self) -> None:
        """Begin a reset, whatever the arm was doing.

        Raises:
            RobotError: If the arm must not move, or this process stood still just now.
        """
        self.stage = ResetStage.NONE
        fault, stood_still = self._link.fault, self._standstill.problem()
        if stood_still and not fault:
            raise RobotError(stood_still)
        problem = fault or self._link.problem()
        if problem:
            raise RobotError(f"{problem}; {TO_ENABLE}")
        self._link.brake()
        self.stage = ResetStage.STOPPING

    def cancel(self) -> None:
        """Forget a reset that is under way."""
        if self.stage is not ResetStage.DONE:
            self.stage = ResetStage.NONE

    def poll(self, now_s: float) -> str:
        """Move on and return what is waited for, in words; empty when done.

        Raises:
            RobotError: If the reset has failed.
        """
        try:
            return self._poll(now_s)
        except RobotError:
            self.stage = ResetStage.NONE
            raise

    def _poll(self, now_s: float) -> str:
        link = self._link
        failure = link.fault or self._standstill.problem() or link.wish_error
        if failure and self.stage is not ResetStage.DONE:
            raise RobotError(failure)
        if self.stage is ResetStage.STOPPING and not link.busy:
            link.wish(Wish.RETURN)
            self.stage = ResetStage.RETURNING
        elif self.stage is ResetStage.RETURNING and not link.busy:
            self._asked_s, self._refused = now_s, ""
            # Hands move objects as they like.
            self._poses.jumps_allowed = True
            self.stage = ResetStage.ASKING
        elif self.stage is ResetStage.ASKING and (problem := link.let_go_problem()):
            raise RobotError(problem)
        elif self.stage is ResetStage.ASKING and now_s - self._asked_s > self._confirm_timeout_s:
            refused = f"; the last to do so was told: {self._refused}" if self._refused else ""
            raise RobotTimeoutError(
                f"nobody confirmed within {self._confirm_timeout_s:g} s that the objects are back"
                f"{refused}"
            )
        elif self.stage is ResetStage.TAKING and not link.busy:
            if link.mode is not MotionMode.STEPPING:
                raise RobotError("control of the arm was lost while the trajectory began")
            self.stage = ResetStage.DONE
        if self.stage is ResetStage.NONE:
            raise RobotError("the reset was interrupted")
        if self.stage is ResetStage.RETURNING and link.phase:
            return f"{self.stage.value} ({link.phase})"
        return "" if self.stage is ResetStage.DONE else self.stage.value

    def confirm(self, now_s: float) -> None:
        """Take somebody's word that the objects are back, and look.

        Raises:
            RobotError: If nobody was asked, this process stood still just now, the arm was moved
                or must not move, or an object is not seen where it starts.
        """
        if self.stage is not ResetStage.ASKING:
            raise RobotError("nothing is to be confirmed now: no reset waits for it")
        self._refused = (
            self._standstill.problem()
            or self._link.problem()
            or start_problem(self._link.measured()[0])
            or self._objects_problem(now_s)
        )
        if self._refused:
            raise RobotError(self._refused)
        self._poses.jumps_allowed = False
        self._link.wish(Wish.STEP)
        self.stage = ResetStage.TAKING

    def _objects_problem(self, now_s: float) -> str:
        """Why the objects cannot be taken to be back, in one line; empty if they can."""
        problem = self._poses.problem(now_s)
        if problem:
            return problem
        wrong = misplaced(self._poses.positions(now_s), self._tolerance_m)
        return f"{'; '.join(wrong)} (allowed: {self._tolerance_m:g} m)" if wrong else ""
