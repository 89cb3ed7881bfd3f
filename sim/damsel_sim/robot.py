"""The simulated Sawyer as one robot: what the ROS 2 nodes and the offline evaluator drive."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel.control import ControllerCfg
from damsel_sim.arm_parameters import ArmParameters
from damsel_sim.physics import JointPath, TabletopPhysics

__all__ = ["SimulatedRobot", "StepResult"]

Array = NDArray[np.float64]


class StepResult(NamedTuple):
    """What one control step did.

    Attributes:
        observation: (12,), metres in frame `base`, after the step.
        applied: (3,), metres, the displacement after controller and safety layer.
        clipped: whether that differs from the one asked for.
        peak_contact_force: newtons, largest in the step.
        joint_positions: (7,), radians, measured after the step.
        joint_velocities: (7,), radians per second.
    """

    observation: Array
    applied: Array
    clipped: bool
    peak_contact_force: float
    joint_positions: Array
    joint_velocities: Array


class SimulatedRobot:
    """One arm at its table. The same displacements give the same observations, bit for bit."""

    def __init__(self, cfg: ControllerCfg | None = None, arm: ArmParameters | None = None) -> None:
        """Set up the scene at rest.

        Args:
            cfg: controller and safety configuration.
            arm: how the arm differs from the nominal one; not at all by default.
        """
        self.cfg = cfg or ControllerCfg()
        self._physics = TabletopPhysics(1, self.cfg, arm=arm)

    @property
    def physics(self) -> TabletopPhysics:
        """The scene, with one row; for rendering."""
        return self._physics

    @property
    def joint_positions(self) -> Array:
        """Measured joint positions (7,), radians."""
        positions: Array = self._physics.joint_positions[0].copy()
        return positions

    @property
    def joint_velocities(self) -> Array:
        """Measured joint velocities (7,), radians per second."""
        velocities: Array = self._physics.joint_velocities[0].copy()
        return velocities

    @property
    def joint_path(self) -> JointPath:
        """What joints were told and did in the latest step, (ticks, 7) each."""
        return JointPath(*(one[0] for one in self._physics.joint_path()))

    def observe(self) -> Array:
        """Observation (12,) now, metres in frame `base`."""
        observation: Array = self._physics.observation()[0]
        return observation

    def reset(self) -> Array:
        """Put everything back to the start and return the first observation (12,)."""
        self._physics.reset()
        return self.observe()

    def step(self, displacement: Array) -> StepResult:
        """Run one control step.

        Args:
            displacement: (3,), metres in frame `base`; a non-finite one counts as zero.
        """
        step = self._physics.step(np.asarray(displacement, np.float64).reshape(1, 3))
        return StepResult(
            self.observe(),
            step.applied[0],
            bool(step.clipped[0]),
            float(step.peak_contact_force[0]),
            self.joint_positions,
            self.joint_velocities,
        )

    def hold(self) -> StepResult:
        """Run one control step without a command: the arm stays where it is."""
        return self.step(np.zeros(3))
