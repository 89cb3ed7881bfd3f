"""Geometry of the tabletop in frame `base`: what the MJCF, the rewards and the safety box agree on.

The robot stands at the origin, x points over the table, y to the robot's left, z up. A test holds
the MuJoCo model to these numbers, and `docs/scene.md` draws them for a real table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from damsel.observation import BLOCK, DOOR_HANDLE, DRAWER_HANDLE

__all__ = [
    "BLOCK_HALF_SIZE_M",
    "BLOCK_START_BASE",
    "DOOR_HANDLE_FROM_HINGE_M",
    "DOOR_HANDLE_STANDOFF_M",
    "DOOR_HINGE_BASE",
    "DRAWER_HANDLE_START_BASE",
    "HOME_JOINT_POSITIONS",
    "NOMINAL_POSTURE",
    "TABLE_HEIGHT_M",
    "WORKSPACE_HIGH_BASE",
    "WORKSPACE_LOW_BASE",
    "block_displacement",
    "door_angle",
    "door_handle_position",
    "drawer_handle_position",
    "drawer_opening",
]

Array = NDArray[np.float64]

TABLE_HEIGHT_M = -0.10

# The end effector may go anywhere in this box and nowhere else. Its floor leaves 12 mm between
# finger tips and table; its far side ends where the elbow begins to straighten.
WORKSPACE_LOW_BASE = np.array([0.40, -0.40, TABLE_HEIGHT_M + 0.012])
WORKSPACE_HIGH_BASE = np.array([0.80, 0.42, 0.15])

BLOCK_HALF_SIZE_M = 0.03
BLOCK_START_BASE = np.array([0.55, 0.0, TABLE_HEIGHT_M + BLOCK_HALF_SIZE_M])

# The door's panel runs from its hinge along -y when closed; its handle stands off towards the
# robot. It opens towards the robot, clockwise seen from above.
DOOR_HINGE_BASE = np.array([0.78, 0.40, -0.03])
DOOR_HANDLE_FROM_HINGE_M = 0.16
DOOR_HANDLE_STANDOFF_M = 0.055

# The drawer opens along -x.
DRAWER_HANDLE_START_BASE = np.array([0.725, -0.28, -0.03])

# Where every trajectory starts: end effector at (0.45, 0, 0.04), tool straight down.
HOME_JOINT_POSITIONS = np.array([-0.36422, -1.11213, 0.0, 2.26491, 0.0, 0.41801, 1.3811])

# The elbow-down posture over the middle of the table that the redundant joint is drawn to.
NOMINAL_POSTURE = np.array([-0.27045, -0.73724, 0.0, 1.78138, 0.0, 0.52665, 1.47487])


def block_displacement(observation: Array) -> Array:
    """Displacement (..., 2) of the block from its start in x and y, metres."""
    displacement: Array = observation[..., BLOCK][..., :2] - BLOCK_START_BASE[:2]
    return displacement


def door_angle(observation: Array) -> Array:
    """Opening angle (...,) of the door in radians, from the position of its handle."""
    from_hinge = observation[..., DOOR_HANDLE][..., :2] - DOOR_HINGE_BASE[:2]
    closed = np.arctan2(-DOOR_HANDLE_FROM_HINGE_M, -DOOR_HANDLE_STANDOFF_M)
    angle: Array = closed - np.arctan2(from_hinge[..., 1], from_hinge[..., 0])
    return np.remainder(angle + np.pi, 2 * np.pi) - np.pi


def drawer_opening(observation: Array) -> Array:
    """Opening (...,) of the drawer in metres, from the position of its handle."""
    opening: Array = DRAWER_HANDLE_START_BASE[0] - observation[..., DRAWER_HANDLE][..., 0]
    return opening


def door_handle_position(angle_rad: Array) -> Array:
    """Position (..., 3) of the door handle in `base` at an opening angle (...,); metres."""
    sine, cosine = np.sin(angle_rad), np.cos(angle_rad)
    return np.stack(
        [
            DOOR_HINGE_BASE[0] - DOOR_HANDLE_STANDOFF_M * cosine - DOOR_HANDLE_FROM_HINGE_M * sine,
            DOOR_HINGE_BASE[1] + DOOR_HANDLE_STANDOFF_M * sine - DOOR_HANDLE_FROM_HINGE_M * cosine,
            np.full_like(sine, DOOR_HINGE_BASE[2]),
        ],
        axis=-1,
    )


def drawer_handle_position(opening_m: Array) -> Array:
    """Position (..., 3) of the drawer handle in `base` at an opening (...,); metres."""
    position = np.empty((*np.shape(opening_m), 3))
    position[...] = DRAWER_HANDLE_START_BASE
    position[..., 0] -= opening_m
    return position
