"""Recorded joint targets on the simulated arm, for many candidate arms at once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import mujoco
import numpy as np
from mujoco.rollout import Rollout
from numpy.typing import NDArray

from damsel.kinematics import NUM_JOINTS, end_effector_position
from damsel_sim.arm_parameters import NOMINAL_ARM, ArmParameters, apply_arm
from damsel_sim.command_path import CommandPath
from damsel_sim.physics import JointServo, TabletopPhysics, load_model
from damsel_sim.system_identification.recording import Motion

__all__ = ["TICK_PERIOD_S", "WARM_UP_S", "Gap", "Replay", "gap"]

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

TICK_PERIOD_S = 0.01
"""Spacing of joint targets, as the controller sends them."""

WARM_UP_S = 0.25
"""Beginning of a motion that is not judged: what the joints did before it is not known."""

_UNSTEADY = 2.5  # median spacings between two stamps
_MEMORY_S = 0.5  # that long the joints show that something was late

_FULL_PHYSICS = mujoco.mjtState.mjSTATE_FULLPHYSICS
_CONTROL = mujoco.mjtState.mjSTATE_CTRL
_TOUCH_N = 0.1


class Replay:
    """One motion, replayed under any number of candidate arms. Deterministic.

    Attributes:
        motion: the motion.
        judged: (k,), which of its measurements count: after the warm-up, before the nominal arm
            touches anything, since from then on the objects matter, too, and not soon after a
            measurement was missing or late.
        touched: whether it does.
        late: how many measurements do not count for having come soon after a late one.
    """

    def __init__(self, motion: Motion) -> None:
        self.motion = motion
        nominal = self._nominal = load_model()
        physics = TabletopPhysics(1, model=nominal)
        self._substeps = round(TICK_PERIOD_S / nominal.opt.timestep)
        # The joints' own controllers know the nominal arm only.
        self._servo = JointServo(nominal, self._substeps, TICK_PERIOD_S)
        self._times_s = _ticks_of(motion.times_s)
        self._start = _at(self._times_s[:1], motion.times_s, motion.positions)[0]
        physics.reset(joint_positions=self._start[None])
        self._state = physics.state[0].copy()
        self._rollout = Rollout(nthread=0)
        self._data = [mujoco.MjData(nominal)]
        self.judged: BoolArray = motion.times_s >= motion.times_s[0] + WARM_UP_S
        late = _soon_after(_late(motion.times_s), motion.times_s)
        self.late = int(late.sum())
        self.judged &= ~late
        touching = np.flatnonzero(self._force(self._run([NOMINAL_ARM])[1][0]) > _TOUCH_N)
        self.touched = len(touching) > 0
        if self.touched:
            first = touching[0] // self._substeps
            self.judged = self.judged & (motion.times_s < self._times_s[first])

    def positions(self, arms: Sequence[ArmParameters]) -> Array:
        """Simulated joints (n, k, 7), radians, of each arm at the times of the measurements."""
        states, _ = self._run(arms)
        states = states[:, :: self._substeps]
        positions = states[..., 1 : 1 + NUM_JOINTS]
        first = 1 + self._nominal.nq
        velocities = states[..., first : first + NUM_JOINTS]
        return _between(self._times_s, positions, velocities, self.motion.times_s)

    def _run(self, arms: Sequence[ArmParameters]) -> tuple[Array, Array]:
        """States (n, substeps + 1, nstate) from the start on, sensors (n, substeps, nsensor)."""
        count, motion = len(arms), self.motion
        # Targets are late by each arm's own delay; taken from the recording in one go, so that
        # they are not interpolated twice.
        targets = np.stack(
            [
                _at(self._times_s[:-1] - arm.delay_s, motion.target_times_s, motion.targets)
                for arm in arms
            ]
        )
        path = CommandPath([replace(arm, delay_s=0.0) for arm in arms], count, TICK_PERIOD_S)
        path.reset(targets[:, 0])
        control = self._servo.control(*path.follow(targets))
        start = np.repeat(self._state[None], count, axis=0)
        states, sensors = self._rollout.rollout(
            [apply_arm(copy.copy(self._nominal), arm) for arm in arms],
            self._data,
            initial_state=start,
            control=np.ascontiguousarray(control),
            control_spec=_CONTROL,
            nstep=control.shape[1],
        )
        return np.concatenate([start[:, None], states], axis=1), sensors

    def _force(self, sensors: Array) -> Array:
        """Contact force (substeps,) in newtons on hand and arm."""
        hand = int(self._nominal.sensor("hand_force").adr[0])
        arm = int(self._nominal.sensor("arm_force").adr[0])
        force: Array = np.maximum(
            sensors[:, hand], np.linalg.norm(sensors[:, arm : arm + 3], axis=1)
        )
        return force


def _late(stamps_s: Array) -> Array:
    """The stamps (m,) among these (c,) that came later than they should have."""
    spacing_s = np.diff(stamps_s)
    late: Array = stamps_s[1:][spacing_s > _UNSTEADY * np.median(spacing_s)]
    return late


def _soon_after(moments_s: Array, times_s: Array) -> BoolArray:
    """Which times (k,) are at or soon after one of the moments (m,)."""
    since_s = times_s[:, None] - moments_s[None]
    soon: BoolArray = np.any((since_s > -1e-9) & (since_s < _MEMORY_S), axis=1)
    return soon


def _ticks_of(times_s: Array) -> Array:
    """When ticks of the simulation begin: as nearly as can be when measurements were taken."""
    turn = 2 * np.pi / TICK_PERIOD_S
    phase_s = float(np.angle(np.exp(1j * turn * times_s).mean())) / turn % TICK_PERIOD_S
    first = np.floor((times_s[0] - phase_s) / TICK_PERIOD_S)
    last = np.ceil((times_s[-1] - phase_s) / TICK_PERIOD_S) + 1
    ticks: Array = phase_s + TICK_PERIOD_S * np.arange(first, last + 1)
    return ticks


def _at(times_s: Array, known_times_s: Array, known: Array) -> Array:
    """Linear interpolation of (c, 7) at times (t,); before and after, the first and the last."""
    return np.stack([np.interp(times_s, known_times_s, one) for one in known.T], axis=1)


def _between(ticks_s: Array, positions: Array, velocities: Array, times_s: Array) -> Array:
    """Cubic Hermite interpolation of (n, ticks, 7) at times (k,)."""
    at = np.clip(np.searchsorted(ticks_s, times_s, side="right") - 1, 0, len(ticks_s) - 2)
    s = ((times_s - ticks_s[at]) / TICK_PERIOD_S)[None, :, None]
    slope = TICK_PERIOD_S * velocities
    between: Array = (
        (1 + 2 * s) * (1 - s) ** 2 * positions[:, at]
        + s**2 * (3 - 2 * s) * positions[:, at + 1]
        + s * (1 - s) ** 2 * slope[:, at]
        - s**2 * (1 - s) * slope[:, at + 1]
    )
    return between


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
        left_out: how many joint states were not compared; see `Replay.judged`.
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
