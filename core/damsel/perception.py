"""What the cameras say of the objects, and whether it may be believed.

One tracker an object. Times are seconds of one monotonic clock: a pose's time is when it was
measured, so that a pose that was long under way is as stale as one that never came.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damsel.calibration.model import OBJECT_NAMES
from damsel.errors import InvalidConfigError, PerceptionError
from damsel.scene import BLOCK_START_BASE, door_handle_position, drawer_handle_position

__all__ = ["ObjectPoses", "ObjectTracker", "PerceptionCfg", "misplaced", "rest_positions"]

Array = NDArray[np.float64]

_AT_REST = {
    "block": BLOCK_START_BASE,
    "door_handle": door_handle_position(np.zeros(())),
    "drawer_handle": drawer_handle_position(np.zeros(())),
}


@dataclass(frozen=True)
class PerceptionCfg:
    """When a pose is believed.

    Attributes:
        stale_s: Oldest pose that is used.
        jump_m: How far apart two poses in a row may be, on top of what the object can move.
        speed_m_s: How fast an object can move; the arm's own speed bounds it.
        region_low_base: (3,), metres, lower corner of where an object can be.
        region_high_base: (3,), metres, upper corner.
    """

    stale_s: float = 0.2
    jump_m: float = 0.02
    speed_m_s: float = 0.6
    region_low_base: tuple[float, float, float] = (0.2, -0.7, -0.25)
    region_high_base: tuple[float, float, float] = (1.1, 0.7, 0.3)

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant."""
        for name in ("stale_s", "jump_m", "speed_m_s"):
            if not 0 < getattr(self, name) < np.inf:
                raise InvalidConfigError(f"{name} is {getattr(self, name)}; allowed: above 0")
        if not np.all(np.less(self.region_low_base, self.region_high_base)):
            raise InvalidConfigError("the region of the objects needs low < high")


class ObjectTracker:
    """The latest position of one object, and what is wrong with it."""

    def __init__(self, name: str, cfg: PerceptionCfg) -> None:
        self._said = name.replace("_", " ")
        self._cfg = cfg
        self._position: Array | None = None
        self._measured_s = -np.inf
        self._late_s = 0.0
        self._fault = ""

    @property
    def position_base(self) -> Array:
        """Latest believed position (3,), metres.

        Raises:
            PerceptionError: If there is none.
        """
        if self._position is None:
            raise PerceptionError(f"no pose of the {self._said} has come yet")
        return self._position

    def see(
        self, position_base: Array, measured_s: float, now_s: float, *, anew: bool = False
    ) -> None:
        """Take a position; one that says nothing new is dropped.

        One that cannot be true is kept out and remembered, until a position is taken anew.

        Args:
            position_base: (3,), metres.
            measured_s: When it was measured.
            now_s: When it arrived.
            anew: Whether somebody may have moved the object: where it was and what was wrong then
                count for nothing.
        """
        self._late_s = now_s - measured_s
        if measured_s <= self._measured_s:
            return
        if anew:
            self._position, self._fault = None, ""
        problem = self._implausible(position_base, measured_s)
        if problem:
            self._fault = self._fault or problem
            return
        self._position, self._measured_s = position_base.copy(), measured_s

    def problem(self, now_s: float) -> str:
        """Why the object's position cannot be used now, in one line; empty if it can."""
        if self._fault:
            return self._fault
        if self._position is None:
            return f"no pose of the {self._said} has come yet"
        age_s = now_s - self._measured_s
        # Not being fresh includes NaN.
        if age_s <= self._cfg.stale_s:
            return ""
        if self._late_s > self._cfg.stale_s:
            return (
                f"poses of the {self._said} come {self._late_s:.2f} s late, or the clock that "
                f"stamps them was set back (allowed: {self._cfg.stale_s:g} s)"
            )
        return f"no pose of the {self._said} for {age_s:.2f} s (allowed: {self._cfg.stale_s:g})"

    def _implausible(self, position: Array, measured_s: float) -> str:
        cfg = self._cfg
        if not np.isfinite(position).all():
            return f"a pose of the {self._said} is not finite"
        if np.any(position < cfg.region_low_base) or np.any(position > cfg.region_high_base):
            return f"the {self._said} is seen at {_text(position)}, where it cannot be"
        if self._position is not None:
            jumped_m = float(np.linalg.norm(position - self._position))
            # After a gap the object may be elsewhere, but a gap is reported as such.
            elapsed_s = min(measured_s - self._measured_s, cfg.stale_s)
            allowed_m = cfg.jump_m + cfg.speed_m_s * elapsed_s
            if jumped_m > allowed_m:
                return f"the pose of the {self._said} jumped by {jumped_m:.3f} m"
        return ""


class ObjectPoses:
    """The trackers of all objects.

    Attributes:
        jumps_allowed: Whether somebody may be moving the objects by hand: earlier poses and faults
            then count for nothing.
    """

    def __init__(self, cfg: PerceptionCfg) -> None:
        self.jumps_allowed = False
        self._trackers = {name: ObjectTracker(name, cfg) for name in OBJECT_NAMES}

    def see(self, name: str, position_base: Array, measured_s: float, now_s: float) -> None:
        """Take a position of one object; see `ObjectTracker.see`."""
        self._trackers[name].see(position_base, measured_s, now_s, anew=self.jumps_allowed)

    def problem(self, now_s: float) -> str:
        """What is wrong with any object, in one line; empty if all can be used."""
        problems = (tracker.problem(now_s) for tracker in self._trackers.values())
        return "; ".join(problem for problem in problems if problem)

    def positions(self, now_s: float) -> Array:
        """Positions (9,) of the objects as in the observation, metres in `base`.

        Raises:
            PerceptionError: If one cannot be used; the message names it.
        """
        problem = self.problem(now_s)
        if problem:
            raise PerceptionError(problem)
        return np.concatenate([tracker.position_base for tracker in self._trackers.values()])


def rest_positions() -> Array:
    """Where the objects are at the start of a trajectory, (9,) in the observation's order."""
    return np.concatenate([_AT_REST[name] for name in OBJECT_NAMES])


def misplaced(positions_base: Array, tolerance_m: float) -> list[str]:
    """Name every object that is not at its start.

    Args:
        positions_base: (9,), metres.
        tolerance_m: How far from its start an object may be.

    Returns:
        One phrase an object, such as `the block is 0.031 m from its start (0.550, 0.000, -0.070)`.
    """
    phrases = []
    for name, at, start in zip(
        OBJECT_NAMES, positions_base.reshape(-1, 3), rest_positions().reshape(-1, 3), strict=True
    ):
        distance_m = float(np.linalg.norm(at - start))
        if not distance_m <= tolerance_m:
            said = name.replace("_", " ")
            phrases.append(f"the {said} is {distance_m:.3f} m from its start {_text(start)}")
    return phrases


def _text(position: Array) -> str:
    return "({})".format(", ".join(f"{x:.3f}" for x in position.tolist()))
