"""The virtual robot's arm, its objects and its kinematics."""

from __future__ import annotations

import numpy as np
import pytest

from damsel.control import joint_positions_for
from damsel.kinematics import end_effector_position
from damsel.scene import BLOCK_START_BASE, DRAWER_HANDLE_START_BASE, HOME_JOINT_POSITIONS
from damsel_intera.errors import SettingError
from damsel_intera.virtual.arm import TICK_S, ArmPhysics, VirtualArm
from damsel_intera.virtual.commands import JointCommand, Mode
from damsel_intera.virtual.kinematics import RobotKinematics

TARGET = HOME_JOINT_POSITIONS + np.array([0.3, 0.1, 0.1, -0.1, 0.1, 0.1, 0.2])


def drive(arm: VirtualArm, target: np.ndarray, seconds: float) -> list[np.ndarray]:
    """Send one target over and over; returns where the joints were after each tick."""
    path = []
    arm.set_point.speed_ratio = 1.0
    for tick in range(round(seconds / TICK_S)):
        now_s = TICK_S * tick
        arm.take(JointCommand(Mode.POSITION, target, now_s))
        arm.tick(now_s)
        path.append(arm.joint_positions)
    return path


def test_it_stands_still_at_home() -> None:
    arm = VirtualArm()
    for tick in range(100):
        arm.tick(TICK_S * tick)
    assert arm.joint_positions == pytest.approx(HOME_JOINT_POSITIONS, abs=1e-4)


def test_it_goes_where_it_is_told() -> None:
    arm = VirtualArm()
    assert drive(arm, TARGET, 3.0)[-1] == pytest.approx(TARGET, abs=2e-3)


def test_it_tells_the_force_of_the_latest_tick_and_the_largest() -> None:
    arm = VirtualArm()
    drive(arm, TARGET, 0.5)
    assert arm.contact_force_n == arm.peak_force_n == 0.0
    down = joint_positions_for(np.array([[0.55, 0.0, -0.15]]))[0]
    drive(arm, down, 1.5)
    assert arm.peak_force_n > 40.0
    arm.freeze()
    for tick in range(100):
        arm.tick(10.0 + TICK_S * tick)
    assert arm.contact_force_n < 20.0


def test_brakes_keep_it_where_it_is() -> None:
    arm = VirtualArm()
    drive(arm, TARGET, 0.3)
    arm.freeze()
    before = arm.joint_positions
    for tick in range(100):
        arm.freeze()
        arm.tick(10.0 + TICK_S * tick)
    assert arm.joint_positions == pytest.approx(before, abs=0.05)
    assert arm.joint_velocities == pytest.approx(np.zeros(7), abs=1e-2)


@pytest.mark.parametrize(
    "physics",
    [
        ArmPhysics(damping_scale=4.0),
        ArmPhysics(friction=0.1),
        ArmPhysics(gain_scale=0.5),
        ArmPhysics(delay_s=0.05),
    ],
)
def test_an_arm_unlike_the_nominal_one_moves_unlike_it(physics: ArmPhysics) -> None:
    nominal = np.array(drive(VirtualArm(), TARGET, 0.6))
    other = np.array(drive(VirtualArm(physics), TARGET, 0.6))
    assert np.max(np.abs(other - nominal)) > 2e-3


def test_a_delay_delays() -> None:
    path = drive(VirtualArm(ArmPhysics(delay_s=0.1)), TARGET, 0.2)
    assert path[8] == pytest.approx(HOME_JOINT_POSITIONS, abs=1e-3)
    assert abs(path[19][0] - HOME_JOINT_POSITIONS[0]) > 5e-3


@pytest.mark.parametrize(
    ("field", "value"), [("damping_scale", 0.0), ("friction", 0.4), ("delay_s", -0.1)]
)
def test_physics_that_no_arm_has_are_refused(field: str, value: float) -> None:
    with pytest.raises(SettingError, match=f"{field} is {value:g}; allowed: "):
        ArmPhysics(**{field: value})


def test_objects_are_where_the_scene_has_them() -> None:
    poses = {pose.name: pose for pose in VirtualArm().object_poses().poses}
    assert poses["block"].position == pytest.approx(BLOCK_START_BASE, abs=1e-3)
    assert poses["drawer_handle"].position == pytest.approx(DRAWER_HANDLE_START_BASE)
    assert poses["block"].quaternion == pytest.approx((0, 0, 0, 1), abs=1e-3)
    for pose in poses.values():
        assert np.linalg.norm(pose.quaternion) == pytest.approx(1.0)


def test_objects_are_put_back_and_the_arm_is_left_alone() -> None:
    arm = VirtualArm()
    drive(arm, TARGET, 0.5)
    joints = arm.joint_positions
    arm.data.qpos[int(arm.model.joint("door").qposadr[0])] = 0.5
    arm.reset_objects()
    poses = {pose.name: pose for pose in arm.object_poses().poses}
    assert poses["door_handle"].quaternion == pytest.approx((0, 0, 0, 1))
    assert np.array_equal(arm.joint_positions, joints)


def test_forward_kinematics_agree_with_the_controllers() -> None:
    kinematics = RobotKinematics()
    for joints in (HOME_JOINT_POSITIONS, TARGET):
        tip = kinematics.forward(joints, "right_gripper_tip").position
        assert tip == pytest.approx(end_effector_position(joints[None])[0], abs=1e-6)
        hand = kinematics.forward(joints, "right_hand").position
        assert np.linalg.norm(tip - hand) == pytest.approx(0.1356, abs=1e-6)


@pytest.mark.parametrize("tip", ["right_hand", "right_gripper_tip"])
def test_inverse_kinematics_undo_the_forward(tip: str) -> None:
    kinematics = RobotKinematics()
    wanted = kinematics.forward(TARGET, tip)
    joints = kinematics.inverse(wanted, tip, HOME_JOINT_POSITIONS)
    assert joints is not None
    found = kinematics.forward(joints, tip)
    assert found.position == pytest.approx(wanted.position, abs=2e-4)
    assert abs(found.quaternion @ wanted.quaternion) == pytest.approx(1.0, abs=1e-5)


def test_what_is_out_of_reach_has_no_inverse() -> None:
    kinematics = RobotKinematics()
    far = kinematics.forward(TARGET, "right_hand")
    far = far._replace(position=np.array([3.0, 0.0, 0.0]))
    assert kinematics.inverse(far, "right_hand", HOME_JOINT_POSITIONS) is None
