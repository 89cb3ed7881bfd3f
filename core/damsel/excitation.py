"""A motion that shows what an arm's joints are like: friction, damping, gains and delay.

Sums of sines along the three axes, above everything on the table, so that joints move slowly and
fast and turn back often. It asks for displacements of the end effector, as a policy does, so it
goes through the ordinary controller and safety layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel.errors import InvalidConfigError

__all__ = ["ExcitationCfg", "excitation_displacement", "excitation_path"]

Array = NDArray[np.float64]


class _Sine(NamedTuple):
    amplitude_m: float
    frequency_hz: float


# Frequencies without a common period. Speeds stay below the 0.2 m/s that a displacement of a
# centimetre every 50 ms allows, most of the time; what does not is clipped.
_LATERAL = (_Sine(0.12, 0.17), _Sine(0.022, 0.83), _Sine(0.006, 2.3))
_FORWARD = (_Sine(0.07, 0.23), _Sine(0.018, 0.97), _Sine(0.005, 2.7))
_UPWARD = (_Sine(0.03, 0.31), _Sine(0.012, 1.31))
_RAMP_S = 1.0


@dataclass(frozen=True)
class ExcitationCfg:
    """Configuration.

    Attributes:
        duration_s: how long the motion lasts.
        centre_offset: (3,), metres in frame `base`, from the start to the middle of the motion.
        pull: part of the distance to the path that is caught up with in a control step.
    """

    duration_s: float = 20.0
    centre_offset: tuple[float, float, float] = (0.10, 0.0, 0.05)
    pull: float = 0.2

    def __post_init__(self) -> None:
        """Refuse what tells too little or takes too long."""
        if not 5.0 <= self.duration_s <= 300.0:
            raise InvalidConfigError(f"duration_s is {self.duration_s:g}; allowed: 5 to 300")


def excitation_path(cfg: ExcitationCfg, time_s: float) -> Array:
    """Where the end effector should be after a time, (3,), metres from its start."""
    swing = [
        sum(one.amplitude_m * np.sin(2 * np.pi * one.frequency_hz * time_s) for one in sines)
        for sines in (_FORWARD, _LATERAL, _UPWARD)
    ]
    # From rest to rest.
    left_s = min(time_s, cfg.duration_s - time_s)
    part = float(np.clip(left_s / _RAMP_S, 0.0, 1.0))
    path: Array = part**2 * (3 - 2 * part) * (np.asarray(cfg.centre_offset) + np.array(swing))
    return path


def excitation_displacement(
    cfg: ExcitationCfg, step: int, period_s: float, moved_base: Array
) -> Array:
    """What to ask for in a control step.

    Args:
        cfg: the motion.
        step: control steps since the start.
        period_s: duration of a control step.
        moved_base: (3,), metres in frame `base`, how far the end effector is from its start.

    Returns:
        Displacement (3,) of the end effector, metres in frame `base`.
    """
    here, there = (excitation_path(cfg, period_s * at) for at in (step, step + 1))
    displacement: Array = there - here + cfg.pull * (here - moved_base)
    return displacement
