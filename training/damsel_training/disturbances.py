"""Worlds that differ from the one a method was trained in, and roll-outs in them.

A disturbance changes the physics, what the robot sees, or when its actions arrive. The final state
that success is judged by is always the true one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from damsel.errors import InvalidConfigError
from damsel.observation import ACTION_DIM, END_EFFECTOR
from damsel_sim.arm_parameters import NOMINAL_ARM, ArmParameters
from damsel_sim.physics import TabletopPhysics, load_model

__all__ = ["DISTURBANCES", "Disturbance", "DisturbedTabletop", "SeenStep", "disturbed_model"]

Array = NDArray[np.float64]

_OBJECTS = ("block", "door", "drawer")
_OBJECT_JOINTS = ("door", "drawer")


@dataclass(frozen=True)
class Disturbance:
    """What is different.

    Attributes:
        friction: factor on the sliding friction of every contact.
        mass: factor on mass and inertia of block, door and drawer.
        damping: factor on damping and dry friction of the joints of door and drawer.
        observation_noise_m: standard deviation of white noise on every coordinate of every
            observation: what policy, encoder and reward are given.
        action_delay_steps: control steps by which every action arrives late.
        arm_delay_s: seconds by which joint targets take effect later than on the arm itself.
        arm_smoothing_s: seconds by which the time constant is longer with which the arm's own
            controller approaches a target.
        shift_base: metres by which table, objects and furniture stand off their place.
        shift_seen: whether the observation shows that they do. Rewards count from where the
            objects rest in either case.
    """

    friction: float = 1.0
    mass: float = 1.0
    damping: float = 1.0
    observation_noise_m: float = 0.0
    action_delay_steps: int = 0
    arm_delay_s: float = 0.0
    arm_smoothing_s: float = 0.0
    shift_base: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift_seen: bool = True

    def __post_init__(self) -> None:
        """Refuse what is no physics."""
        for name in ("friction", "mass", "damping"):
            if not 0.0 < getattr(self, name) < np.inf:
                raise InvalidConfigError(
                    f"{name} of a disturbance is {getattr(self, name)}; allowed: above 0"
                )
        for name in ("observation_noise_m", "action_delay_steps", "arm_delay_s", "arm_smoothing_s"):
            if not 0.0 <= getattr(self, name) < np.inf:
                raise InvalidConfigError(
                    f"{name} of a disturbance is {getattr(self, name)}; allowed: from 0"
                )

    def arm(self, arm: ArmParameters) -> ArmParameters:
        """What an arm becomes.

        Raises:
            InvalidConfigError: if no arm is that late; see `damsel_sim.arm_parameters.LIMITS`.
        """
        return replace(
            arm,
            delay_s=arm.delay_s + self.arm_delay_s,
            smoothing_s=arm.smoothing_s + self.arm_smoothing_s,
        )


DISTURBANCES: Mapping[str, Disturbance] = MappingProxyType(
    {
        "none": Disturbance(),
        "friction_low": Disturbance(friction=0.6),
        "friction_high": Disturbance(friction=1.5),
        "mass_low": Disturbance(mass=0.5),
        "mass_high": Disturbance(mass=2.0),
        "damping_low": Disturbance(damping=0.5),
        "damping_high": Disturbance(damping=2.0),
        "noise_5mm": Disturbance(observation_noise_m=0.005),
        "delay_1": Disturbance(action_delay_steps=1),
        "delay_2": Disturbance(action_delay_steps=2),
        "arm_30ms": Disturbance(arm_delay_s=0.03),
        "arm_60ms": Disturbance(arm_delay_s=0.06),
        "arm_smooth": Disturbance(arm_delay_s=0.02, arm_smoothing_s=0.03),
        "table_1cm": Disturbance(shift_base=(0.01, 0.0, 0.0)),
        "table_2cm": Disturbance(shift_base=(0.02, 0.0, 0.0)),
        "table_left_1cm": Disturbance(shift_base=(0.0, 0.01, 0.0)),
        "table_left_2cm": Disturbance(shift_base=(0.0, 0.02, 0.0)),
        "table_unseen_5mm": Disturbance(shift_base=(0.005, 0.0, 0.0), shift_seen=False),
        "table_unseen_1cm": Disturbance(shift_base=(0.01, 0.0, 0.0), shift_seen=False),
        "table_unseen_near_1cm": Disturbance(shift_base=(-0.01, 0.0, 0.0), shift_seen=False),
        "table_unseen_left_1cm": Disturbance(shift_base=(0.0, 0.01, 0.0), shift_seen=False),
    }
)
"""By name; `none` is the world of the training."""


def disturbed_model(disturbance: Disturbance) -> mujoco.MjModel:
    """The scene with the disturbance's physics.

    A shifted table is an arm whose base is shifted the other way, so that frame `world` goes with
    the table: objects rest where they always do in it.
    """
    model = load_model()
    model.geom_friction[:, 0] *= disturbance.friction
    for name in _OBJECTS:
        body = model.body(name)
        body.mass[:] *= disturbance.mass
        body.inertia[:] *= disturbance.mass
    for name in _OBJECT_JOINTS:
        dof = int(model.joint(name).dofadr[0])
        model.dof_damping[dof] *= disturbance.damping
        model.dof_frictionloss[dof] *= disturbance.damping
    model.body("base").pos[:] -= disturbance.shift_base
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


class SeenStep(NamedTuple):
    """What one control step did, as far as the robot is told.

    Attributes:
        observation: (n, 12), metres in frame `base`, after the step.
        applied: (n, 3) in step sizes, the action that the safety layer accepted in this step.
        peak_contact_force: (n,), newtons.
    """

    observation: Array
    applied: Array
    peak_contact_force: Array


class DisturbedTabletop:
    """A batched scene, a row a trajectory, seen and driven through a disturbance."""

    def __init__(
        self,
        rows: int,
        disturbance: Disturbance,
        rng: np.random.Generator,
        arm: ArmParameters | None = None,
    ) -> None:
        """Set up the scene.

        Args:
            rows: number of copies.
            disturbance: what is different.
            rng: source of the observation noise.
            arm: the arm that is simulated; the nominal one by default.
        """
        self.disturbance = disturbance
        self.rows = rows
        self._rng = rng
        self._physics = TabletopPhysics(
            rows, model=disturbed_model(disturbance), arm=disturbance.arm(arm or NOMINAL_ARM)
        )
        self._late: deque[Array] = deque()
        self._noise = np.zeros_like(self.true_observation)

    @property
    def true_observation(self) -> Array:
        """Observation (n, 12) without noise, the objects where they would be on a table in place.

        That is where `damsel.tasks` measures distances.
        """
        return self._physics.observation()

    @property
    def measured_observation(self) -> Array:
        """`true_observation` with the noise of this step: what rewards are measured from."""
        return self.true_observation + self._noise

    def reset(self) -> Array:
        """Start anew in all rows; returns the observation (n, 12) that the robot is given."""
        self._physics.reset()
        nothing = np.zeros((self.rows, ACTION_DIM))
        self._late = deque([nothing] * self.disturbance.action_delay_steps)
        return self._observe()

    def step(self, action: Array) -> SeenStep:
        """Run one control step.

        Args:
            action: (n, 3) in [-1, 1].
        """
        self._late.append(np.clip(action, -1.0, 1.0))
        step_size = self._physics.cfg.step_size_m
        step = self._physics.step(self._late.popleft() * step_size)
        return SeenStep(self._observe(), step.applied / step_size, step.peak_contact_force)

    def _observe(self) -> Array:
        scale = self.disturbance.observation_noise_m
        self._noise = scale * self._rng.standard_normal(self._noise.shape)
        seen = self.measured_observation
        if self.disturbance.shift_seen:
            objects = seen[:, END_EFFECTOR.stop :].reshape(self.rows, -1, 3)
            objects += self.disturbance.shift_base
        return seen
