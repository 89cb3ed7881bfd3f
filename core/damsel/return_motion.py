"""The slow way back to the start pose, chosen so that nothing on the table can be in the way.

Straight up first, which frees fingers from behind a handle; then, higher than anything on the
table, over to the start; then straight down to it; and last the joints to their exact start
values, which the redundant arm need not have after a motion of its tool. All of it goes through
the controller and the safety layer that the caller uses, in small steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damsel.control import EndEffectorController
from damsel.errors import InvalidConfigError, RobotError
from damsel.kinematics import (
    JOINT_NAMES,
    end_effector_pose,
    end_effector_position,
    tool_down_rotation,
)
from damsel.scene import HOME_JOINT_POSITIONS, WORKSPACE_HIGH_BASE, WORKSPACE_LOW_BASE

__all__ = ["ReturnCfg", "ReturnMotion", "refusal", "return_waypoints"]

Array = NDArray[np.float64]

_PHASES = ("up", "over the objects", "down", "into the start posture")
_TILT_LIMIT_RAD = 0.35
_TURN_LIMIT_RAD = 2.5
_ALIGNED_TURN_RAD = 0.05
_POSTURE_LIMIT_RAD = 1.0
_POSTURE_ARRIVAL_RAD = 0.01


@dataclass(frozen=True)
class ReturnCfg:
    """How the arm goes back.

    Attributes:
        safe_height_base_m: z in `base` at which the finger tips clear everything on the table.
        speed_m_s: Speed of the end effector.
        joint_speed_rad_s: Speed of the fastest joint while the posture is put right.
        arrival_m: How near to a way point is near enough.
        outside_m: How far outside its box the end effector may be when the motion starts.
        patience: Steps allowed for a phase, as a multiple of what it takes unhindered.
    """

    safe_height_base_m: float = 0.08
    speed_m_s: float = 0.08
    joint_speed_rad_s: float = 0.15
    arrival_m: float = 0.004
    outside_m: float = 0.03
    patience: float = 3.0

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant."""
        if not 0.03 <= self.safe_height_base_m <= 0.13:
            raise InvalidConfigError(
                f"safe_height_base_m is {self.safe_height_base_m}; allowed: [0.03, 0.13]"
            )
        if not 0 < self.speed_m_s <= 0.1:
            raise InvalidConfigError(f"speed_m_s is {self.speed_m_s}; allowed: (0, 0.1]")
        if not 0 < self.joint_speed_rad_s <= 0.3:
            raise InvalidConfigError(
                f"joint_speed_rad_s is {self.joint_speed_rad_s}; allowed: (0, 0.3]"
            )
        if not self.patience >= 1:
            raise InvalidConfigError(f"patience is {self.patience}; allowed: 1 or more")


def return_waypoints(
    position_base: Array, cfg: ReturnCfg, limits_base: tuple[Array, Array]
) -> Array:
    """Way points (3, 3) in `base`, metres, from a position (3,) to the start.

    The first is straight above the position, and the second as high as the first; only an arm
    that is outside of its box is led into it.

    Args:
        position_base: Where the end effector is.
        cfg: How the arm goes back.
        limits_base: Corners (3,) of the box of what the controller can be asked for.
    """
    home = end_effector_position(HOME_JOINT_POSITIONS[None])[0]
    above = np.clip(position_base, *limits_base)
    above[2] = max(above[2], cfg.safe_height_base_m)
    return np.array([above, [home[0], home[1], above[2]], home])


def refusal(joint_positions: Array, cfg: ReturnCfg) -> str:
    """Why the arm must not start the motion from joints (7,), in one line; empty if it may."""
    pose = end_effector_pose(joint_positions[None])
    position, rotation = pose.position_base[0], pose.rotation_base[0]
    outside_m = float(
        np.max(np.maximum(WORKSPACE_LOW_BASE - position, position - WORKSPACE_HIGH_BASE))
    )
    if not outside_m <= cfg.outside_m:
        return (
            f"the end effector is {outside_m:.3f} m outside its workspace; allowed: "
            f"{cfg.outside_m:g} m; lead the arm there by hand"
        )
    tilt_rad = float(np.arccos(np.clip(-rotation[2, 2], -1.0, 1.0)))
    if tilt_rad > _TILT_LIMIT_RAD:
        return (
            f"the tool is tilted by {tilt_rad:.2f} rad; allowed: {_TILT_LIMIT_RAD} rad from "
            "straight down; turn it by hand"
        )
    turn_rad = _turn(rotation)
    if turn_rad > _TURN_LIMIT_RAD:
        return (
            f"the tool is turned by {turn_rad:.2f} rad; allowed: {_TURN_LIMIT_RAD} rad from its "
            "start; turn it by hand"
        )
    if turn_rad > _TILT_LIMIT_RAD and position[2] < cfg.safe_height_base_m - cfg.arrival_m:
        return (
            f"the tool is turned by {turn_rad:.2f} rad among the objects; raise it to z = "
            f"{cfg.safe_height_base_m:g} m by hand"
        )
    return ""


class ReturnMotion:
    """One return, a control step at a time, with a controller that its caller ticks."""

    def __init__(
        self, cfg: ReturnCfg, controller: EndEffectorController, joint_positions: Array
    ) -> None:
        """Plan from joints (7,), measured now; `controller` has been reset to them.

        Raises:
            RobotError: If the arm is where no safe way begins; see `refusal`.
        """
        reason = refusal(joint_positions, cfg)
        if reason:
            raise RobotError(f"the arm cannot return to its start: {reason}")
        self._cfg = cfg
        self._controller = controller
        self._step_m = cfg.speed_m_s * controller.cfg.control_period_s
        self._step_rad = cfg.joint_speed_rad_s * controller.cfg.control_period_s
        position = end_effector_position(joint_positions[None])[0]
        self._waypoints = return_waypoints(position, cfg, controller.set_point_limits_base)
        lengths = np.linalg.norm(np.diff([position, *self._waypoints], axis=0), axis=1)
        self._expected_steps = [*(lengths / self._step_m), _POSTURE_LIMIT_RAD / self._step_rad]
        self._index = 0
        self._steps = 0

    @property
    def phase(self) -> str:
        """What the arm is doing, in words."""
        return _PHASES[self._index]

    def begin_step(self, joint_positions: Array) -> bool:
        """Open the next control step of the controller.

        Args:
            joint_positions: (7,), radians, measured now.

        Returns:
            Whether the arm has arrived; no step is opened then.

        Raises:
            RobotError: If the arm does not get on, as when something is in its way.
        """
        while self._arrived(joint_positions):
            if self._index == len(_PHASES) - 1:
                return True
            self._index += 1
            self._steps = 0
        self._steps += 1
        allowed = self._cfg.patience * self._expected_steps[self._index]
        if self._steps > allowed + 5.0 / self._controller.cfg.control_period_s:
            raise RobotError(
                f"the arm gets no further on its way back ({self.phase})"
                f"{self._shortfall(joint_positions)}"
            )
        if self._index < len(self._waypoints):
            missing = self._waypoints[self._index] - self._controller.set_point_base[0]
            length = float(np.linalg.norm(missing))
            displacement = missing * min(1.0, self._step_m / max(length, 1e-9))
            self._controller.begin(displacement[None], joint_positions[None])
        else:
            self._begin_posture_step()
        return False

    def _shortfall(self, joint_positions: Array) -> str:
        """How far the tool is from its way point, in words; nothing in the last phase."""
        if self._index == len(self._waypoints):
            return ""
        pose = end_effector_pose(joint_positions[None])
        at, to = pose.position_base[0], self._waypoints[self._index]
        here, there = (", ".join(f"{value:.3f}" for value in point) for point in (at, to))
        return f": at ({here}) m for ({there}) m, turned by {_turn(pose.rotation_base[0]):.2f} rad"

    def _begin_posture_step(self) -> None:
        commanded = self._controller.commanded_positions[0]
        missing = HOME_JOINT_POSITIONS - commanded
        worst = int(np.argmax(np.abs(missing)))
        if abs(missing[worst]) > _POSTURE_LIMIT_RAD:
            raise RobotError(
                f"{JOINT_NAMES[worst]} is {abs(missing[worst]):.2f} rad from its start; allowed: "
                f"{_POSTURE_LIMIT_RAD} rad; bring the arm nearer to its start posture by hand"
            )
        scale = min(1.0, self._step_rad / max(float(np.abs(missing).max()), 1e-9))
        self._controller.begin_joints((commanded + scale * missing)[None])

    def _arrived(self, joint_positions: Array) -> bool:
        cfg = self._cfg
        if self._index == len(self._waypoints):
            missing_rad = np.abs(HOME_JOINT_POSITIONS - joint_positions).max()
            commanded = self._controller.commanded_positions[0]
            there = np.allclose(commanded, HOME_JOINT_POSITIONS, rtol=0, atol=1e-3)
            return bool(there and missing_rad < _POSTURE_ARRIVAL_RAD)
        pose = end_effector_pose(joint_positions[None])
        missing = np.abs(self._waypoints[self._index] - pose.position_base[0])
        if self._index == 0:
            missing[:2] = 0.0  # height is all that matters before the way over the objects
        turned = _turn(pose.rotation_base[0]) > _ALIGNED_TURN_RAD
        return bool(missing.max() < cfg.arrival_m and not turned)


def _turn(rotation_base: Array) -> float:
    """Angle in radians between an orientation (3, 3) and that of the start."""
    cosine = (np.trace(rotation_base.T @ tool_down_rotation()) - 1.0) / 2.0
    return float(np.arccos(np.clip(cosine, -1.0, 1.0)))
