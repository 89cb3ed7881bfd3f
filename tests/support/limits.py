"""What "safe" means, computed from nothing but the joint positions that were commanded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from damsel.control import ControllerCfg, joint_positions_for
from damsel.kinematics import SAWYER, end_effector_position
from damsel.safety import SafetyCfg

__all__ = ["SLACK", "assert_safe", "box_violation", "starts"]

Array = NDArray[np.float64]

SLACK = 1e-9


def starts() -> Array:
    """Joint positions (n, 7) with the tool down all over the set points' box: corners first."""
    cfg = ControllerCfg()
    # The inverse kinematics behind these is good to some 0.3 mm.
    inset = cfg.safety.curvature_margin_m + 0.001
    low = cfg.safety.workspace_low_base + inset
    high = cfg.safety.workspace_high_base - inset
    corners = np.array(np.meshgrid(*np.stack([low, high], axis=1))).reshape(3, -1).T
    inside = np.random.default_rng(0).uniform(low, high, (24, 3))
    return joint_positions_for(np.concatenate([corners, inside]))


def box_violation(positions: Array, cfg: SafetyCfg) -> Array:
    """Distance (...) of the end effector beyond the workspace box, negative inside, metres.

    Args:
        positions: (..., 7), radians.
        cfg: The limits.
    """
    tip = end_effector_position(positions.reshape(-1, 7))
    outside = np.maximum(cfg.workspace_low_base - tip, tip - cfg.workspace_high_base)
    return outside.max(axis=1).reshape(positions.shape[:-1])


def assert_safe(start: Array, positions: Array, cfg: SafetyCfg) -> None:
    """Check every limit by finite differences of the commanded positions.

    Args:
        start: (n, 7), radians, where the arms were at rest.
        positions: (T, n, 7), radians, the commands of T ticks.
        cfg: The limits.
    """
    assert np.isfinite(positions).all()
    assert box_violation(positions, cfg).max() <= SLACK
    assert (positions >= SAWYER.position_low - SLACK).all()
    assert (positions <= SAWYER.position_high + SLACK).all()
    path = np.concatenate([start[None], positions])
    velocities = np.diff(path, axis=0) / cfg.tick_period_s
    limit = cfg.velocity_fraction * SAWYER.velocity_limit
    assert (np.abs(velocities) <= limit + SLACK).all()
    from_rest = np.concatenate([np.zeros((1, *start.shape)), velocities])
    accelerations = np.diff(from_rest, axis=0) / cfg.tick_period_s
    limit = cfg.acceleration_fraction * SAWYER.acceleration_limit
    assert (np.abs(accelerations) <= limit + SLACK).all()
