"""Forward and inverse kinematics as the robot's own services answer them."""

from __future__ import annotations

from typing import NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from damsel_intera.limits import POSITION_HIGH, POSITION_LOW
from damsel_intera.ros_node import GRIPPER_TIP, HAND
from damsel_sim.physics import load_model

__all__ = ["Pose", "RobotKinematics"]

Array = NDArray[np.float64]

_JOINTS = 7
_ITERATIONS = 200
_DAMPING = 1e-2
_LARGEST_STEP_RAD = 0.2
_POSITION_TOLERANCE_M = 1e-4
_ROTATION_TOLERANCE_RAD = 1e-3


class Pose(NamedTuple):
    """A pose in frame `base`.

    Attributes:
        position: (3,), metres.
        quaternion: (4,), x, y, z, w.
    """

    position: Array
    quaternion: Array


class RobotKinematics:
    """Kinematics of the nominal arm for the tips `right_hand` and `right_gripper_tip`."""

    TIPS = (HAND, GRIPPER_TIP)

    def __init__(self) -> None:
        self._model = load_model()
        self._data = mujoco.MjData(self._model)
        self._hand = int(self._model.body(HAND).id)
        self._site = int(self._model.site("end_effector").id)

    def forward(self, joint_positions: Array, tip: str) -> Pose:
        """Pose of a tip at joint positions (7,), radians."""
        self._place(joint_positions)
        return self._pose(self._data, tip)

    def of(self, data: mujoco.MjData, tip: str) -> Pose:
        """Pose of a tip in a simulation that is up to date."""
        return self._pose(data, tip)

    def inverse(self, wanted: Pose, tip: str, seed: Array) -> Array | None:
        """Joint positions (7,), radians, near a seed that bring a tip to a pose; or None."""
        joints = np.clip(seed, POSITION_LOW, POSITION_HIGH)
        jacobian = np.zeros((6, self._model.nv))
        rotation = np.empty(3)
        for _ in range(_ITERATIONS):
            self._place(joints)
            pose = self._pose(self._data, tip)
            _rotation_between(pose.quaternion, wanted.quaternion, rotation)
            error = np.concatenate([wanted.position - pose.position, rotation])
            near = np.linalg.norm(error[:3]) < _POSITION_TOLERANCE_M
            if near and np.linalg.norm(error[3:]) < _ROTATION_TOLERANCE_RAD:
                return joints
            mujoco.mj_jac(
                self._model, self._data, jacobian[:3], jacobian[3:], pose.position, self._hand
            )
            arm = jacobian[:, :_JOINTS]
            step = arm.T @ np.linalg.solve(arm @ arm.T + _DAMPING**2 * np.eye(6), error)
            step = np.clip(step, -_LARGEST_STEP_RAD, _LARGEST_STEP_RAD)
            joints = np.clip(joints + step, POSITION_LOW, POSITION_HIGH)
        return None

    def _place(self, joint_positions: Array) -> None:
        self._data.qpos[:_JOINTS] = joint_positions
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)

    def _pose(self, data: mujoco.MjData, tip: str) -> Pose:
        w, x, y, z = data.xquat[self._hand]
        position = data.xpos[self._hand] if tip == HAND else data.site_xpos[self._site]
        return Pose(position.copy(), np.array([x, y, z, w]))


def _rotation_between(start: Array, end: Array, result: Array) -> None:
    """Rotation vector in `base` that turns one orientation (x, y, z, w) into another."""
    negated, difference = np.empty(4), np.empty(4)
    mujoco.mju_negQuat(negated, np.roll(start, 1))
    mujoco.mju_mulQuat(difference, np.roll(end / np.linalg.norm(end), 1), negated)
    mujoco.mju_quat2Vel(result, difference, 1.0)
