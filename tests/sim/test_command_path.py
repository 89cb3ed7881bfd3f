"""What becomes of joint targets on their way to the servos."""

from __future__ import annotations

import numpy as np
import pytest

from damsel.errors import InvalidConfigError
from damsel.scene import HOME_JOINT_POSITIONS
from damsel_intera.virtual.commands import JointCommand, Mode, SetPoint
from damsel_sim.arm_parameters import NOMINAL_ARM, ArmParameters
from damsel_sim.command_path import CommandPath
from damsel_sim.physics import TabletopPhysics

TICK_S = 0.01
TARGETS = HOME_JOINT_POSITIONS + 0.002 * np.cumsum(np.ones((30, 7)), axis=0)


def followed(arm: ArmParameters, chunks: int = 1) -> np.ndarray:
    """Positions (30, 7) that the servos are told, the targets given in so many parts."""
    path = CommandPath([arm], 1, TICK_S)
    path.reset(HOME_JOINT_POSITIONS[None])
    parts = [path.follow(part[None])[0][0] for part in np.split(TARGETS, chunks)]
    return np.concatenate(parts)


def test_without_delay_and_smoothing_targets_pass_unchanged() -> None:
    assert CommandPath([NOMINAL_ARM], 1, TICK_S).is_direct
    np.testing.assert_array_equal(followed(NOMINAL_ARM), TARGETS)


def test_a_delay_shifts_targets_by_parts_of_a_tick() -> None:
    late = followed(ArmParameters(delay_s=0.025))
    np.testing.assert_allclose(late[:2], HOME_JOINT_POSITIONS[None].repeat(2, axis=0))
    np.testing.assert_allclose(late[3:], (TARGETS[:-3] + TARGETS[1:-2]) / 2)


def test_velocities_are_those_of_the_positions() -> None:
    path = CommandPath([ArmParameters(delay_s=0.013, smoothing_s=0.03)], 1, TICK_S)
    path.reset(HOME_JOINT_POSITIONS[None])
    positions, velocities, before = path.follow(TARGETS[None])
    np.testing.assert_array_equal(before, np.zeros((1, 7)))
    np.testing.assert_allclose(velocities[0, 1:], np.diff(positions[0], axis=0) / TICK_S)


@pytest.mark.parametrize("arm", [ArmParameters(delay_s=0.034), ArmParameters(smoothing_s=0.05)])
def test_it_makes_no_difference_how_targets_are_parted(arm: ArmParameters) -> None:
    np.testing.assert_allclose(followed(arm, 6), followed(arm), rtol=0, atol=1e-15)


def test_smoothing_is_that_of_the_virtual_robot() -> None:
    set_point = SetPoint(HOME_JOINT_POSITIONS)
    set_point.speed_ratio = 1.0
    expected = []
    for tick, target in enumerate(TARGETS):
        set_point.take(JointCommand(Mode.POSITION, target, TICK_S * tick))
        set_point.advance(TICK_S * tick, TICK_S)
        expected.append(set_point.positions.copy())
    np.testing.assert_allclose(followed(ArmParameters(smoothing_s=0.02)), expected, atol=1e-12)


def test_rows_have_arms_in_turn() -> None:
    arms = [NOMINAL_ARM, ArmParameters(delay_s=0.02), ArmParameters(smoothing_s=0.02)]
    path = CommandPath(arms, 3, TICK_S)
    path.reset(np.repeat(HOME_JOINT_POSITIONS[None], 3, axis=0))
    positions, _, _ = path.follow(np.repeat(TARGETS[None], 3, axis=0))
    for row, arm in enumerate(arms):
        np.testing.assert_allclose(positions[row], followed(arm), atol=1e-15)


def test_the_nominal_arm_is_the_scene_itself_bit_for_bit() -> None:
    one, other = TabletopPhysics(1), TabletopPhysics(1, arm=ArmParameters())
    for _ in range(10):
        for physics in (one, other):
            physics.step(np.array([[0.01, 0.002, -0.001]]))
    np.testing.assert_array_equal(one.state, other.state)


def test_a_reset_forgets_targets_that_were_late() -> None:
    physics = TabletopPhysics(1, arm=ArmParameters(delay_s=0.1))
    physics.step(np.array([[0.01, 0.0, 0.0]]))
    physics.reset()
    physics.step(np.zeros((1, 3)))
    still = TabletopPhysics(1)
    still.step(np.zeros((1, 3)))
    np.testing.assert_allclose(physics.joint_positions, still.joint_positions, atol=1e-5)


@pytest.mark.parametrize(("name", "value"), [("friction", -0.1), ("delay_s", 0.6)])
def test_what_no_arm_has_is_refused(name: str, value: float) -> None:
    with pytest.raises(InvalidConfigError, match=f"{name} is {value}; allowed: "):
        ArmParameters(**{name: value})
