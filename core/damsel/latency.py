"""Acting on time although commands take effect late: a Smith predictor with an identified delay.

A network, a driver or a camera may put whole control steps between a command and what is seen of
it. A policy that was trained without such a delay overshoots, and presses where it meant to stop.
`DelayCompensator` finds out from commands and observations by how many steps they are apart, and
predicts the observation in which the next command will take effect: the commands on their way are
known, and so is how the arm follows them.

Source of the scheme: O. J. Smith, "Closer control of loops with dead time", 1957.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from damsel.observation import (
    ACTION_DIM,
    END_EFFECTOR,
    OBJECTS,
    OBSERVATION_DIM,
)

__all__ = ["MOST_DELAY_STEPS", "DelayCompensator"]

Array = NDArray[np.float64]

MOST_DELAY_STEPS = 4
"""Delays up to here are told apart and compensated."""

_RESPONSE = np.array([0.4, 0.6])
"""Parts of a commanded displacement that are seen in the step of the command and in the next one:
the arm accelerates within its limits."""

_SIGNIFICANT = 5.0
"""Log-likelihood ratio from which another delay is believed instead of the one of now."""

_MOST_SAMPLES = 15
"""Steps that count as independent."""

_KEPT = 0.99
"""Part of the evidence that a step leaves of what was before it: a delay may change."""

_OBJECTS = tuple(OBJECTS.values())

_FREE_M = 0.08
"""The tool touches nothing when it is further than this from every object's centre."""

_STILL_M = 0.001
"""What moved less than this in a step stood still; an object that moved more goes with the tool."""


class DelayCompensator:
    """Identifies the delay of commands, in whole control steps, and predicts across it.

    Attributes:
        delay_steps: delay as identified so far; 0 leaves every observation as it is.
    """

    def __init__(self, step_size_m: float) -> None:
        self._step_size_m = step_size_m
        self._squares = np.zeros(MOST_DELAY_STEPS + 1)
        self._seen = 0.0
        self.delay_steps = 0
        self.restart()

    def restart(self) -> None:
        """Begin a new trajectory, the arm at rest; what was found out about the delay stays."""
        taps = MOST_DELAY_STEPS + len(_RESPONSE)
        self._commands = np.zeros((taps, ACTION_DIM))  # the newest last
        self._before: Array | None = None
        self._moved = False
        self._squares_now, self._seen_now = np.zeros(MOST_DELAY_STEPS + 1), 0

    def command(self, action: Array) -> None:
        """Take note of the action (3,) that was commanded under the latest observation."""
        self._commands = np.concatenate([self._commands[1:], action[None]])

    def predict(self, observation: Array) -> Array:
        """The observation in which the next command will take effect.

        Args:
            observation: (12,), the latest, metres in frame `base`; once a control step.

        Returns:
            (12,).
        """
        if observation.shape != (OBSERVATION_DIM,) or not np.isfinite(observation).all():
            return observation  # which the policy refuses
        before, self._before = self._before, observation
        if before is None:
            return observation
        motion = observation - before
        self._learn(observation, motion[END_EFFECTOR])
        if self.delay_steps == 0:
            return observation
        steps = [self._expected(self.delay_steps - ahead) for ahead in range(self.delay_steps)]
        tool = np.sum(steps, axis=0)
        predicted = observation.copy()
        predicted[END_EFFECTOR] += tool
        for part in _OBJECTS:
            speed = np.linalg.norm(motion[part])
            if speed > _STILL_M:
                along = motion[part] / speed
                predicted[part] += max(0.0, float(along @ tool)) * along
        return predicted

    def _learn(self, observation: Array, motion: Array) -> None:
        """Weigh the delays by how well each explains the tool's last motion (3,), metres.

        Only free motion counts: a tool that is held by what it touches lags, too. A tool that has
        not moved in this trajectory says how long commands are on their way once it does.
        """
        tool = observation[END_EFFECTOR]
        if min(np.linalg.norm(tool - observation[part]) for part in _OBJECTS) < _FREE_M:
            return
        errors = [motion - self._expected(delay + 1) for delay in range(MOST_DELAY_STEPS + 1)]
        self._squares_now += np.sum(np.square(errors), axis=1)
        self._seen_now += 1
        if not self._moved and float(np.linalg.norm(motion)) < _STILL_M:
            return
        self._moved = True
        self._squares = _KEPT * self._squares + self._squares_now
        self._seen = _KEPT * self._seen + self._seen_now
        self._squares_now, self._seen_now = np.zeros(MOST_DELAY_STEPS + 1), 0
        best = int(self._squares.argmin())
        samples = ACTION_DIM * min(self._seen, _MOST_SAMPLES) / 2
        squares = self._squares + 1e-12
        if samples * np.log(squares[self.delay_steps] / squares[best]) > _SIGNIFICANT:
            self.delay_steps = best

    def _expected(self, age: int) -> Array:
        """Tool's displacement (3,) in a step whose command is `age` old, 1 the newest; metres."""
        newest = len(self._commands) - age
        taps = self._commands[newest - np.arange(len(_RESPONSE))]
        return self._step_size_m * _RESPONSE @ taps
