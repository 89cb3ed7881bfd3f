"""One adaptation over the robot and task nodes, without ROS.

The run is a state machine: every message, tick or answer goes in with the time of its arrival,
and what the node should do comes out. Nothing in it waits, so nothing in it can hang.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from typing import TypeGuard

import numpy as np

from damsel.adaptation import Adaptation, Request, TrajectoryRecord
from damsel.bundle import Bundle
from damsel.errors import DamselError
from damsel_ros.adapt_effects import (
    AskRobot,
    BeginTrajectory,
    Command,
    Disturbed,
    Effect,
    Ended,
    Hold,
    Outcome,
    Progress,
)
from damsel_ros.backends.base import RobotDescription
from damsel_ros.events import Applied, Observed, Rewarded, Status, StepEvent
from damsel_ros.run_limits import RunLimits
from damsel_ros.trajectory_buffer import TrajectoryBuffer

__all__ = ["MAX_ITERATIONS", "AdaptRun"]

MAX_ITERATIONS = 100
"""Most adaptation trajectories of one run."""

_EARLY_EVENTS = 64
_STOOD_STILL_S = 0.5
_REMEMBERED_S = 25.0
"""For how long a node that was killed may be seen on; DDS takes up to 20 s to miss it."""


class _Phase(Enum):
    CONNECTING = "connecting"
    ASKING = "asking"
    RESETTING = "resetting"
    ROLLING = "rolling"
    ENDED = "ended"


class AdaptRun:
    """Drives one `Adaptation` with what comes from the robot and task nodes.

    Every method takes the time of the event on one monotonic clock, in seconds, and returns what
    the node should do, in order.
    """

    def __init__(
        self,
        adaptation: Adaptation,
        *,
        bundle: Bundle,
        limits: RunLimits,
        now_s: float,
    ) -> None:
        """Make a run that waits for its peers; `tick` moves it on.

        Args:
            adaptation: A fresh adaptation.
            bundle: The bundle of that adaptation.
            limits: How patient to be.
            now_s: The time.
        """
        self._adaptation = adaptation
        self._bundle = bundle
        self._limits = limits
        self._phase = _Phase.CONNECTING
        self._progress_s = self._peers_seen_s = self._ticked_s = now_s
        self._alone_by_s = now_s + _REMEMBERED_S
        self._feedback_s = now_s
        self._buffer = TrajectoryBuffer(0)
        self._early: list[StepEvent] = []
        self._commands_sent = 0
        self._extended = 0
        self._last_step = bundle.horizon
        self._fault = ""
        self._repeats = 0
        self.finished: list[Progress] = []

    @property
    def ended(self) -> bool:
        """Whether the run is over; it then ignores whatever still arrives."""
        return self._phase is _Phase.ENDED

    # What arrives

    def tick(
        self, now_s: float, missing_peers: Sequence[str] = (), surplus: str = ""
    ) -> list[Effect]:
        """Let time pass; to be called several times a second.

        Args:
            now_s: The time.
            missing_peers: What of the other nodes cannot be seen, in words. A run waits for them
                at its beginning; a reset, which may take a person's time, is not waited for when
                they have been gone for as long as a message may take.
            surplus: Which of the nodes there is more than once, in words: all of them would move;
                or which is another than when the run began. A run waits at its beginning until
                those that were killed are forgotten.
        """
        # While this process stood still nobody was silent: what they said is still to be read.
        deaf_s = max(0.0, now_s - self._ticked_s - _STOOD_STILL_S)
        self._ticked_s = now_s
        self._progress_s = min(now_s, self._progress_s + deaf_s)
        self._peers_seen_s = min(now_s, self._peers_seen_s + deaf_s)
        if surplus and self._phase is _Phase.CONNECTING and now_s < self._alone_by_s:
            self._progress_s = now_s
            return []
        if surplus and not self.ended:
            return self._abort(surplus)
        if not missing_peers:
            self._peers_seen_s = now_s
        if self._phase is _Phase.CONNECTING and not missing_peers:
            self._enter(_Phase.ASKING, now_s)
            return [AskRobot()]
        gone = now_s - self._peers_seen_s > self._limits.silence_timeout_s
        if self._phase is _Phase.RESETTING and gone:
            return self._abort(f"in the middle of a reset {missing_peers[0]}")
        if self._phase is _Phase.ENDED or now_s - self._progress_s <= self._patience_s:
            return []
        if self._phase is _Phase.CONNECTING:
            return self._abort(f"{missing_peers[0]} within {self._patience_s:g} s")
        return self._abort(f"{self._silent_one()} within {self._patience_s:g} s")

    def robot_described(self, description: RobotDescription, now_s: float) -> list[Effect]:
        """The robot node has said what it observes and accepts."""
        if self._phase is not _Phase.ASKING:
            return []
        try:
            description.check_fits(self._bundle)
        except DamselError as error:
            return self._abort(str(error))
        return self._begin(now_s)

    def robot_failed(self, message: str) -> list[Effect]:
        """The robot node could not do what it was asked."""
        return [] if self.ended else self._abort(f"the robot node: {message}")

    def trajectory_began(self, trajectory: int, now_s: float) -> list[Effect]:
        """The reset that was asked for is done."""
        if self._phase is not _Phase.RESETTING:
            return []
        self._buffer = TrajectoryBuffer(trajectory)
        self._commands_sent = 0
        self._extended = 0
        self._last_step = self._bundle.horizon
        self._fault = ""
        self._enter(_Phase.ROLLING, now_s)
        early, self._early = self._early, []
        return [effect for event in early for effect in self.receive(event, now_s)]

    def receive(self, event: StepEvent, now_s: float) -> list[Effect]:
        """An observation, an applied command or a reward has arrived."""
        if self._phase is _Phase.RESETTING:
            # Topics may be faster than the answer of the reset service.
            self._early = [*self._early[-_EARLY_EVENTS:], event]
            if self._is_stop_meanwhile(event):
                return self._abort(f"the robot node stopped the arm: {event.reason}")
        if self._phase is not _Phase.ROLLING:
            return []
        if event.trajectory != self._buffer.trajectory:
            if isinstance(event, Observed) and self._is_later(event.trajectory):
                return self._abort(
                    "somebody else has reset the robot in the middle of a trajectory"
                )
            return []
        try:
            problem = self._add(event)
            return self._abort(problem) if problem else self._advance(now_s)
        except DamselError as error:
            return self._abort(str(error))

    def _is_stop_meanwhile(self, event: StepEvent) -> TypeGuard[Applied]:
        """Whether the arm was stopped after the last trajectory, before the next reset began."""
        return (
            isinstance(event, Applied)
            and event.status is Status.STOPPED
            and event.trajectory == self._buffer.trajectory
        )

    def _is_later(self, trajectory: int) -> bool:
        """Whether a trajectory began after this run's own; ids count up and are uint32."""
        return 0 < (trajectory - self._buffer.trajectory) % 2**32 < 2**31

    def cancel(self, why: str = "canceled") -> list[Effect]:
        """Stop the arm and end the run."""
        return [] if self.ended else self._end(Outcome.CANCELED, why)

    # The run

    def _add(self, event: StepEvent) -> str:
        """Add what arrived to the trajectory; return why the run cannot go on, if so."""
        buffer, step = self._buffer, event.step
        if isinstance(event, Observed):
            if not np.isfinite(event.observation).all():
                return f"the robot node's observation of step {step} is not finite"
            buffer.add_observation(step, event.observation)
        elif isinstance(event, Rewarded):
            if not math.isfinite(event.value):
                return f"the task node's reward of step {step} is not finite"
            buffer.add_reward(step, event.value)
        elif event.status is Status.STOPPED:
            return f"the robot node stopped the arm: {event.reason}"
        elif event.status is Status.HELD:
            # After the last step nobody commands any more, and the arm is right to hold.
            if step < self._last_step:
                self._fault = event.reason
        else:
            buffer.add_action(step, event.applied.displacement_base / self._bundle.step_size_m)
        return ""

    def _advance(self, now_s: float) -> list[Effect]:
        """Do what the messages so far allow: finish the trajectory, repeat it or command."""
        buffer, step = self._buffer, self._commands_sent
        while self._extended < min(buffer.complete_steps, step):
            self._adaptation.extend(buffer.transition(self._extended))
            self._extended += 1
        if self._extended == step and self._adaptation.probe_told_enough:
            self._last_step = step
        if buffer.complete_steps == self._last_step:
            return self._finish(now_s)
        if self._waits_for_reward:
            # Before the fault: without a reward there was no command, so a robot that complains
            # of silence is only the messenger.
            return []
        if self._fault:
            return self._repeat(now_s)
        if step == self._last_step or buffer.observations <= step or self._extended < step:
            return []
        action = self._adaptation.act(buffer.observation(step))
        self._commands_sent += 1
        self._progress_s = now_s
        command = Command(buffer.trajectory, step, action * self._bundle.step_size_m)
        return [command, *self._report(now_s)]

    @property
    def _probing(self) -> bool:
        return self._request.stage == "probe"

    @property
    def _request(self) -> Request:
        request = self._adaptation.request
        assert request is not None, "only asked for while the adaptation is not done"
        return request

    @property
    def _waits_for_reward(self) -> bool:
        """Whether the next command must wait for a reward of an observation that is there.

        The latest reward may cut a probe short or change the latent.
        """
        return len(self._buffer.rewards) < min(self._commands_sent, self._buffer.observations - 1)

    def _begin(self, now_s: float) -> list[Effect]:
        self._enter(_Phase.RESETTING, now_s)
        self._early = []
        return [BeginTrajectory(self._request, self._adaptation.context_transitions)]

    def _finish(self, now_s: float) -> list[Effect]:
        trajectory = self._buffer.build(self._last_step)
        self._adaptation.receive(trajectory)
        self._repeats = 0
        progress = Progress(
            self._adaptation.records[-1], self._buffer.trajectory, len(trajectory), finished=True
        )
        self.finished.append(progress)
        if self._adaptation.done:
            return [progress, *self._end(Outcome.SUCCEEDED)]
        return [progress, *self._begin(now_s)]

    def _repeat(self, now_s: float) -> list[Effect]:
        """Throw the trajectory away: nothing of it may enter the context."""
        if self._repeats == self._limits.max_repeats:
            return self._abort(
                f"a trajectory was disturbed {self._repeats + 1} times in a row, the last time: "
                f"{self._fault}"
            )
        self._repeats += 1
        self._adaptation.restart()
        return [Disturbed(self._fault), *self._begin(now_s)]

    def _report(self, now_s: float) -> list[Effect]:
        if now_s - self._feedback_s < self._limits.feedback_period_s:
            return []
        self._feedback_s = now_s
        rewards = self._buffer.rewards
        record = TrajectoryRecord(
            stage=self._request.stage,
            family=self._request.family,
            iteration=self._request.iteration,
            latent=self._request.latent,
            average_return=float(np.mean(rewards)) if rewards else 0.0,
            last_reward=rewards[-1] if rewards else 0.0,
        )
        return [Progress(record, self._buffer.trajectory, len(rewards), finished=False)]

    # Patience and endings

    @property
    def _patience_s(self) -> float:
        limits = self._limits
        return {
            _Phase.CONNECTING: limits.discovery_timeout_s,
            _Phase.RESETTING: limits.reset_timeout_s,
        }.get(self._phase, limits.silence_timeout_s)

    def _silent_one(self) -> str:
        """Name the node that the run waits for, and what it waits for."""
        if self._phase is _Phase.ASKING:
            return "the robot node went silent: no answer about its control rate"
        if self._phase is _Phase.RESETTING:
            return "the robot node went silent: no answer from service reset"
        buffer, step = self._buffer, self._commands_sent
        if buffer.observations <= step:
            return f"the robot node went silent: no observation of step {buffer.observations}"
        if len(buffer.rewards) < min(step, buffer.observations - 1):
            reward = len(buffer.rewards) + 1
            return f"the task node went silent: no reward of step {reward} (is a task set?)"
        return f"the robot node went silent: nothing on applied after step {buffer.complete_steps}"

    def _enter(self, phase: _Phase, now_s: float) -> None:
        self._phase = phase
        self._progress_s = now_s

    def _abort(self, message: str) -> list[Effect]:
        return self._end(Outcome.ABORTED, message)

    def _end(self, outcome: Outcome, message: str = "") -> list[Effect]:
        self._phase = _Phase.ENDED
        return [Hold(), Ended(outcome, message)]
