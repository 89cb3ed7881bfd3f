"""The motion that shows what an arm is like."""

from __future__ import annotations

import numpy as np
import pytest

from damsel.errors import InvalidConfigError
from damsel.excitation import ExcitationCfg, excitation_displacement, excitation_path
from damsel.kinematics import end_effector_position
from damsel.scene import HOME_JOINT_POSITIONS, WORKSPACE_HIGH_BASE, WORKSPACE_LOW_BASE
from damsel_sim.arm_parameters import ArmParameters
from damsel_sim.robot import SimulatedRobot

CFG = ExcitationCfg()
PERIOD_S = 0.05
HOME = end_effector_position(HOME_JOINT_POSITIONS[None])[0]
LOWEST_M = 0.02  # above every object and every handle


def test_it_begins_and_ends_at_the_start_at_rest() -> None:
    for time_s in (0.0, CFG.duration_s, CFG.duration_s + 1):
        np.testing.assert_allclose(excitation_path(CFG, time_s), np.zeros(3), atol=1e-12)
    np.testing.assert_allclose(excitation_path(CFG, 1e-3), np.zeros(3), atol=1e-6)


def test_it_stays_in_the_workspace_and_above_the_objects() -> None:
    for duration_s in (5.0, 20.0, 300.0):
        cfg = ExcitationCfg(duration_s=duration_s)
        path = HOME + [excitation_path(cfg, t) for t in np.arange(0.0, duration_s, 0.02)]
        assert np.all(path > WORKSPACE_LOW_BASE + 0.005)
        assert np.all(path < WORKSPACE_HIGH_BASE - 0.005)
        assert path[:, 2].min() > LOWEST_M


def test_what_is_behind_is_pulled_along() -> None:
    on_the_way = excitation_path(CFG, 100 * PERIOD_S)
    expected = excitation_path(CFG, 101 * PERIOD_S) - on_the_way
    np.testing.assert_allclose(
        excitation_displacement(CFG, 100, PERIOD_S, on_the_way), expected, atol=1e-12
    )
    behind = excitation_displacement(CFG, 100, PERIOD_S, on_the_way - 0.01)
    np.testing.assert_allclose(behind, expected + CFG.pull * 0.01, atol=1e-12)


@pytest.mark.parametrize(
    "arm",
    [ArmParameters(), ArmParameters(friction=0.04, gain_scale=0.6, delay_s=0.1, smoothing_s=0.03)],
)
def test_an_arm_moves_through_it_without_touching_anything(arm: ArmParameters) -> None:
    robot = SimulatedRobot(arm=arm)
    robot.reset()
    force, tips = 0.0, []
    for step in range(round(CFG.duration_s / PERIOD_S)):
        moved = robot.observe()[:3] - HOME
        result = robot.step(excitation_displacement(CFG, step, PERIOD_S, moved))
        force = max(force, result.peak_contact_force)
        tips.append(robot.observe()[:3])
    assert force == 0.0
    assert np.min(tips, axis=0)[2] > LOWEST_M
    assert np.all(np.ptp(tips, axis=0) > [0.1, 0.14, 0.05])


@pytest.mark.parametrize("duration_s", [1.0, 1000.0, float("nan")])
def test_durations_that_tell_too_little_or_take_too_long_are_refused(duration_s: float) -> None:
    with pytest.raises(InvalidConfigError, match=r"duration_s is .*; allowed: 5 to 300"):
        ExcitationCfg(duration_s=duration_s)
