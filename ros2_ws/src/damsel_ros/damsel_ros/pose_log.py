"""Every pose of an object that came within some seconds, and whether an arm can rely on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from damsel_ros.check import Check

__all__ = ["PoseLog", "pose_checks"]

Array = NDArray[np.float64]

_LEAST_RATE_HZ = 20.0
_RATE_TOLERANCE = 0.1  # for two seconds of counting, and a picture that is dropped now and then
_FARTHEST = 4  # of what an object may be off its place: what passes for no jump by default
_EARLY_LIMIT_S = 0.05
_DELAY_LIMIT_S = 0.1
# One this late now and then the arm gets over; it is the default of sawyer.pose_timeout_s.
_WORST_DELAY_LIMIT_S = 0.2


@dataclass(eq=False)
class PoseLog:
    """What came of one object, pose by pose.

    Attributes:
        heard_s: When each came, seconds of the monotonic clock.
        delays_s: How old it was then, by the wall clocks of this machine and of the camera.
        positions_base: (3,) each, where it puts the object, metres.
    """

    heard_s: list[float] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    positions_base: list[Array] = field(default_factory=list)

    def add(self, heard_s: float, delay_s: float, position_base: Array) -> None:
        """Add a pose."""
        self.heard_s.append(heard_s)
        self.delays_s.append(delay_s)
        self.positions_base.append(position_base)

    def rate_hz(self, now_s: float) -> float:
        """Poses a second since the first."""
        if len(self.heard_s) < 2:
            return 0.0
        return (len(self.heard_s) - 1) / max(1e-3, now_s - self.heard_s[0])

    @property
    def in_time(self) -> bool:
        """Whether the delays are short, and the clocks agree well enough to tell."""
        delays_s = np.array(self.delays_s)
        return bool(
            delays_s.min() >= -_EARLY_LIMIT_S
            and np.median(delays_s) <= _DELAY_LIMIT_S
            and delays_s.max() <= _WORST_DELAY_LIMIT_S
        )

    @property
    def spread_m(self) -> float:
        """How far from the middle one 19 of 20 positions are at most."""
        return float(np.quantile(self._from_middle_m(), 0.95))

    @property
    def farthest_m(self) -> float:
        """How far the farthest position is from the middle one."""
        return float(self._from_middle_m().max())

    def _from_middle_m(self) -> Array:
        positions = np.array(self.positions_base)
        distances: Array = np.linalg.norm(positions - np.median(positions, axis=0), axis=1)
        return distances


def pose_checks(
    logs: Mapping[str, PoseLog], now_s: float, placement_tolerance_m: float
) -> Iterator[Check]:
    """Judge all poses, not only the newest.

    Args:
        logs: By object, with a pose at least in each.
        now_s: When the listening ended.
        placement_tolerance_m: How far from its start an object may be.
    """
    yield _rate(logs, now_s)
    yield _delay(logs)
    yield _spread(logs, placement_tolerance_m)


def _rate(logs: Mapping[str, PoseLog], now_s: float) -> Check:
    rates_hz = {name: log.rate_hz(now_s) for name, log in logs.items()}
    slowest = min(rates_hz, key=lambda name: rates_hz[name])
    enough = rates_hz[slowest] >= (1 - _RATE_TOLERANCE) * _LEAST_RATE_HZ
    detail = f"{rates_hz[slowest]:.1f} poses a second of {slowest}"
    return Check(
        "object pose rate", enough, detail if enough else f"{detail}; allowed: {_LEAST_RATE_HZ:g}"
    )


def _delay(logs: Mapping[str, PoseLog]) -> Check:
    """How long cameras take, which only clocks that agree can tell; control does not use it."""
    late = [name for name, log in logs.items() if not log.in_time]
    worst = late[0] if late else max(logs, key=lambda name: max(logs[name].delays_s))
    delays_ms = 1000 * np.array(logs[worst].delays_s)
    detail = (
        f"{np.median(delays_ms):.0f} ms, {delays_ms.min():.0f} to {delays_ms.max():.0f} ms, "
        f"by the stamps of {worst}"
    )
    allowed = (
        f"{-1000 * _EARLY_LIMIT_S:.0f} to {1000 * _DELAY_LIMIT_S:.0f} ms, a few up to "
        f"{1000 * _WORST_DELAY_LIMIT_S:.0f} ms; run chrony where the cameras are, then look at them"
    )
    return Check("object pose delay", not late, f"{detail}; allowed: {allowed}" if late else detail)


def _spread(logs: Mapping[str, PoseLog], placement_tolerance_m: float) -> Check:
    farthest_allowed_m = _FARTHEST * placement_tolerance_m

    def excess(name: str) -> float:
        return max(
            logs[name].spread_m / placement_tolerance_m, logs[name].farthest_m / farthest_allowed_m
        )

    widest = max(logs, key=excess)
    steady = excess(widest) <= 1.0
    detail = (
        f"{1000 * logs[widest].spread_m:.1f} mm from the middle one of {widest} in 19 of 20, "
        f"{1000 * logs[widest].farthest_m:.1f} mm at most"
    )
    wrong = (
        f"{detail}; allowed: {1000 * placement_tolerance_m:g} and {1000 * farthest_allowed_m:g} mm "
        "at rest; look at the marker, at others that it may be taken for, and at the light"
    )
    return Check("object pose spread", steady, detail if steady else wrong)
