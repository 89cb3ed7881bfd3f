"""Where a hidden goal is: on the table, and in a picture of it. For people, not for the robot."""

from __future__ import annotations

import math

import mujoco
import numpy as np
from numpy.typing import NDArray

from damsel import scene
from damsel.tasks import Task

__all__ = ["goal_position", "pixel_of"]

Array = NDArray[np.float64]


def goal_position(task: Task) -> Array | None:
    """Where block or handle should be, (3,) in metres in frame `base`; None if not known how."""
    goal = np.array(task.goal)
    if task.family == "push":
        position: Array = scene.BLOCK_START_BASE + np.append(goal, 0.0)
        return position
    if task.family == "door":
        return scene.door_handle_position(goal[0])
    if task.family == "drawer":
        return scene.drawer_handle_position(goal[0])
    return None


def pixel_of(
    position_base: Array, model: mujoco.MjModel, camera: str, width: int, height: int
) -> tuple[float, float]:
    """Where a fixed camera sees a point: pixels from the left and from the top.

    Args:
        position_base: (3,), metres, in front of the camera.
        model: the scene.
        camera: name of a camera that does not move.
        width: of the picture in pixels.
        height: of the picture in pixels.
    """
    index = model.camera(camera).id
    # The camera's x points to the right, y up, and it looks along -z.
    right, up, back = model.cam_mat0[index].reshape(3, 3).T @ (position_base - model.cam_pos[index])
    focal_px = height / 2 / math.tan(math.radians(model.cam_fovy[index]) / 2)
    return width / 2 - focal_px * right / back, height / 2 + focal_px * up / back
