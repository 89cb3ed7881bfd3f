from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from damsel.control import ControllerCfg, EndEffectorController, joint_positions_for
from damsel.errors import InvalidConfigError, RobotError
from damsel.kinematics import end_effector_pose, end_effector_position, tool_down_rotation
from damsel.safety import SafetyCfg
from damsel.scene import HOME_JOINT_POSITIONS
from tests.support.limits import assert_safe, starts

Array = NDArray[np.float64]

CFG = ControllerCfg()
STARTS = starts()
NAN, INF = float("nan"), float("inf")

Arm = Callable[[Array, Array], Array]
"""Measured joint positions (n, 7) from those at the start and those commanded last."""

ARMS: dict[str, Arm] = {
    "follows": lambda start, commanded: commanded,
    "blocked": lambda start, commanded: start,
    "sags": lambda start, commanded: commanded + 0.01,
    "lags": lambda start, commanded: 0.5 * (start + commanded),
}


def controller_at(start: Array, cfg: ControllerCfg = CFG) -> EndEffectorController:
    controller = EndEffectorController(cfg, len(start))
    controller.reset(start)
    return controller


def set_point_box() -> tuple[Array, Array]:
    margin = CFG.safety.curvature_margin_m + CFG.wall_margin_m
    return CFG.safety.workspace_low_base + margin, CFG.safety.workspace_high_base - margin


def box_points(inside: int) -> Array:
    """Corners of the set points' box and points inside, (n, 3)."""
    low, high = set_point_box()
    corners = np.array(list(itertools.product(*zip(low, high, strict=True))))
    return np.concatenate([corners, np.random.default_rng(1).uniform(low, high, (inside, 3))])


# No command leads outside a limit


anything = st.floats(width=64) | st.sampled_from([NAN, INF, -INF, 1e308, -1e308, 0.01, -0.01])
command = st.lists(anything, min_size=3, max_size=3)
direction = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=3, max_size=3)
scale = st.sampled_from([0.001, 0.01, 1.0, 1e300])


def oscillating(pattern: list[float], size: float, period: int) -> list[Array]:
    return [np.array(pattern) * size * (-1) ** (step // period) for step in range(30)]


segment = st.one_of(
    st.builds(lambda values, n: [np.array(values)] * n, command, st.integers(1, 10)),
    st.builds(lambda d, s, n: [np.array(d) * s] * n, direction, scale, st.integers(1, 60)),
    st.builds(oscillating, direction, scale, st.integers(1, 6)),
)
scripts = st.lists(segment, min_size=1, max_size=4).map(
    lambda segments: [values for one in segments for values in one]
)


def run(commands: list[Array], start: Array, arm: Arm = ARMS["follows"]) -> Array:
    """Return the commanded positions (T, n, 7) of all ticks, and check what was applied."""
    controller = controller_at(start)
    positions = []
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        for values in commands:
            asked = np.broadcast_to(values, (len(start), 3))
            step = controller.step(asked, arm(start, controller.commanded_positions))
            assert np.isfinite(step.applied).all()
            positions.append(step.positions.transpose(1, 0, 2))
    return np.concatenate(positions)


@settings(max_examples=60, deadline=None)
@given(
    script=scripts,
    start=st.integers(0, len(STARTS) - 1),
    arm=st.sampled_from(sorted(ARMS)),
)
@example(script=[np.full(3, NAN)] * 3 + [np.full(3, -1e308)] * 40, start=0, arm="follows")
@example(script=[np.array([0.01, INF, 0.0])] * 20, start=7, arm="sags")
def test_no_sequence_of_commands_leads_outside(script: list[Array], start: int, arm: str) -> None:
    first = STARTS[start : start + 1]
    assert_safe(first, run(script, first, ARMS[arm]), CFG.safety)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("period", [1, 5, 40])
def test_no_random_flailing_leads_outside(seed: int, period: int) -> None:
    rng = np.random.default_rng([seed, period])
    commands: list[Array] = []
    for _ in range(120 // period):
        commands += [rng.choice([-1.0, -0.01, 0.0, 0.01, 1.0], (len(STARTS), 3))] * period
    assert_safe(STARTS, run(commands, STARTS), CFG.safety)


@pytest.mark.parametrize("arm", sorted(ARMS))
@pytest.mark.parametrize("wall", list(itertools.product([-1.0, 0.0, 1.0], repeat=3)))
def test_no_constant_command_goes_through_a_wall_an_edge_or_a_corner(
    arm: str, wall: tuple[float, ...]
) -> None:
    some = STARTS[::4]
    assert_safe(some, run([np.array(wall)] * 60, some, ARMS[arm]), CFG.safety)


# It goes where it is told


def _drive(controller: EndEffectorController, target: Array, steps: int) -> Array:
    """Step towards targets (n, 3); return the largest lag (n,) on the way, metres."""
    lag = np.zeros(len(target))
    for _ in range(steps):
        step = np.clip(target - controller.set_point_base, -CFG.step_size_m, CFG.step_size_m)
        controller.step(step, controller.commanded_positions)
        tip = end_effector_position(controller.commanded_positions)
        lag = np.maximum(lag, np.linalg.norm(tip - controller.set_point_base, axis=1))
    return lag


def test_from_anywhere_in_the_box_it_reaches_anywhere_else() -> None:
    """All pairs of corners and points inside; under 3 mm at rest, with the tool down."""
    points = box_points(inside=12)
    pairs = np.array([(a, b) for a in points for b in points])
    controller = controller_at(joint_positions_for(pairs[:, 0]))
    _drive(controller, pairs[:, 1], steps=130)
    pose = end_effector_pose(controller.commanded_positions)
    np.testing.assert_allclose(controller.set_point_base, pairs[:, 1], atol=1e-12)
    errors = np.linalg.norm(pose.position_base - controller.set_point_base, axis=1)
    assert errors.max() < 0.003
    assert np.abs(controller.commanded_velocities).max() < 0.01
    downwards = -pose.rotation_base[:, 2, 2]
    assert np.degrees(np.arccos(np.clip(downwards, -1.0, 1.0))).max() < 1.0


def test_pressing_into_walls_for_long_does_not_trap_the_arm() -> None:
    rng = np.random.default_rng(2)
    arms = np.repeat(HOME_JOINT_POSITIONS[None], 128, axis=0)
    controller = controller_at(arms)
    low, high = set_point_box()
    for _ in range(2):
        pressing = rng.choice([-1.0, 0.0, 1.0], (len(arms), 3)) * CFG.step_size_m
        for _ in range(70):
            noise = rng.normal(0.0, 0.003, pressing.shape)
            controller.step(pressing + noise, controller.commanded_positions)
        target = rng.uniform(low, high, pressing.shape)
        _drive(controller, target, steps=130)
        tip = end_effector_position(controller.commanded_positions)
        assert np.linalg.norm(tip - target, axis=1).max() < 0.003


def test_told_to_stay_it_stays() -> None:
    controller = controller_at(joint_positions_for(box_points(inside=8)))
    _drive(controller, box_points(inside=8)[::-1].copy(), steps=130)
    before = controller.commanded_positions.copy()
    for _ in range(50):
        controller.step(np.zeros((len(before), 3)), controller.commanded_positions)
    assert np.abs(controller.commanded_positions - before).max() < 1e-4


def test_a_step_moves_the_tip_by_what_was_applied() -> None:
    controller = controller_at(HOME_JOINT_POSITIONS[None])
    before = end_effector_position(HOME_JOINT_POSITIONS[None])[0]
    applied = np.zeros(3)
    for asked in ([0.01, 0.0, 0.0], [0.0, -0.01, 0.004], [0.0, 0.0, 0.0]):
        step = controller.step(np.array([asked]), controller.commanded_positions)
        applied += step.applied[0]
    for _ in range(10):
        applied += controller.step(np.zeros((1, 3)), controller.commanded_positions).applied[0]
    after = end_effector_position(controller.commanded_positions)[0]
    np.testing.assert_allclose(after - before, [0.01, -0.01, 0.004], atol=2e-3)
    np.testing.assert_allclose(after - before, applied, atol=2e-3)


# What it says it did


def test_applied_is_the_command_where_nothing_is_in_the_way() -> None:
    controller = controller_at(HOME_JOINT_POSITIONS[None])
    step = controller.step(np.array([[0.003, -0.01, 0.01]]), HOME_JOINT_POSITIONS[None])
    np.testing.assert_allclose(step.applied, [[0.003, -0.01, 0.01]], atol=1e-15)
    assert not step.clipped[0]
    assert step.positions.shape == step.velocities.shape == (1, CFG.ticks_per_step, 7)


@pytest.mark.parametrize(
    ("asked", "applied"),
    [
        ([0.02, -0.5, 1e308], [0.01, -0.01, 0.01]),
        ([NAN, 0.01, 0.0], [0.0, 0.0, 0.0]),
        ([INF, 0.0, 0.0], [0.0, 0.0, 0.0]),
    ],
)
def test_a_command_too_large_is_cut_and_one_not_finite_is_none(
    asked: list[float], applied: list[float]
) -> None:
    controller = controller_at(HOME_JOINT_POSITIONS[None])
    step = controller.step(np.array([asked]), HOME_JOINT_POSITIONS[None])
    np.testing.assert_allclose(step.applied, [applied], atol=1e-15)
    assert step.clipped[0]


def test_at_a_wall_only_what_remains_is_applied() -> None:
    _, high = set_point_box()
    target = np.array([[0.6, 0.0, high[2]]])
    controller = controller_at(joint_positions_for(target - [0.0, 0.0, 0.004]))
    step = controller.step(np.array([[0.0, 0.0, 0.01]]), controller.commanded_positions)
    assert step.applied[0, 2] == pytest.approx(0.004, abs=5e-4)
    assert step.clipped[0]


def test_the_set_point_leads_a_blocked_arm_by_no_more_than_the_limit_and_a_step() -> None:
    controller = controller_at(HOME_JOINT_POSITIONS[None])
    blocked = end_effector_position(HOME_JOINT_POSITIONS[None])[0]
    for _ in range(50):
        controller.step(np.array([[0.01, 0.0, 0.0]]), HOME_JOINT_POSITIONS[None])
        lead = controller.set_point_base[0] - blocked
        assert np.abs(lead).max() <= CFG.lead_limit_m + CFG.step_size_m + 1e-12


# Rows, reset, configuration


def test_rows_are_as_if_alone_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    commands = [rng.uniform(-0.015, 0.015, (len(STARTS), 3)) for _ in range(30)]
    for values in commands[::5]:
        values[2] = NAN
    together = run(commands, STARTS)
    for row in range(0, len(STARTS), 3):
        alone = run([values[row] for values in commands], STARTS[row : row + 1])
        np.testing.assert_array_equal(alone[:, 0], together[:, row])


def test_stepping_is_beginning_and_ticking() -> None:
    one, other = controller_at(STARTS), controller_at(STARTS)
    asked = np.random.default_rng(0).uniform(-0.01, 0.01, (len(STARTS), 3))
    step = one.step(asked, STARTS)
    applied, _ = other.begin(asked, STARTS)
    np.testing.assert_array_equal(step.applied, applied)
    for tick in range(CFG.ticks_per_step):
        positions, velocities, _ = other.tick(tick)
        np.testing.assert_array_equal(step.positions[:, tick], positions)
        np.testing.assert_array_equal(step.velocities[:, tick], velocities)


def test_ticks_after_the_step_hold_at_its_goal() -> None:
    """A command that never comes leaves the arm where the last one sent it."""
    controller = controller_at(HOME_JOINT_POSITIONS[None])
    controller.begin(np.array([[0.01, 0.0, 0.0]]), HOME_JOINT_POSITIONS[None])
    for tick in range(100):
        controller.tick(tick)
    assert np.abs(controller.commanded_velocities).max() < 1e-3
    tip = end_effector_position(controller.commanded_positions)
    assert np.linalg.norm(tip - controller.set_point_base) < 1e-3


def test_resetting_some_rows_leaves_the_others_alone() -> None:
    controller, other = controller_at(STARTS[:3]), controller_at(STARTS[:3])
    asked = np.full((3, 3), 0.005)
    for one in (controller, other):
        one.step(asked, STARTS[:3])
    controller.reset(STARTS[10:13], np.array([True, False, False]))
    np.testing.assert_array_equal(controller.commanded_positions[0], STARTS[10])
    np.testing.assert_array_equal(
        controller.set_point_base[:1], end_effector_position(STARTS[10:11])
    )
    steps = [one.step(asked, one.commanded_positions) for one in (controller, other)]
    np.testing.assert_array_equal(steps[0].positions[1:], steps[1].positions[1:])


def test_an_arm_whose_joints_are_not_known_is_not_taken_over() -> None:
    controller = controller_at(STARTS[:1])
    with pytest.raises(RobotError, match="not finite"):
        controller.reset(np.full((1, 7), NAN))
    np.testing.assert_array_equal(controller.commanded_positions, STARTS[:1])


def test_joint_positions_for_a_position_hold_the_tool_there_pointing_down() -> None:
    points = box_points(inside=20)
    pose = end_effector_pose(joint_positions_for(points))
    assert np.linalg.norm(pose.position_base - points, axis=1).max() < 1e-3
    tilted = pose.rotation_base[:, :, 2] - tool_down_rotation()[:, 2]
    assert np.abs(tilted).max() < 5e-3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"step_size_m": 0.0}, "step_size_m is 0.0; allowed: (0, 0.02]"),
        ({"step_size_m": NAN}, "step_size_m is nan; allowed: (0, 0.02]"),
        ({"lead_limit_m": 0.0}, "lead_limit_m is 0.0; allowed: (0, 0.1]"),
        ({"arrival_ticks": 0}, "arrival_ticks is 0; allowed: 1 or more"),
        ({"wall_margin_m": -0.001}, "wall_margin_m is -0.001; allowed: 0 or more"),
        (
            {"wall_margin_m": 0.2},
            "margins of 0.202 m on both sides leave nothing of a workspace of 0.238 m",
        ),
        (
            {"control_period_s": 0.055},
            "control_period_s is 0.055; allowed: a whole number of ticks of 0.01 s",
        ),
        (
            {"control_period_s": 0.0},
            "control_period_s is 0.0; allowed: a whole number of ticks of 0.01 s",
        ),
        (
            {"control_period_s": NAN},
            "control_period_s is nan; allowed: a whole number of ticks of 0.01 s",
        ),
        (
            {"control_period_s": INF},
            "control_period_s is inf; allowed: a whole number of ticks of 0.01 s",
        ),
    ],
)
def test_configurations_that_cannot_be_meant(change: dict[str, float], expected: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        dataclasses.replace(CFG, **change)  # type: ignore[arg-type]
    assert str(caught.value) == expected


def test_ticks_per_step() -> None:
    assert CFG.ticks_per_step == 5
    finer = SafetyCfg(tick_period_s=0.005)
    assert dataclasses.replace(CFG, safety=finer).ticks_per_step == 10
