"""The simulated Sawyer; the only module of this package that imports the simulation."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from damsel.control import ControllerCfg
from damsel.errors import RobotError
from damsel.observation import OBSERVATION_LAYOUT
from damsel_ros.backends.base import AppliedStep, JointStates, JointTick, RobotDescription
from damsel_sim.robot import SimulatedRobot

__all__ = ["SimBackend"]

_JOINT_NAMES = tuple(f"right_j{joint}" for joint in range(7))

_SETTLING_STEPS = 10
_AT_REST_RAD_S = 0.01
_KEPT_TICKS = 2000
_RESET_S = 1.0


class SimBackend:
    """A `damsel_sim.robot.SimulatedRobot`, which holds controller, safety layer and physics."""

    def __init__(self) -> None:
        cfg = ControllerCfg()
        self._description = RobotDescription(
            name="sim",
            control_rate_hz=1.0 / cfg.control_period_s,
            step_size_m=cfg.step_size_m,
            observation_layout=OBSERVATION_LAYOUT,
            joint_names=_JOINT_NAMES,
        )
        self._simulated: SimulatedRobot | None = None
        self._peak_contact_force_n = 0.0
        self._tick_period_s = cfg.safety.tick_period_s
        self._ticks: deque[JointTick] = deque(maxlen=_KEPT_TICKS)
        # Simulated time, which has its own pace but goes on through resets.
        self._time_s = 0.0

    @property
    def description(self) -> RobotDescription:
        """What this robot observes and accepts."""
        return self._description

    def connect(self) -> None:
        """Build the simulation."""
        self._simulated = SimulatedRobot()
        self._simulated.reset()

    def close(self) -> None:
        """Drop the simulation."""
        self._simulated = None

    def reset(self) -> None:
        """Put the simulation back to its start."""
        self._robot.reset()
        self._time_s = max(self._time_s + _RESET_S, time.time())

    def pending_reset(self) -> str:
        """Return that nothing is left to wait for: a simulation resets at once."""
        return ""

    def observe(self) -> NDArray[np.float64]:
        """Return the observation (12,) after the latest step or reset."""
        return self._robot.observe()

    def step(self, displacement_base: NDArray[np.float64]) -> AppliedStep:
        """Simulate one control period under a displacement (3,) in metres."""
        result = self._robot.step(displacement_base)
        self._note_ticks()
        self._peak_contact_force_n = max(self._peak_contact_force_n, result.peak_contact_force)
        return AppliedStep(
            displacement_base=result.applied,
            clipped=result.clipped,
            peak_contact_force_n=result.peak_contact_force,
        )

    def hold(self) -> None:
        """Bring the simulated arm to rest where it is.

        Simulated time stands still afterwards, so the arm gets the time now that it needs to
        settle.
        """
        for _ in range(_SETTLING_STEPS):
            result = self._robot.hold()
            self._note_ticks()
            if np.abs(result.joint_velocities).max() < _AT_REST_RAD_S:
                return

    def joint_states(self) -> JointStates:
        """Return the joint states after the latest step or reset."""
        return JointStates(self._robot.joint_positions, self._robot.joint_velocities)

    def joint_ticks(self) -> Sequence[JointTick]:
        """Return the ticks since the last call; their stamps are of simulated time."""
        ticks = list(self._ticks)
        self._ticks.clear()
        return ticks

    def diagnostics(self) -> Mapping[str, str]:
        """Return the largest contact force since the simulation was built."""
        return {"peak contact force [N]": f"{self._peak_contact_force_n:.1f}"}

    def _note_ticks(self) -> None:
        """Keep the ticks of the step that was just made."""
        path = self._robot.joint_path
        for targets, positions, velocities in zip(*path, strict=True):
            sent_s, self._time_s = self._time_s, self._time_s + self._tick_period_s
            self._ticks.append(
                JointTick(self._time_s, JointStates(positions, velocities), sent_s, targets)
            )

    @property
    def _robot(self) -> SimulatedRobot:
        if self._simulated is None:
            raise RobotError("the simulated robot is not connected")
        return self._simulated
