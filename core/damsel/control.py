"""End-effector position control: 3-D displacements in, joint commands at 100 Hz out.

One object serves training, the simulated robot and the real one. A command moves a set point of
the end effector by at most one step inside the workspace box; damped least squares turns it into
a joint goal that keeps the tool pointing down; every tick the joints are asked to move there at
constant speed, and `damsel.safety` decides what they are really told.

The set point may lead the measured end effector by no more than `lead_limit_m`, so an arm that is
held back does not wind up force.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel.errors import InvalidConfigError
from damsel.kinematics import (
    SAWYER,
    ArmModel,
    DampingCfg,
    differential_inverse,
    end_effector_position,
    tool_down_rotation,
)
from damsel.safety import SafetyCfg, SafetyLayer
from damsel.scene import HOME_JOINT_POSITIONS, NOMINAL_POSTURE

__all__ = ["ControlStep", "ControllerCfg", "EndEffectorController", "joint_positions_for"]

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_IK_ITERATIONS = 100
_IK_LARGEST_STEP_RAD = 0.1


@dataclass(frozen=True)
class ControllerCfg:
    """Configuration of the controller.

    Attributes:
        control_period_s: time between displacement commands.
        step_size_m: largest displacement along an axis in one command.
        lead_limit_m: how far the set point may be from the measured end effector, along an axis,
            before a command is added.
        arrival_ticks: fewest ticks over which a joint goal is approached.
        wall_margin_m: how far inside the safety layer's box set points stay, so that an arm
            moving along a wall does not bulge into it and get stopped.
        damping: weights of the inverse kinematics.
        safety: limits.
    """

    control_period_s: float = 0.05
    step_size_m: float = 0.01
    lead_limit_m: float = 0.005
    arrival_ticks: int = 2
    wall_margin_m: float = 0.003
    damping: DampingCfg = field(default_factory=lambda: DampingCfg(posture_gain=0.02))
    safety: SafetyCfg = field(default_factory=SafetyCfg)

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant."""
        if not 0 < self.step_size_m <= 0.02:
            raise InvalidConfigError(f"step_size_m is {self.step_size_m}; allowed: (0, 0.02]")
        if not 0 < self.lead_limit_m <= 0.1:
            raise InvalidConfigError(f"lead_limit_m is {self.lead_limit_m}; allowed: (0, 0.1]")
        if not self.arrival_ticks >= 1:
            raise InvalidConfigError(f"arrival_ticks is {self.arrival_ticks}; allowed: 1 or more")
        if not self.wall_margin_m >= 0:
            raise InvalidConfigError(f"wall_margin_m is {self.wall_margin_m}; allowed: 0 or more")
        margin = self.safety.curvature_margin_m + self.wall_margin_m
        size = np.min(self.safety.workspace_high_base - self.safety.workspace_low_base)
        if not 2 * margin < size:
            raise InvalidConfigError(
                f"margins of {margin:g} m on both sides leave nothing of a workspace of {size:g} m"
            )
        ratio = self.control_period_s / self.safety.tick_period_s
        if not 1 <= ratio <= 1000 or abs(ratio - round(ratio)) > 1e-9:
            raise InvalidConfigError(
                f"control_period_s is {self.control_period_s}; allowed: a whole number of ticks "
                f"of {self.safety.tick_period_s} s"
            )

    @property
    def ticks_per_step(self) -> int:
        """Joint commands in one control step."""
        return round(self.control_period_s / self.safety.tick_period_s)


class ControlStep(NamedTuple):
    """One control step's joint commands.

    Attributes:
        positions: (n, ticks, 7), radians.
        velocities: (n, ticks, 7), radians per second.
        applied: (n, 3), metres, the displacement of the set point that was really commanded.
        clipped: (n,), whether the displacement was changed.
    """

    positions: Array
    velocities: Array
    applied: Array
    clipped: BoolArray


class EndEffectorController:
    """Controls `rows` arms at once; rows do not influence one another."""

    def __init__(self, cfg: ControllerCfg, rows: int = 1, model: ArmModel = SAWYER) -> None:
        self.cfg = cfg
        self._model = model
        self._safety = SafetyLayer(cfg.safety, rows, model)
        self._rotation = tool_down_rotation()
        self._ticks_per_step = cfg.ticks_per_step
        margin = cfg.safety.curvature_margin_m + cfg.wall_margin_m
        self._low = np.asarray(cfg.safety.workspace_low_base) + margin
        self._high = np.asarray(cfg.safety.workspace_high_base) - margin
        self._set_point = np.zeros((rows, 3))
        self._goal = np.zeros((rows, model.position_low.size))

    @property
    def set_point_base(self) -> Array:
        """Where the end effector is commanded to be, (n, 3), metres."""
        return self._set_point.copy()

    @property
    def set_point_limits_base(self) -> tuple[Array, Array]:
        """Corners (3,) of the box, in metres, that set points are kept in."""
        return self._low.copy(), self._high.copy()

    @property
    def commanded_positions(self) -> Array:
        """Commanded joint positions (n, 7), radians, as the safety layer let them through."""
        return self._safety.positions

    @property
    def commanded_velocities(self) -> Array:
        """Commanded joint velocities (n, 7), radians per second."""
        return self._safety.velocities

    def reset(self, joint_positions: Array, rows: BoolArray | None = None) -> None:
        """Hold the arm where it is measured to be and forget earlier commands.

        Args:
            joint_positions: (n, 7), radians.
            rows: (n,), which rows; all by default.
        """
        chosen: BoolArray = np.ones(len(self._set_point), np.bool_) if rows is None else rows
        self._safety.reset(joint_positions, rows)
        self._goal[chosen] = joint_positions[chosen]
        self._set_point[chosen] = end_effector_position(joint_positions[chosen], self._model)

    def begin(self, displacement: Array, joint_positions: Array) -> tuple[Array, BoolArray]:
        """Accept one command; `tick` then carries it out.

        Args:
            displacement: (n, 3), metres in frame `base`; a non-finite row counts as zero.
            joint_positions: (n, 7), radians, measured now; a non-finite row stops its arm.

        Returns:
            The displacement (n, 3) of the set point that was accepted, and whether it differs
            from the one asked for (n,).
        """
        cfg = self.cfg
        finite: BoolArray = np.logical_and.reduce(
            np.isfinite(np.concatenate([displacement, joint_positions], axis=1)), axis=1
        )
        asked = np.where(finite[:, None], displacement, 0.0)
        step = _clamp(asked, -cfg.step_size_m, cfg.step_size_m)
        # Without a measurement there is nothing to lead: stay where the joints are commanded.
        joints = np.where(finite[:, None], joint_positions, self._safety.positions)
        measured = end_effector_position(joints, self._model)
        lead = self._set_point - measured
        anchor = measured + _clamp(lead, -cfg.lead_limit_m, cfg.lead_limit_m)
        # An arm that starts outside of its box comes back at no more than its usual pace.
        applied = _clamp(
            _clamp(anchor + step, self._low, self._high) - anchor,
            -cfg.step_size_m,
            cfg.step_size_m,
        )
        target = anchor + applied
        self._set_point = target
        # From where the joints are commanded to be, so that a goal that the safety layer refuses
        # is not built upon. The null space moves only along with the tool: an arm that is told
        # to stay is still.
        start = self._safety.positions
        self._goal = start + differential_inverse(
            start,
            target,
            self._rotation,
            NOMINAL_POSTURE,
            cfg.damping,
            self._model,
            posture_share=np.maximum.reduce(np.abs(applied), axis=1) / cfg.step_size_m,
        )
        changed: BoolArray = np.logical_or.reduce(np.abs(applied - asked) > 1e-9, axis=1)
        return applied, ~finite | changed

    def begin_joints(self, joint_goal: Array) -> None:
        """Open a step towards a joint goal (n, 7) in radians, near the commanded joints.

        For slow motions of the posture, which no displacement of the end effector can ask for.
        `tick` carries the step out, through the safety layer like any other.
        """
        self._goal = joint_goal.copy()
        self._set_point = end_effector_position(joint_goal, self._model)

    def begin_stop(self) -> None:
        """Open a step in which the joints come to rest as fast as the safety layer allows."""
        # Whatever is not finite, the safety layer answers with the braking that it vouches for.
        self._goal = np.full_like(self._goal, np.nan)

    def tick(self, tick: int) -> tuple[Array, Array, BoolArray]:
        """Joint command of one tick of the step that `begin` or `begin_joints` opened.

        Args:
            tick: 0 for the first after `begin`; any later number holds at the goal.

        Returns:
            Joint positions (n, 7) in radians, velocities (n, 7), and whether the safety layer
            changed the request (n,).
        """
        remaining = max(self._ticks_per_step - tick, self.cfg.arrival_ticks)
        error = self._goal - self._safety.positions
        command = self._safety.tick(error / (remaining * self.cfg.safety.tick_period_s))
        return command.positions, command.velocities, command.clipped

    def step(self, displacement: Array, joint_positions: Array) -> ControlStep:
        """All joint commands of one control step, for a simulation that runs them in one go.

        Args:
            displacement: (n, 3), metres in frame `base`.
            joint_positions: (n, 7), radians, measured now.
        """
        applied, clipped = self.begin(displacement, joint_positions)
        rows, joints = self._goal.shape
        positions = np.empty((rows, self._ticks_per_step, joints))
        velocities = np.empty_like(positions)
        for tick in range(self._ticks_per_step):
            positions[:, tick], velocities[:, tick], _ = self.tick(tick)
        return ControlStep(positions, velocities, applied, clipped)


def _clamp(values: Array, low: Array | float, high: Array | float) -> Array:
    """np.clip, which takes three times as long on few rows."""
    clamped: Array = np.minimum(np.maximum(values, low), high)
    return clamped


def joint_positions_for(
    position_base: Array, cfg: DampingCfg | None = None, model: ArmModel = SAWYER
) -> Array:
    """Joint positions (n, 7) that hold the tool, pointing down, at positions (n, 3) in metres.

    Iterates the controller's own inverse kinematics from home, so it lands in the postures that
    the controller itself would reach.
    """
    cfg = cfg or ControllerCfg().damping
    joints = np.repeat(HOME_JOINT_POSITIONS[None], len(position_base), axis=0)
    for _ in range(_IK_ITERATIONS):
        step = differential_inverse(
            joints, position_base, tool_down_rotation(), NOMINAL_POSTURE, cfg, model
        )
        joints = joints + np.clip(step, -_IK_LARGEST_STEP_RAD, _IK_LARGEST_STEP_RAD)
    return joints
