"""Recorded joint targets on the simulated arm, for many candidate arms at once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from mujoco.rollout import Rollout
from numpy.typing import NDArray

from damsel.kinematics import NUM_JOINTS, end_effector_position
from damsel_sim.arm_parameters import ArmParameters, apply_arm
from damsel_sim.command_path import CommandPath
from damsel_sim.identification.recording import Motion
from damsel_sim.physics import JointServo, TabletopPhysics, load_model

__all__ = ["TICK_PERIOD_S", "WARM_UP_S", "Gap", "Replay", "gap"]

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

TICK_PERIOD_S = 0.01
"""Spacing of joint targets, as the controller sends them."""

WARM_UP_S = 0.25
"""Beginning of a motion that is not judged: what the joints did before it is not known."""

_FULL_PHYSICS = mujoco.mjtState.mjSTATE_FULLPHYSICS
_CONTROL = mujoco.mjtState.mjSTATE_CTRL
_TOUCH_N = 0.1


class Replay:
    """One motion, replayed under any number of candidate arms. Deterministic.

    Attributes:
        motion: the motion.
        judged: (k,), which of its measurements count: after the warm-up and before the nominal
            arm touches anything, since from then on the objects matter, too.
        touched: whether it does.
    """

    def __init__(self, motion: Motion) -> None:
        self.motion = motion
        nominal = self._nominal = load_model()
        physics = TabletopPhysics(1, model=nominal)
        self._substeps = round(TICK_PERIOD_S / nominal.opt.timestep)
        # The joints' own controllers know the nominal arm only.
        self._servo = JointServo(nominal, self._substeps, TICK_PERIOD_S)
        self._start = np.array(
            [np.interp(0.0, motion.times_s, joint) for joint in motion.positions.T]
        )
        physics.reset(joint_positions=self._start[None])
        self._state = physics.state[0].copy()
        self._rollout = Rollout(nthread=0)
        self._data = [mujoco.MjData(nominal)]
        self.judged: BoolArray = motion.times_s >= WARM_UP_S
        _, force = self._run([ArmParameters()])
        touching = np.flatnonzero(force[0] > _TOUCH_N)
        self.touched = len(touching) > 0
        if self.touched:
            self.judged &= motion.times_s < TICK_PERIOD_S * touching[0]

    def positions(self, arms: Sequence[ArmParameters]) -> Array:
        """Simulated joints (n, k, 7), radians, of each arm at the times of the measurements."""
        simulated, _ = self._run(arms)
        # The state before the first tick is that of time zero.
        ticks = np.minimum(self.motion.times_s / TICK_PERIOD_S, simulated.shape[1] - 1)
        before = np.minimum(ticks.astype(int), simulated.shape[1] - 2)
        part = (ticks - before)[None, :, None]
        positions: Array = (1 - part) * simulated[:, before] + part * simulated[:, before + 1]
        return positions

    def _run(self, arms: Sequence[ArmParameters]) -> tuple[Array, Array]:
        """Joints (n, ticks + 1, 7) and the contact force (n, ticks) in newtons."""
        count, ticks = len(arms), len(self.motion.targets)
        path = CommandPath(arms, count, TICK_PERIOD_S)
        path.reset(np.repeat(self._start[None], count, axis=0))
        targets = np.repeat(self.motion.targets[None], count, axis=0)
        control = self._servo.control(*path.follow(targets))
        states, sensors = self._rollout.rollout(
            [apply_arm(copy.copy(self._nominal), arm) for arm in arms],
            self._data,
            initial_state=np.repeat(self._state[None], count, axis=0),
            control=np.ascontiguousarray(control),
            control_spec=_CONTROL,
            nstep=control.shape[1],
        )
        model = self._nominal
        joints = states[:, self._substeps - 1 :: self._substeps, 1 : 1 + NUM_JOINTS]
        first = np.repeat(self._start[None, None], count, axis=0)
        hand = int(model.sensor("hand_force").adr[0])
        arm = int(model.sensor("arm_force").adr[0])
        force = np.maximum(sensors[..., hand], np.linalg.norm(sensors[..., arm : arm + 3], axis=2))
        peaks = force.reshape(count, ticks, self._substeps).max(axis=2)
        return np.concatenate([first, joints], axis=1), peaks


@dataclass(frozen=True, eq=False)
class Gap:
    """How far a simulated arm is from a recorded one that was told the same.

    Attributes:
        joint_rms_rad: (7,), radians.
        joint_max_rad: (7,), radians.
        end_effector_rms_m: metres.
        end_effector_max_m: metres.
        measurements: how many joint states were compared.
        motions: how many motions.
        left_out: how many joint states were not compared: beginnings, and what followed a touch.
    """

    joint_rms_rad: Array
    joint_max_rad: Array
    end_effector_rms_m: float
    end_effector_max_m: float
    measurements: int
    motions: int
    left_out: int


def gap(replays: Sequence[Replay], arm: ArmParameters) -> Gap:
    """Replay motions with one arm and compare; at the end effector through our kinematics."""
    joints, tips = [], []
    for replay in replays:
        measured = replay.motion.positions[replay.judged]
        simulated = replay.positions([arm])[0][replay.judged]
        joints.append(simulated - measured)
        tips.append(end_effector_position(simulated) - end_effector_position(measured))
    off, off_m = np.concatenate(joints), np.linalg.norm(np.concatenate(tips), axis=1)
    total = sum(len(replay.judged) for replay in replays)
    return Gap(
        joint_rms_rad=np.sqrt((off**2).mean(axis=0)),
        joint_max_rad=np.abs(off).max(axis=0),
        end_effector_rms_m=float(np.sqrt((off_m**2).mean())),
        end_effector_max_m=float(off_m.max()),
        measurements=len(off),
        motions=len(replays),
        left_out=total - len(off),
    )
