"""What the joints are told, tick by tick, without threads and without a network."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from damsel.control import ControllerCfg, joint_positions_for
from damsel.errors import RobotError
from damsel.kinematics import SAWYER
from damsel.return_motion import ReturnCfg
from damsel.scene import HOME_JOINT_POSITIONS
from damsel_ros.backends.arm_motion import ArmMotion, MotionMode

Array = NDArray[np.float64]

AWAY = joint_positions_for(np.array([[0.6, 0.15, 0.0]]))[0]
FAST = np.array([0.01, 0.01, 0.01])
TICK_S = 0.01
SLOW_VELOCITY, SLOW_ACCELERATION = 0.2, 0.3


def make() -> ArmMotion:
    return ArmMotion(
        ControllerCfg(),
        ReturnCfg(),
        slow_velocity_fraction=SLOW_VELOCITY,
        slow_acceleration_fraction=SLOW_ACCELERATION,
    )


def run(motion: ArmMotion, start: Array, ticks: int) -> Array:
    """Targets (T, 7) of an arm that goes where it is told, until the motion ends."""
    targets = [start]
    for _ in range(ticks):
        target, ended = motion.tick(targets[-1])
        targets.append(target)
        if ended:
            break
    return np.stack(targets)


def test_a_new_arm_is_told_nothing_and_takes_no_step() -> None:
    motion = make()
    assert motion.mode is MotionMode.IDLE
    with pytest.raises(RobotError, match="the arm is idle; allowed: a step after a reset"):
        motion.begin_step(FAST, HOME_JOINT_POSITIONS)


def test_before_the_first_step_the_arm_stays_where_it_is() -> None:
    motion = make()
    motion.begin_stepping(HOME_JOINT_POSITIONS)
    targets = run(motion, HOME_JOINT_POSITIONS, 30)
    np.testing.assert_allclose(targets, HOME_JOINT_POSITIONS[None].repeat(31, 0), atol=1e-4)


def test_the_way_back_keeps_to_reduced_speed_and_acceleration() -> None:
    motion = make()
    motion.begin_return(AWAY)
    targets = run(motion, AWAY, 3000)
    np.testing.assert_allclose(targets[-1], HOME_JOINT_POSITIONS, atol=0.01)
    velocities = np.diff(targets, axis=0) / TICK_S
    limit = SLOW_VELOCITY * SAWYER.velocity_limit
    assert (np.abs(velocities) <= limit + 1e-9).all()
    changes = np.diff(np.concatenate([np.zeros((1, 7)), velocities]), axis=0) / TICK_S
    assert (np.abs(changes) <= SLOW_ACCELERATION * SAWYER.acceleration_limit + 1e-6).all()


@pytest.mark.parametrize("returning", [True, False])
def test_braking_ends_at_rest_and_stays_within_the_acceleration(returning: bool) -> None:
    motion = make()
    if returning:
        motion.begin_return(AWAY)
        fraction = SLOW_ACCELERATION
    else:
        motion.begin_stepping(AWAY)
        motion.begin_step(FAST, AWAY)
        fraction = 1.0
    moving = run(motion, AWAY, 4)
    motion.brake()
    stopping = run(motion, moving[-1], 200)
    assert len(stopping) < 100
    np.testing.assert_allclose(stopping[-1], stopping[-2], atol=1e-4)
    path = np.concatenate([moving, stopping[1:]])
    changes = np.diff(path, n=2, axis=0) / TICK_S**2
    assert (np.abs(changes) <= fraction * SAWYER.acceleration_limit + 1e-6).all()


def test_a_stopped_motion_has_forgotten_its_target() -> None:
    motion = make()
    motion.begin_stepping(AWAY)
    motion.begin_step(FAST, AWAY)
    motion.stop()
    assert motion.mode is MotionMode.IDLE
    # Taken over elsewhere, it starts from there and not from where it was.
    motion.begin_stepping(HOME_JOINT_POSITIONS)
    np.testing.assert_allclose(motion.commanded_positions, HOME_JOINT_POSITIONS)
    targets = run(motion, HOME_JOINT_POSITIONS, 20)
    np.testing.assert_allclose(targets[-1], HOME_JOINT_POSITIONS, atol=1e-4)


def test_a_measurement_that_is_not_finite_is_not_taken_over() -> None:
    motion = make()
    with pytest.raises(RobotError, match="not finite"):
        motion.begin_stepping(np.full(7, np.nan))
    assert motion.mode is MotionMode.IDLE


def test_a_way_back_that_is_not_free_changes_nothing() -> None:
    motion = make()
    outside = HOME_JOINT_POSITIONS.copy()
    outside[1] -= 1.0
    with pytest.raises(RobotError, match="cannot return to its start"):
        motion.begin_return(outside)
    assert motion.mode is MotionMode.IDLE
