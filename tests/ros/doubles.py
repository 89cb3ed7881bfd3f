"""Doubles for the state machines of the nodes: a robot and a bundle without physics and ONNX."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from damsel.bundle import Bundle
from damsel.errors import PerceptionError, RobotError
from damsel.observation import OBSERVATION_LAYOUT
from damsel_ros.backends.base import AppliedStep, JointStates, JointTick, RobotDescription

Array = NDArray[np.float64]

DESCRIPTION = RobotDescription(
    name="double",
    control_rate_hz=20.0,
    step_size_m=0.01,
    observation_layout=OBSERVATION_LAYOUT,
    joint_names=("j0",),
)


class DoubleRobot:
    """Integrates displacements, clips them to 1 cm, and notes what was asked of it."""

    def __init__(self) -> None:
        self.description = DESCRIPTION
        self.position = np.zeros(3)
        self.calls: list[str] = []
        self.fail_with = ""
        self.pending = ""
        self.lose_objects = ""

    def connect(self) -> None:
        self.calls.append("connect")

    def close(self) -> None:
        self.calls.append("close")

    def reset(self) -> None:
        self._do("reset")
        self.position = np.zeros(3)

    def pending_reset(self) -> str:
        if self.fail_with:
            raise RobotError(self.fail_with)
        return self.pending

    def observe(self) -> Array:
        if self.lose_objects:
            raise PerceptionError(self.lose_objects)
        return np.concatenate([self.position, np.zeros(9)])

    def step(self, displacement_base: Array) -> AppliedStep:
        self._do("step")
        applied = np.clip(displacement_base, -0.01, 0.01)
        self.position = self.position + applied
        return AppliedStep(applied, bool((applied != displacement_base).any()), 0.0)

    def hold(self) -> None:
        self.calls.append("hold")

    def joint_states(self) -> JointStates:
        return JointStates(np.zeros(1), np.zeros(1))

    def joint_ticks(self) -> list[JointTick]:
        return []

    def diagnostics(self) -> Mapping[str, str]:
        return {}

    def _do(self, call: str) -> None:
        if self.fail_with:
            raise RobotError(self.fail_with)
        self.calls.append(call)


class DoubleBundle:
    """A policy that acts out its latent, and an encoder that returns the family's component."""

    path = "double"
    families = ("push", "door", "drawer")
    latent_dim = 3
    control_rate_hz = 20.0
    horizon = 3
    step_size_m = 0.01

    def __init__(self) -> None:
        self.components = {name: np.eye(3)[i] for i, name in enumerate(self.families)}

    check_robot = Bundle.check_robot

    def encode(self, _context: Array, family: str) -> Array:
        return self.components[family]

    def act(self, _observation: Array, latent: Array) -> Array:
        return latent
