"""Arm, block, door and drawer of the virtual Sawyer, in real time."""

from __future__ import annotations

from dataclasses import dataclass, fields

import mujoco
import numpy as np
from numpy.typing import NDArray

from damsel.kinematics import JOINT_NAMES
from damsel.scene import door_handle_position, drawer_handle_position
from damsel_intera.errors import SettingError
from damsel_intera.virtual.commands import JointCommand, SetPoint
from damsel_intera.wire import ObjectPose, ObjectPoses
from damsel_sim.arm_parameters import LIMITS, ArmParameters, apply_arm
from damsel_sim.physics import JointServo, TabletopPhysics, load_model

__all__ = ["TICK_S", "ArmPhysics", "VirtualArm"]

Array = NDArray[np.float64]

TICK_S = 0.01
_JOINTS = len(JOINT_NAMES)
_FULL_PHYSICS = mujoco.mjtState.mjSTATE_FULLPHYSICS


@dataclass(frozen=True)
class ArmPhysics:
    """How this arm differs from the nominal one, for trials of what is fitted to recordings.

    Attributes:
        damping_scale: joint damping as a multiple of the nominal.
        friction: joint friction as a part of the joint's effort limit.
        gain_scale: servo gains as a multiple of the nominal.
        delay_s: time from a command's arrival to its effect, seconds.
    """

    damping_scale: float = 1.0
    friction: float = 0.0
    gain_scale: float = 1.0
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no arm has."""
        for field in fields(self):
            value, (low, high) = getattr(self, field.name), LIMITS[field.name]
            low = max(low, 0.0)  # a fitted delay may come out below it
            if not low <= value <= high:
                raise SettingError(f"{field.name} is {value:g}; allowed: {low:g} to {high:g}")


class VirtualArm:
    """One scene; `tick` moves it on by 10 ms.

    Attributes:
        contact_force_n: largest force on hand or arm during the latest tick, newtons.
        peak_force_n: the largest since the objects were last put back, newtons.
    """

    def __init__(self, physics: ArmPhysics | None = None) -> None:
        self.physics = physics or ArmPhysics()
        self.model = load_model()
        # The joints' own controllers know the nominal arm only.
        self._servo = JointServo(self.model, self._substeps, TICK_S)
        self._rest = TabletopPhysics(1, model=load_model()).state[0].copy()
        apply_arm(
            self.model,
            ArmParameters(
                friction=self.physics.friction,
                damping_scale=self.physics.damping_scale,
                gain_scale=self.physics.gain_scale,
            ),
        )
        self.data = mujoco.MjData(self.model)
        self.contact_force_n = self.peak_force_n = 0.0
        self._waiting: list[JointCommand] = []
        mujoco.mj_setState(self.model, self.data, self._rest, _FULL_PHYSICS)
        mujoco.mj_forward(self.model, self.data)
        self.set_point = SetPoint(self.joint_positions)

    @property
    def _substeps(self) -> int:
        return round(TICK_S / float(self.model.opt.timestep))

    @property
    def joint_positions(self) -> Array:
        """(7,), radians."""
        positions: Array = self.data.qpos[:_JOINTS].copy()
        return positions

    @property
    def joint_velocities(self) -> Array:
        """(7,), radians per second."""
        velocities: Array = self.data.qvel[:_JOINTS].copy()
        return velocities

    @property
    def joint_efforts(self) -> Array:
        """(7,), newton metres, without what carries the arm's weight."""
        efforts: Array = self.data.qfrc_actuator[:_JOINTS].copy()
        return efforts

    def take(self, command: JointCommand) -> None:
        """Follow a command, after this arm's delay."""
        self._waiting.append(command)

    def freeze(self) -> None:
        """Brakes: stay where the joints are."""
        self._waiting.clear()
        self.set_point.freeze(self.joint_positions)

    def tick(self, now_s: float) -> None:
        """Move on by one tick."""
        while self._waiting and self._waiting[0].arrived_s + self.physics.delay_s <= now_s:
            self.set_point.take(self._waiting.pop(0))
        before = self.set_point.velocities
        self.set_point.advance(now_s, TICK_S)
        control = self._servo.control(
            self.set_point.positions[None, None],
            self.set_point.velocities[None, None],
            before[None],
        )
        self.contact_force_n = 0.0
        for targets in control[0]:
            self.data.ctrl[:_JOINTS] = targets
            mujoco.mj_step(self.model, self.data)
            self.contact_force_n = max(self.contact_force_n, self._contact_force())
        self.peak_force_n = max(self.peak_force_n, self.contact_force_n)

    def _contact_force(self) -> float:
        arm = float(np.linalg.norm(self.data.sensor("arm_force").data))
        return max(arm, float(np.max(self.data.sensor("hand_force").data)))

    def reset_objects(self) -> None:
        """Put block, door and drawer back as a person would; the arm stays."""
        arm = self.data.qpos[:_JOINTS].copy()
        arm_velocities = self.data.qvel[:_JOINTS].copy()
        mujoco.mj_setState(self.model, self.data, self._rest, _FULL_PHYSICS)
        self.data.qpos[:_JOINTS], self.data.qvel[:_JOINTS] = arm, arm_velocities
        mujoco.mj_forward(self.model, self.data)
        self.peak_force_n = 0.0

    def object_poses(self) -> ObjectPoses:
        """Where a camera would see block and handles, in frame `base`."""
        qpos = self.data.qpos
        block = int(self.model.joint("block").qposadr[0])
        w, x, y, z = qpos[block + 3 : block + 7]
        door = float(qpos[int(self.model.joint("door").qposadr[0])])
        drawer = float(qpos[int(self.model.joint("drawer").qposadr[0])])
        # The door opens clockwise seen from above.
        door_turn = (0.0, 0.0, -float(np.sin(door / 2)), float(np.cos(door / 2)))
        return ObjectPoses(
            (
                _pose("block", qpos[block : block + 3], np.array([x, y, z, w])),
                _pose("door_handle", door_handle_position(np.array(door)), np.array(door_turn)),
                _pose(
                    "drawer_handle",
                    drawer_handle_position(np.array(drawer)),
                    np.array([0.0, 0.0, 0.0, 1.0]),
                ),
            )
        )


def _pose(name: str, position: Array, quaternion: Array) -> ObjectPose:
    return ObjectPose(name, tuple(map(float, position)), tuple(map(float, quaternion)))
