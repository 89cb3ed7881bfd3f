from __future__ import annotations

import numpy as np
import pytest

from damsel import scene
from damsel.kinematics import end_effector_pose, tool_down_rotation
from tests.support.observations import observation_of


def test_block_displacement_is_from_its_start() -> None:
    observation = observation_of(push=(0.17, -0.04))
    np.testing.assert_allclose(scene.block_displacement(observation), [0.17, -0.04])


@pytest.mark.parametrize("angle", [0.0, 1e-4, 0.3, np.pi / 4, 1.5, -0.1])
def test_door_angle_inverts_the_handle_position(angle: float) -> None:
    assert scene.door_angle(observation_of(door=(angle,))) == pytest.approx(angle, abs=1e-12)


def test_closed_door_has_its_handle_along_minus_y_towards_the_robot() -> None:
    handle = scene.door_handle_position(np.array(0.0))
    np.testing.assert_allclose(handle, [0.78 - 0.055, 0.40 - 0.16, -0.03], atol=1e-15)


def test_door_opens_towards_the_robot_on_a_circle_about_its_hinge() -> None:
    angles = np.linspace(0.0, np.pi / 4, 20)
    handles = scene.door_handle_position(angles)
    assert (np.diff(handles[:, 0]) < 0).all()
    radius = np.linalg.norm(handles[:, :2] - scene.DOOR_HINGE_BASE[:2], axis=1)
    np.testing.assert_allclose(radius, np.hypot(0.16, 0.055))
    np.testing.assert_array_equal(handles[:, 2], -0.03)


def test_drawer_opens_towards_the_robot() -> None:
    handle = scene.drawer_handle_position(np.array([0.0, 0.1]))
    np.testing.assert_allclose(handle, [[0.725, -0.28, -0.03], [0.625, -0.28, -0.03]])
    assert scene.drawer_opening(observation_of(drawer=(0.1,))) == pytest.approx(0.1)


def test_home_holds_the_tool_straight_down_at_the_start() -> None:
    pose = end_effector_pose(scene.HOME_JOINT_POSITIONS[None])
    np.testing.assert_allclose(pose.position_base[0], [0.45, 0.0, 0.04], atol=1e-4)
    np.testing.assert_allclose(pose.rotation_base[0], tool_down_rotation(), atol=1e-3)


def test_objects_lie_inside_the_workspace_wherever_their_tasks_put_them() -> None:
    points = [
        scene.BLOCK_START_BASE + np.array([dx, dy, 0.0]) for dx in (0.0, 0.22) for dy in (-0.1, 0.1)
    ]
    points += list(scene.door_handle_position(np.linspace(0.0, np.pi / 4, 10)))
    points += list(scene.drawer_handle_position(np.linspace(0.0, 0.15, 10)))
    for point in points:
        assert (point > scene.WORKSPACE_LOW_BASE).all()
        assert (point < scene.WORKSPACE_HIGH_BASE).all()
