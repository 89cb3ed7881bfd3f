"""Batched physics of the Sawyer tabletop: one control step at a time for many arms.

The same class, with one row, is the robot of the ROS 2 nodes. A control step runs the shared
controller and safety layer (`damsel.control`, `damsel.safety`) and hands all joint commands of
the step to `mujoco.rollout` in one call, so Python's share of the cost is spread over the rows.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

import mujoco
import numpy as np
from mujoco.rollout import Rollout
from numpy.typing import NDArray

from damsel.control import ControllerCfg, EndEffectorController
from damsel.kinematics import JOINT_NAMES, end_effector_position
from damsel.observation import (
    BLOCK,
    DOOR_HANDLE,
    DRAWER_HANDLE,
    END_EFFECTOR,
    OBSERVATION_DIM,
)
from damsel.scene import (
    BLOCK_START_BASE,
    HOME_JOINT_POSITIONS,
    NOMINAL_POSTURE,
    door_handle_position,
    drawer_handle_position,
)
from damsel_sim.arm_parameters import NOMINAL_ARM, ArmParameters, apply_arm
from damsel_sim.command_path import CommandPath

__all__ = ["JointPath", "JointServo", "PhysicsStep", "TabletopPhysics", "load_model", "model_path"]

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_FULL_PHYSICS = mujoco.mjtState.mjSTATE_FULLPHYSICS
_CONTROL = mujoco.mjtState.mjSTATE_CTRL
_SETTLE_S = 2.0


def model_path() -> str:
    """Path of the scene's MJCF file."""
    return str(resources.files("damsel_sim") / "tabletop.xml")


def load_model() -> mujoco.MjModel:
    """A fresh model of the scene, to look at or to change."""
    return mujoco.MjModel.from_xml_path(model_path())


class PhysicsStep(NamedTuple):
    """What one control step did.

    Attributes:
        applied: (n, 3), metres, the displacement that the controller accepted.
        clipped: (n,), whether that differs from the one asked for.
        peak_contact_force: (n,), newtons, largest force on hand or arm in the step.
    """

    applied: Array
    clipped: BoolArray
    peak_contact_force: Array


class JointPath(NamedTuple):
    """Joints in the ticks of a control step.

    Attributes:
        targets: (n, ticks, 7), radians, to be reached at the end of each tick.
        positions: (n, ticks, 7), radians, at the end of each tick.
        velocities: (n, ticks, 7), radians per second.
    """

    targets: Array
    positions: Array
    velocities: Array


class JointServo:
    """The joints' own servo loop: feed-forward of velocity, friction and nominal inertia.

    A position actuator pulls with kp (ctrl - q) - kv qd. Adding (kv v + D v + M a) / kp to the
    target makes it follow a moving one without lag, as the robot's own joint controllers do.
    """

    def __init__(self, model: mujoco.MjModel, substeps_per_tick: int, tick_period_s: float) -> None:
        data = mujoco.MjData(model)
        data.qpos[: len(NOMINAL_POSTURE)] = NOMINAL_POSTURE
        mujoco.mj_forward(model, data)
        inertia = np.zeros((model.nv, model.nv))
        mujoco.mj_fullM(model, data, inertia)
        joints = len(JOINT_NAMES)
        kp = model.actuator_gainprm[:joints, 0]
        kv = -model.actuator_biasprm[:joints, 2]
        self._velocity_gain = (kv + model.dof_damping[:joints]) / kp
        self._acceleration_gain = inertia[:joints, :joints] / kp[:, None]
        self._tick_period_s = tick_period_s
        # Where a substep ends within its tick, as the part of the tick still ahead.
        self._ahead_s = tick_period_s * (
            1 - np.arange(1, substeps_per_tick + 1) / substeps_per_tick
        )

    def control(self, positions: Array, velocities: Array, velocity_before: Array) -> Array:
        """Actuator targets (n, ticks * substeps, 7) of one control step.

        Args:
            positions: (n, ticks, 7), radians, to be reached at the end of each tick.
            velocities: (n, ticks, 7), radians per second, throughout each tick.
            velocity_before: (n, 7), the commanded velocity before the first tick.
        """
        before = np.concatenate([velocity_before[:, None], velocities[:, :-1]], axis=1)
        acceleration = (velocities - before) / self._tick_period_s
        forward = velocities * self._velocity_gain + acceleration @ self._acceleration_gain.T
        target = (positions + forward)[:, :, None] - velocities[:, :, None] * self._ahead_s[:, None]
        control: Array = target.reshape(len(positions), -1, positions.shape[-1])
        return control


class TabletopPhysics:
    """`rows` independent copies of the scene. Deterministic; rows do not influence one another."""

    def __init__(
        self,
        rows: int = 1,
        cfg: ControllerCfg | None = None,
        model: mujoco.MjModel | None = None,
        threads: int = 0,
        variants: Sequence[mujoco.MjModel] = (),
        arm: ArmParameters | None = None,
    ) -> None:
        """Set up the scene with every row at rest.

        Args:
            rows: number of copies.
            cfg: controller and safety configuration.
            model: the scene, `load_model()` by default.
            threads: extra threads for the physics; 0 runs it on the calling thread.
            variants: scenes that the rows have in turn, such as `randomised_models`; servos and
                rest state stay those of `model`, as a controller knows only nominal numbers.
            arm: how the arm differs from that of `model`; variants differ from it by themselves
                already, in all but delay and smoothing. Not at all by default.
        """
        self.cfg = cfg or ControllerCfg()
        self.model = model or load_model()
        self.rows = rows
        tick_period_s = self.cfg.safety.tick_period_s
        substeps = round(tick_period_s / self.model.opt.timestep)
        self._servo = JointServo(self.model, substeps, tick_period_s)
        self._controller = EndEffectorController(self.cfg, rows)
        self._rollout = Rollout(nthread=threads)
        self._data = [mujoco.MjData(self.model) for _ in range(max(threads, 1))]
        arm = arm or NOMINAL_ARM
        self._path = CommandPath([arm], rows, tick_period_s)
        scenes = list(variants) or [apply_arm(copy.copy(self.model), arm)]
        self._models = [scenes[row % len(scenes)] for row in range(rows)]
        self._substeps = substeps * self.cfg.ticks_per_step
        state_size = mujoco.mj_stateSize(self.model, _FULL_PHYSICS)
        self._states = np.empty((rows, self._substeps, state_size))
        self._sensors = np.empty((rows, self._substeps, self.model.nsensordata))
        self._warmstart = np.zeros((rows, self.model.nv))
        self._index = _index(self.model)
        self._rest = _rest_state(self.model, self._index)
        self._ticks = substeps
        self._targets: Array = np.empty((rows, 0, len(JOINT_NAMES)))
        self._state: Array = np.repeat(self._rest[None], rows, axis=0)
        self.reset()

    @property
    def state(self) -> Array:
        """MuJoCo's full physics state, (n, nstate)."""
        return self._state

    @property
    def joint_positions(self) -> Array:
        """Measured joint positions (n, 7), radians."""
        positions: Array = self._state[:, self._index.joints]
        return positions

    @property
    def joint_velocities(self) -> Array:
        """Measured joint velocities (n, 7), radians per second."""
        velocities: Array = self._state[:, self._index.joint_velocities]
        return velocities

    @property
    def controller(self) -> EndEffectorController:
        """The controller that drives the arms."""
        return self._controller

    def reset(self, rows: BoolArray | None = None, joint_positions: Array | None = None) -> None:
        """Put arm and objects of the chosen rows (all by default) back to their start, at rest.

        Args:
            rows: (n,), which rows.
            joint_positions: (n, 7), radians, where the arms start instead of at home; the caller
                answers for their being free of contact.
        """
        chosen = np.ones(self.rows, bool) if rows is None else rows
        self._state[chosen] = self._rest
        if joint_positions is not None:
            self._state[chosen, self._index.joints] = joint_positions[chosen]
        self._controller.reset(self.joint_positions, chosen)
        self._path.reset(self.joint_positions, chosen)

    def joint_path(self) -> JointPath:
        """What joints were told and did in the latest step, tick by tick."""
        ticks = self._states[:, self._ticks - 1 :: self._ticks]
        return JointPath(
            self._targets.copy(),
            ticks[..., self._index.joints].copy(),
            ticks[..., self._index.joint_velocities].copy(),
        )

    def observation(self) -> Array:
        """Observation (n, 12), metres in frame `base`; layout in `damsel.observation`."""
        observation = np.full((self.rows, OBSERVATION_DIM), np.nan)
        observation[:, END_EFFECTOR] = end_effector_position(self.joint_positions)
        observation[:, BLOCK] = self._state[:, self._index.block]
        observation[:, DOOR_HANDLE] = door_handle_position(self._state[:, self._index.door])
        observation[:, DRAWER_HANDLE] = drawer_handle_position(self._state[:, self._index.drawer])
        return observation

    def step(self, displacement: Array) -> PhysicsStep:
        """Run one control step in every row.

        Args:
            displacement: (n, 3), metres in frame `base`, of the end effector.
        """
        velocity_before = self._controller.commanded_velocities.copy()
        command = self._controller.step(displacement, self.joint_positions)
        told = command.positions, command.velocities, velocity_before
        if not self._path.is_direct:
            told = self._path.follow(command.positions)
        control = self._servo.control(*told)
        self._rollout.rollout(
            self._models,
            self._data,
            nstep=self._substeps,
            control_spec=_CONTROL,
            skip_checks=True,
            initial_state=self._state,
            initial_warmstart=self._warmstart,
            control=np.ascontiguousarray(control),
            state=self._states,
            sensordata=self._sensors,
        )
        self._state = self._states[:, -1].copy()
        self._targets = command.positions
        hand_force = self._sensors[:, :, self._index.hand_force]
        arm_force = self._sensors[:, :, self._index.arm_force]
        arm_force_squared = np.add.reduce(arm_force * arm_force, axis=2)
        force = np.maximum(
            np.maximum.reduce(hand_force, axis=1),
            np.sqrt(np.maximum.reduce(arm_force_squared, axis=1)),
        )
        return PhysicsStep(command.applied, command.clipped, force)


class _Index(NamedTuple):
    joints: slice
    joint_velocities: slice
    block: slice
    door: int
    drawer: int
    hand_force: int
    arm_force: slice


def _index(model: mujoco.MjModel) -> _Index:
    """Where things are in the state vector (time, qpos, qvel, ...) and among the sensors."""

    def position(joint: str) -> int:
        return 1 + int(model.joint(joint).qposadr[0])

    def sensor(name: str) -> int:
        return int(model.sensor(name).adr[0])

    first = position(JOINT_NAMES[0])
    first_velocity = 1 + model.nq + int(model.joint(JOINT_NAMES[0]).dofadr[0])
    block, force = position("block"), sensor("arm_force")
    return _Index(
        joints=slice(first, first + len(JOINT_NAMES)),
        joint_velocities=slice(first_velocity, first_velocity + len(JOINT_NAMES)),
        block=slice(block, block + 3),
        door=position("door"),
        drawer=position("drawer"),
        hand_force=sensor("hand_force"),
        arm_force=slice(force, force + 3),
    )


def _rest_state(model: mujoco.MjModel, index: _Index) -> Array:
    """The start of every trajectory: arm at home, door and drawer shut, block settled."""
    data = mujoco.MjData(model)
    joints = len(JOINT_NAMES)
    data.qpos[:joints] = HOME_JOINT_POSITIONS
    data.ctrl[:joints] = HOME_JOINT_POSITIONS
    for _ in range(round(_SETTLE_S / model.opt.timestep)):
        mujoco.mj_step(model, data)
    settled_height = data.qpos[index.block.stop - 2]
    mujoco.mj_resetData(model, data)
    data.qpos[:joints] = HOME_JOINT_POSITIONS
    block = index.block.start - 1
    data.qpos[block : block + 2] = BLOCK_START_BASE[:2]
    data.qpos[block + 2] = settled_height
    state = np.empty(mujoco.mj_stateSize(model, _FULL_PHYSICS))
    mujoco.mj_getState(model, data, state, _FULL_PHYSICS)
    return state
