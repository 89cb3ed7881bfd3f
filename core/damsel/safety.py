"""The last thing before the joints: no command leaves it that breaks a limit of the arm.

`SafetyLayer` keeps the commanded joint state (position and velocity). Every tick it is asked for
a joint velocity, whatever that is, and answers with the nearest one that it can vouch for:

1. non-finite requests are refused: the arm brakes;
2. the velocity is scaled, direction kept, into the joint velocity limits;
3. its change is scaled into the joint acceleration limits;
4. the arm must be able to stop from the new state inside the joint limits and inside the
   workspace box all the way; otherwise it brakes instead, which the tick before has proven to be
   possible.

Point 4 makes the safe set invariant: by induction there is always a stopping motion that stays
inside (the idea of a backup controller; e.g. Hsu, Hu and Fisac 2024, "The Safety Filter").
Braking scales the velocity down uniformly, so the arm stops along a straight line in joint space
that ends at q + v t_b / 2 with t_b = max_j |v_j| / a_j. Joint limits are convex, so that end
vouches for the line; the end effector's path along it is curved, so it is checked at several
points, and `curvature_margin_m` is for what bulges out between them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel.errors import InvalidConfigError, RobotError
from damsel.kinematics import SAWYER, ArmModel, end_effector_position
from damsel.scene import WORKSPACE_HIGH_BASE, WORKSPACE_LOW_BASE

__all__ = ["JointCommand", "SafetyCfg", "SafetyLayer", "Watchdog"]

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_PATH_POINTS = 5
_PATH_PARTS = np.linspace(0.0, 1.0, _PATH_POINTS)[:, None, None]

_HUGE_RAD_S = 1e3
_SAME_RAD_S = 1e-9  # a request changed by less than this was not changed


@dataclass(frozen=True)
class SafetyCfg:
    """Limits that the safety layer enforces.

    Attributes:
        tick_period_s: time between joint commands.
        workspace_low_base: (3,), metres, lower corner of the end effector's box.
        workspace_high_base: (3,), metres, upper corner.
        joint_margin_rad: distance kept from the joint position limits.
        curvature_margin_m: how much smaller than the box the stopping path's box is, to allow
            for its curvature between the points that are checked.
        velocity_fraction: part of the joints' velocity limits that is used.
        acceleration_fraction: part of the joints' acceleration limits that is used.
    """

    tick_period_s: float = 0.01
    workspace_low_base: Array = field(default_factory=WORKSPACE_LOW_BASE.copy)
    workspace_high_base: Array = field(default_factory=WORKSPACE_HIGH_BASE.copy)
    joint_margin_rad: float = 0.05
    curvature_margin_m: float = 0.002
    velocity_fraction: float = 1.0
    acceleration_fraction: float = 1.0

    def __post_init__(self) -> None:
        """Refuse limits that cannot be meant."""
        if not 0 < self.tick_period_s <= 0.05:
            raise InvalidConfigError(f"tick_period_s is {self.tick_period_s}; allowed: (0, 0.05]")
        for name in ("joint_margin_rad", "curvature_margin_m"):
            if not getattr(self, name) >= 0:
                raise InvalidConfigError(f"{name} is {getattr(self, name)}; allowed: 0 or more")
        for name in ("velocity_fraction", "acceleration_fraction"):
            if not 0 < getattr(self, name) <= 1:
                raise InvalidConfigError(f"{name} is {getattr(self, name)}; allowed: (0, 1]")
        low, high = np.asarray(self.workspace_low_base), np.asarray(self.workspace_high_base)
        if low.shape != (3,) or high.shape != (3,) or not np.all(low < high):
            raise InvalidConfigError("the workspace box needs three coordinates with low < high")


class JointCommand(NamedTuple):
    """What may be sent to the joints for one tick.

    Attributes:
        positions: (n, 7), radians.
        velocities: (n, 7), radians per second, the rate at which the positions now move.
        clipped: (n,), whether the request was changed.
    """

    positions: Array
    velocities: Array
    clipped: BoolArray


class SafetyLayer:
    """Filters joint velocity requests for `rows` arms at once; see the module's docstring."""

    def __init__(self, cfg: SafetyCfg, rows: int = 1, model: ArmModel = SAWYER) -> None:
        self.cfg = cfg
        self._model = model
        self._low = model.position_low + cfg.joint_margin_rad
        self._high = model.position_high - cfg.joint_margin_rad
        self._velocity_limit = cfg.velocity_fraction * model.velocity_limit
        self._velocity_change = (
            cfg.acceleration_fraction * model.acceleration_limit * cfg.tick_period_s
        )
        self._box_low = np.asarray(cfg.workspace_low_base) + cfg.curvature_margin_m
        self._box_high = np.asarray(cfg.workspace_high_base) - cfg.curvature_margin_m
        self._positions = np.zeros((rows, model.position_low.size))
        self._velocities = np.zeros_like(self._positions)
        self._box_violation = np.zeros(rows)

    @property
    def positions(self) -> Array:
        """Commanded joint positions (n, 7), radians."""
        return self._positions.copy()

    @property
    def velocities(self) -> Array:
        """Commanded joint velocities (n, 7), radians per second."""
        return self._velocities.copy()

    def reset(self, joint_positions: Array, rows: BoolArray | None = None) -> None:
        """Take over the arm at rest where it is.

        Args:
            joint_positions: (n, 7), radians, measured.
            rows: (n,), which rows to take over; all by default.

        Raises:
            RobotError: If a joint position of such a row is not finite; nothing has changed then.
        """
        chosen: BoolArray = np.ones(len(self._positions), np.bool_) if rows is None else rows
        if not np.isfinite(joint_positions[chosen]).all():
            raise RobotError("measured joint positions are not finite; the arm is not taken over")
        self._positions[chosen] = joint_positions[chosen]
        self._velocities[chosen] = 0.0
        self._box_violation[chosen] = self._violation(self._positions[chosen])

    def tick(self, requested_velocities: Array) -> JointCommand:
        """Move the commanded state by one tick.

        Args:
            requested_velocities: (n, 7), radians per second; anything, NaN and infinity included.

        Returns:
            The command for this tick.
        """
        finite = _all(np.isfinite(requested_velocities))
        # Bounded before anything is multiplied, so that huge finite requests cannot overflow.
        requested = np.where(finite[:, None], requested_velocities, 0.0)
        requested = np.minimum(np.maximum(requested, -_HUGE_RAD_S), _HUGE_RAD_S)
        wanted = requested * _scale_into(requested, self._velocity_limit)
        change = wanted - self._velocities
        wanted = self._velocities + change * _scale_into(change, self._velocity_change)

        dt = self.cfg.tick_period_s
        start = self._positions + wanted * dt
        stop = self._stopping_point(start, wanted)
        violation = self._path_violation(start, stop)
        # A state that starts outside (somebody moved the arm) may move, but only inwards.
        allowed = (violation <= np.maximum(self._box_violation, 0.0)) & self._inside_joints(stop)
        velocities = wanted
        if not allowed.all():
            braking = self._velocities * np.maximum(0.0, 1.0 - 1.0 / self._ticks_to_stop())
            velocities = np.where(allowed[:, None], wanted, braking)
            violation = np.where(allowed, violation, self._box_violation)
        self._velocities = velocities
        self._positions = self._positions + velocities * dt
        self._box_violation = violation
        changed = ~_all(np.abs(velocities - requested_velocities) <= _SAME_RAD_S)
        return JointCommand(self._positions.copy(), self._velocities.copy(), changed)

    def _ticks_to_stop(self) -> Array:
        ticks = _largest(np.abs(self._velocities) / self._velocity_change)
        positive: Array = np.maximum(ticks, 1e-12)[:, None]
        return positive

    def _stopping_point(self, positions: Array, velocities: Array) -> Array:
        ticks = _largest(np.abs(velocities) / self._velocity_change)
        stop: Array = positions + velocities * (0.5 * self.cfg.tick_period_s * ticks)[:, None]
        return stop

    def _inside_joints(self, positions: Array) -> BoolArray:
        # A joint beyond its limit may come back.
        low = np.minimum(self._low, self._positions)
        high = np.maximum(self._high, self._positions)
        return _all((positions >= low) & (positions <= high))

    def _path_violation(self, start: Array, stop: Array) -> Array:
        """Largest violation (n,) along the lines in joint space from start to stop (n, 7)."""
        moved = stop - start
        tip = end_effector_position(start, self._model)
        clearance = np.minimum.reduce(np.minimum(tip - self._box_low, self._box_high - tip), axis=1)
        # Far from the walls the start tells about the whole way; not being so includes NaN.
        near = ~(clearance > np.abs(moved) @ self._model.levers)
        worst = np.zeros(len(start))
        if near.any():
            path = start[near] + _PATH_PARTS * moved[near]
            violations = self._violation(path.reshape(-1, path.shape[-1]))
            worst[near] = np.maximum.reduce(violations.reshape(_PATH_POINTS, -1), axis=0)
        return worst

    def _violation(self, positions: Array) -> Array:
        """Distance (n,) of the end effector beyond the box less its margin, metres; at least 0."""
        tip = end_effector_position(positions, self._model)
        outside = np.maximum(self._box_low - tip, tip - self._box_high)
        violation: Array = np.maximum(_largest(outside), 0.0)
        return violation


def _all(conditions: BoolArray) -> BoolArray:
    """Whether all of each row's conditions hold, (n,)."""
    result: BoolArray = np.logical_and.reduce(conditions, axis=1)
    return result


def _largest(values: Array) -> Array:
    """Largest value of each row, (n,); np.max takes twice as long on few rows."""
    result: Array = np.maximum.reduce(values, axis=1)
    return result


def _scale_into(vectors: Array, limits: Array) -> Array:
    """Factor (n, 1) in (0, 1] that brings each row within +-limits without turning it."""
    factor: Array = 1.0 / np.maximum(_largest(np.abs(vectors) / limits), 1.0)[:, None]
    return factor


class Watchdog:
    """Says when input has gone stale. Times come from the caller's clock, in seconds."""

    def __init__(self, timeout_s: float) -> None:
        if not timeout_s > 0:
            raise InvalidConfigError(f"watchdog timeout is {timeout_s} s; allowed: above 0")
        self.timeout_s = timeout_s
        self._last_s: float | None = None

    def feed(self, now_s: float) -> None:
        """Note fresh input."""
        self._last_s = now_s

    def stop(self) -> None:
        """Forget all input: stale until fed again."""
        self._last_s = None

    def is_stale(self, now_s: float) -> bool:
        """Whether no fresh input came within the timeout; true before the first."""
        # A clock that jumped backwards proves nothing about freshness.
        return self._last_s is None or not 0 <= now_s - self._last_s <= self.timeout_s
