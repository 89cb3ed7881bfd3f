"""The MJCF agrees with the numbers that rewards, kinematics and safety rely on."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from damsel import scene
from damsel.kinematics import JOINT_NAMES, SAWYER, end_effector_pose
from damsel_sim.physics import TabletopPhysics, load_model


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return load_model()


def _placed(model: mujoco.MjModel, **joints: float) -> mujoco.MjData:
    data = mujoco.MjData(model)
    for name, value in joints.items():
        data.joint(name).qpos[:] = value
    mujoco.mj_forward(model, data)
    return data


def test_forward_kinematics_is_that_of_the_model(model: mujoco.MjModel) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        joints = rng.uniform(SAWYER.position_low, SAWYER.position_high)
        data = _placed(model, **dict(zip(JOINT_NAMES, joints, strict=True)))
        pose = end_effector_pose(joints[None])
        np.testing.assert_allclose(
            pose.position_base[0], data.site("end_effector").xpos, atol=1e-12
        )
        rotation = data.body("right_hand").xmat.reshape(3, 3)
        np.testing.assert_allclose(pose.rotation_base[0], rotation, atol=1e-12)


def test_joint_limits_are_those_of_the_arm(model: mujoco.MjModel) -> None:
    for joint, name in enumerate(JOINT_NAMES):
        expected = [SAWYER.position_low[joint], SAWYER.position_high[joint]]
        np.testing.assert_allclose(model.joint(name).range, expected)
        effort = SAWYER.effort_limit[joint]
        np.testing.assert_allclose(model.actuator(name).forcerange, [-effort, effort])


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4])
def test_door_handle_follows_the_scene(model: mujoco.MjModel, angle: float) -> None:
    data = _placed(model, door=angle)
    expected = scene.door_handle_position(np.array(angle))
    np.testing.assert_allclose(data.site("door_handle").xpos, expected, atol=1e-12)
    observation = np.zeros(12)
    observation[6:9] = data.site("door_handle").xpos
    assert scene.door_angle(observation) == pytest.approx(angle, abs=1e-12)


@pytest.mark.parametrize("opening", [0.0, 0.07, 0.15])
def test_drawer_handle_follows_the_scene(model: mujoco.MjModel, opening: float) -> None:
    data = _placed(model, drawer=opening)
    expected = scene.drawer_handle_position(np.array(opening))
    np.testing.assert_allclose(data.site("drawer_handle").xpos, expected, atol=1e-12)


def test_table_and_block_are_where_the_scene_says(model: mujoco.MjModel) -> None:
    table = model.geom("table")
    assert table.pos[2] + table.size[2] == pytest.approx(scene.TABLE_HEIGHT_M)
    np.testing.assert_allclose(model.geom("block").size, scene.BLOCK_HALF_SIZE_M)
    np.testing.assert_allclose(model.body("block").pos, scene.BLOCK_START_BASE)


def test_only_contact_can_move_the_objects(model: mujoco.MjModel) -> None:
    """No actuator, weld, mocap body or collision exclusion helps the arm."""
    assert [model.actuator(i).name for i in range(model.nu)] == list(JOINT_NAMES)
    assert model.nmocap == 0
    assert model.neq == 0
    arm = {body for body in range(model.nbody) if model.body(body).name.startswith("right_")}
    for signature in model.exclude_signature:
        assert not {int(signature) >> 16, int(signature) & 0xFFFF} & arm


def test_nothing_moves_by_itself() -> None:
    physics = TabletopPhysics(1)
    start = physics.observation()
    for _ in range(100):
        physics.step(np.zeros((1, 3)))
    np.testing.assert_allclose(physics.observation(), start, atol=1e-6)
