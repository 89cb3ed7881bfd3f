"""Where trajectories may start in training, so that handles are found at all.

The tool at home seldom finds the gap behind a handle by chance. Experts (`expert_env`) and PEARL
both begin some of their trajectories anywhere above the objects, or where an object can be moved
at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from damsel.control import joint_positions_for
from damsel.families import for_every_family
from damsel.scene import (
    BLOCK_START_BASE,
    DOOR_HANDLE_STANDOFF_M,
    DRAWER_HANDLE_START_BASE,
    HOME_JOINT_POSITIONS,
    door_handle_position,
)

__all__ = ["ABOVE_BASE", "AT_OBJECT_BASE", "ExploringStarts"]

Array = NDArray[np.float64]

_BANK = 64
ABOVE_BASE = (np.array([0.42, -0.36, 0.03]), np.array([0.78, 0.36, 0.12]))
"""Corners of the free space above the objects, metres in frame `base`."""

_HOOKED = np.array([0.5 * DOOR_HANDLE_STANDOFF_M, 0.0, -0.025])
AT_OBJECT_BASE = for_every_family(
    "AT_OBJECT_BASE",
    {
        "push": BLOCK_START_BASE - np.array([0.05, 0.0, 0.0]),
        "door": door_handle_position(np.array(0.0)) + _HOOKED,
        "drawer": DRAWER_HANDLE_START_BASE + _HOOKED,
    },
)
"""By family: where the tool meets its object, metres in frame `base`."""

_JITTER_M = 0.005


class ExploringStarts:
    """Joint positions to start from, drawn from banks that are computed once."""

    def __init__(self, families: Sequence[str], rng: np.random.Generator) -> None:
        """Compute the banks.

        Args:
            families: of each row.
            rng: source of the places.
        """
        self._families = list(families)
        self._above = joint_positions_for(rng.uniform(*ABOVE_BASE, (_BANK, 3)))
        self._at_object = {
            name: joint_positions_for(place + rng.uniform(-_JITTER_M, _JITTER_M, (_BANK, 3)))
            for name, place in AT_OBJECT_BASE.items()
        }

    def draw(self, above: float, at_object: float, rng: np.random.Generator) -> Array:
        """Joint positions (rows, 7): above the objects, at the row's own object, or at home.

        Args:
            above: chance of the first.
            at_object: chance of the second.
            rng: source of the draw.
        """
        joints = np.repeat(HOME_JOINT_POSITIONS[None], len(self._families), axis=0)
        for row, (name, chance) in enumerate(
            zip(self._families, rng.random(len(self._families)), strict=True)
        ):
            if chance < above:
                joints[row] = rng.choice(self._above)
            elif chance < above + at_object:
                joints[row] = rng.choice(self._at_object[name])
        return joints
