"""Observations made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from damsel import scene
from damsel.observation import BLOCK, DOOR_HANDLE, DRAWER_HANDLE, END_EFFECTOR

__all__ = ["observation_of"]


def observation_of(
    *,
    push: Sequence[float] = (0.0, 0.0),
    door: Sequence[float] = (0.0,),
    drawer: Sequence[float] = (0.0,),
    end_effector: Sequence[float] = (0.45, 0.0, 0.04),
) -> NDArray[np.float64]:
    """Return the observation (12,) of objects moved this far from rest.

    Args:
        push: Displacement of the block in x and y, metres.
        door: Angle of the door, radians.
        drawer: Opening of the drawer, metres.
        end_effector: Position in frame `base`, metres.
    """
    observation = np.empty(12)
    observation[END_EFFECTOR] = end_effector
    observation[BLOCK] = scene.BLOCK_START_BASE + np.array([*push, 0.0])
    observation[DOOR_HANDLE] = scene.door_handle_position(np.array(door[0]))
    observation[DRAWER_HANDLE] = scene.drawer_handle_position(np.array(drawer[0]))
    return observation
