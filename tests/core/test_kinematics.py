from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from damsel.kinematics import (
    JOINT_NAMES,
    NUM_JOINTS,
    SAWYER,
    DampingCfg,
    differential_inverse,
    end_effector_pose,
    end_effector_position,
    geometric_jacobian,
    rotation_error,
    tool_down_rotation,
)
from damsel.scene import HOME_JOINT_POSITIONS, NOMINAL_POSTURE

Array = NDArray[np.float64]

NEUTRAL = np.array([0.0, -1.18, 0.0, 2.18, 0.0, 0.57, 3.3161])
"""The vendor's named pose `neutral`."""


def random_joints(rows: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(
        SAWYER.position_low, SAWYER.position_high, (rows, NUM_JOINTS)
    )


def rotation_about(axis: Array, angle: float) -> Array:
    """Rodrigues' formula."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def test_published_neutral_pose() -> None:
    """right_hand at (0.450, 0.160, 0.216), tool straight down; known to a millimetre."""
    hand = dataclasses.replace(SAWYER, hand_offset=np.array([0.0, 0.0, 0.0245]))
    pose = end_effector_pose(NEUTRAL[None], hand)
    np.testing.assert_allclose(pose.position_base[0], [0.450, 0.160, 0.216], atol=1e-3)
    np.testing.assert_allclose(pose.rotation_base[0, :, 2], [0.0, 0.0, -1.0], atol=2e-3)


def test_end_effector_is_the_gripper_tip_below_the_hand() -> None:
    """With the tool down it is 0.1356 m below right_hand."""
    position = end_effector_position(NEUTRAL[None])[0]
    np.testing.assert_allclose(position, [0.450, 0.160, 0.216 - 0.1356], atol=1e-3)


def test_position_of_the_outstretched_arm_by_hand() -> None:
    """All joints at zero: the origins' offsets add up along the turned axes."""
    model = SAWYER
    position, rotation = np.zeros(3), np.eye(3)
    for origin, turn in zip(model.joint_origins, model.joint_rotations, strict=True):
        position = position + rotation @ origin
        rotation = rotation @ turn
    position = position + rotation @ model.hand_offset
    np.testing.assert_allclose(end_effector_position(np.zeros((1, 7)))[0], position, atol=1e-12)
    assert position[0] > 1.0  # straight ahead


def test_the_fast_position_is_the_position_of_the_pose() -> None:
    joints = random_joints(200)
    np.testing.assert_allclose(
        end_effector_position(joints), end_effector_pose(joints).position_base, atol=1e-12
    )


def test_orientations_are_rotations() -> None:
    rotations = end_effector_pose(random_joints(200)).rotation_base
    np.testing.assert_allclose(
        np.einsum("nij,nkj->nik", rotations, rotations), np.tile(np.eye(3), (200, 1, 1)), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0, atol=1e-9)


def test_jacobian_is_the_derivative_of_the_pose() -> None:
    """Central differences; the angular part from the skew part of dR R^T."""
    joints, step = random_joints(50, seed=1), 1e-6
    jacobian = geometric_jacobian(joints)
    rotations = end_effector_pose(joints).rotation_base
    assert jacobian.shape == (50, 6, 7)
    for joint in range(NUM_JOINTS):
        ahead, behind = joints.copy(), joints.copy()
        ahead[:, joint] += step
        behind[:, joint] -= step
        after, before = end_effector_pose(ahead), end_effector_pose(behind)
        linear = (after.position_base - before.position_base) / (2 * step)
        turning = (after.rotation_base - before.rotation_base) / (2 * step)
        spin = np.einsum("nij,nkj->nik", turning, rotations)
        angular = np.stack([spin[:, 2, 1], spin[:, 0, 2], spin[:, 1, 0]], axis=1)
        np.testing.assert_allclose(jacobian[:, :3, joint], linear, atol=1e-8)
        np.testing.assert_allclose(jacobian[:, 3:, joint], angular, atol=1e-8)


def test_tool_down_points_down_and_turns_about_the_vertical() -> None:
    np.testing.assert_allclose(tool_down_rotation()[:, 2], [0.0, 0.0, -1.0])
    np.testing.assert_allclose(tool_down_rotation()[:, 1], [0.0, 1.0, 0.0])
    turned = tool_down_rotation(0.3)
    up = np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(turned, rotation_about(up, 0.3) @ tool_down_rotation(), atol=1e-12)
    assert np.linalg.det(turned) == pytest.approx(1.0)


@pytest.mark.parametrize("axis", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1, -2, 3]])
@pytest.mark.parametrize("angle", [0.0, 1e-3, -0.05, 0.2])
def test_rotation_error_is_the_vector_that_turns_current_into_target(
    axis: list[float], angle: float
) -> None:
    direction = np.array(axis) / np.linalg.norm(axis)
    current = tool_down_rotation(0.4)
    target = rotation_about(direction, angle) @ current
    error = rotation_error(current[None], target)[0]
    np.testing.assert_allclose(error, np.sin(angle) * direction, atol=1e-12)
    assert np.linalg.norm(error - angle * direction) <= abs(angle) ** 3


def test_inverse_step_reduces_the_error_of_the_pose() -> None:
    joints = np.repeat(HOME_JOINT_POSITIONS[None], 27, axis=0)
    offsets = 0.01 * np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T
    target = end_effector_position(joints) + offsets
    step = differential_inverse(
        joints, target, tool_down_rotation(), NOMINAL_POSTURE, DampingCfg(posture_gain=0.0)
    )
    after = end_effector_pose(joints + step)
    remaining = np.linalg.norm(after.position_base - target, axis=1)
    assert (remaining < 0.15 * 0.01 * np.sqrt(3)).all()
    assert np.linalg.norm(step[np.flatnonzero(~offsets.any(axis=1))]) < 1e-3


def test_inverse_without_error_moves_only_in_the_null_space() -> None:
    joints = np.array([[0.1, -0.9, 0.2, 1.9, 0.1, 0.5, 1.6]])
    pose = end_effector_pose(joints)
    cfg = DampingCfg(damping=1e-4, posture_gain=0.1)
    step = differential_inverse(
        joints, pose.position_base, pose.rotation_base[0], NOMINAL_POSTURE, cfg
    )
    assert np.abs(step).max() > 1e-4
    moved = np.einsum("nij,nj->ni", geometric_jacobian(joints), step)
    assert np.abs(moved).max() < 1e-3 * np.abs(step).max()
    # It goes towards the posture, as far as the task leaves room for.
    assert float(((NOMINAL_POSTURE - joints) * step).sum()) > 0.0


def test_inverse_solves_the_damped_least_squares_problem() -> None:
    """By hand: argmin |J dq - e|^2 + lambda^2 |dq|^2 for the weighted task, without posture."""
    joints = random_joints(20, seed=2)
    cfg = DampingCfg(damping=0.05, posture_gain=0.0, rotation_weight_m=0.3)
    pose = end_effector_pose(joints)
    target = pose.position_base + 0.01
    step = differential_inverse(joints, target, tool_down_rotation(), NOMINAL_POSTURE, cfg)
    weights = np.array([1.0, 1.0, 1.0, 0.3, 0.3, 0.3])
    for row in range(20):
        jacobian = weights[:, None] * geometric_jacobian(joints[row : row + 1])[0]
        turn = rotation_error(pose.rotation_base[row : row + 1], tool_down_rotation())[0]
        error = weights * np.concatenate([target[row] - pose.position_base[row], turn])
        stacked = np.vstack([jacobian, cfg.damping * np.eye(7)])
        expected = np.linalg.lstsq(stacked, np.concatenate([error, np.zeros(7)]))[0]
        np.testing.assert_allclose(step[row], expected, atol=1e-10)


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
def test_rows_are_computed_as_if_alone_bit_for_bit(rows: int) -> None:
    joints = random_joints(64, seed=3)
    target = end_effector_position(joints) + 0.01
    whole = (
        end_effector_position(joints),
        end_effector_pose(joints).rotation_base,
        geometric_jacobian(joints),
        differential_inverse(joints, target, tool_down_rotation(), NOMINAL_POSTURE, DampingCfg()),
    )
    for start in range(0, 64 - rows + 1, rows):
        part = slice(start, start + rows)
        np.testing.assert_array_equal(end_effector_position(joints[part]), whole[0][part])
        np.testing.assert_array_equal(end_effector_pose(joints[part]).rotation_base, whole[1][part])
        np.testing.assert_array_equal(geometric_jacobian(joints[part]), whole[2][part])
        step = differential_inverse(
            joints[part], target[part], tool_down_rotation(), NOMINAL_POSTURE, DampingCfg()
        )
        np.testing.assert_array_equal(step, whole[3][part])


def test_limits_are_those_of_the_arm() -> None:
    """Figures of sawyer_base.urdf.xacro."""
    assert tuple(f"right_j{i}" for i in range(7)) == JOINT_NAMES
    np.testing.assert_array_equal(
        SAWYER.velocity_limit, [1.74, 1.328, 1.957, 1.957, 3.485, 3.485, 4.545]
    )
    np.testing.assert_array_equal(SAWYER.acceleration_limit, [10, 8, 10, 10, 12, 12, 12])
    np.testing.assert_array_equal(SAWYER.effort_limit, [80, 80, 40, 40, 9, 9, 9])
    np.testing.assert_array_equal(
        SAWYER.position_high, [3.0503, 2.2736, 3.0426, 3.0439, 2.9761, 2.9761, 4.7124]
    )
    np.testing.assert_array_equal(
        SAWYER.position_low, [-3.0503, -3.8095, -3.0426, -3.0439, -2.9761, -2.9761, -4.7124]
    )


def test_a_joint_moves_the_end_effector_no_further_than_its_lever() -> None:
    start, stop = random_joints(500, seed=1), random_joints(500, seed=2)
    stop[::2] = start[::2] + 0.01 * (stop[::2] - start[::2])
    moved = np.linalg.norm(end_effector_position(stop) - end_effector_position(start), axis=1)
    assert np.all(moved <= np.abs(stop - start) @ SAWYER.levers)
