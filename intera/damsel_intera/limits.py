"""Sawyer's joints and their limits, as the robot itself publishes them on `/robot/joint_limits`."""

from __future__ import annotations

__all__ = [
    "ACCELERATION",
    "EFFORT",
    "JOINTS",
    "JOINT_NAMES",
    "POSITION_HIGH",
    "POSITION_LOW",
    "VELOCITY",
]

JOINT_NAMES = tuple(f"right_j{index}" for index in range(7))
JOINTS = len(JOINT_NAMES)

POSITION_LOW = (-3.0503, -3.8095, -3.0426, -3.0439, -2.9761, -2.9761, -4.7124)
"""(7,), radians."""

POSITION_HIGH = (3.0503, 2.2736, 3.0426, 3.0439, 2.9761, 2.9761, 4.7124)
"""(7,), radians."""

VELOCITY = (1.74, 1.328, 1.957, 1.957, 3.485, 3.485, 4.545)
"""(7,), radians per second, either way."""

ACCELERATION = (10.0, 8.0, 10.0, 10.0, 12.0, 12.0, 12.0)
"""(7,), radians per second squared, either way."""

EFFORT = (80.0, 80.0, 40.0, 40.0, 9.0, 9.0, 9.0)
"""(7,), newton metres, either way."""
