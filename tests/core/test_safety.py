from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from damsel.control import joint_positions_for
from damsel.errors import InvalidConfigError, RobotError
from damsel.kinematics import NUM_JOINTS, SAWYER, end_effector_position, geometric_jacobian
from damsel.safety import SafetyCfg, SafetyLayer
from tests.support.limits import SLACK, assert_safe, box_violation, starts

Array = NDArray[np.float64]

STARTS = starts()
CFG = SafetyCfg()
NAN, INF = float("nan"), float("inf")

anything = st.floats(width=64) | st.sampled_from([NAN, INF, -INF, 1e308, -1e308, 0.0, 1e-308])
request = st.lists(anything, min_size=NUM_JOINTS, max_size=NUM_JOINTS)
direction = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=NUM_JOINTS, max_size=NUM_JOINTS)
scale = st.sampled_from([0.1, 1.0, 5.0, 1e3, 1e300])


def oscillating(pattern: list[float], size: float, period: int) -> list[Array]:
    return [np.array(pattern) * size * (-1) ** (tick // period) for tick in range(60)]


segment = st.one_of(
    st.builds(lambda values, n: [np.array(values)] * n, request, st.integers(1, 40)),
    st.builds(lambda d, s, n: [np.array(d) * s] * n, direction, scale, st.integers(1, 60)),
    st.builds(oscillating, direction, scale, st.integers(1, 20)),
)
scripts = st.lists(segment, min_size=1, max_size=5).map(
    lambda segments: [values for one in segments for values in one]
)


def run(requests: list[Array], start: Array, cfg: SafetyCfg = CFG) -> Array:
    """Return the commanded positions (T, n, 7) after requests of shape (7,) or (n, 7)."""
    layer = SafetyLayer(cfg, len(start))
    layer.reset(start)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        commands = [layer.tick(np.broadcast_to(values, start.shape)) for values in requests]
    return np.stack([command.positions for command in commands])


# No request leads outside a limit


@settings(max_examples=150, deadline=None)
@given(script=scripts, start=st.integers(0, len(STARTS) - 1))
@example(script=[np.full(7, NAN)] * 3, start=0)
@example(script=[np.full(7, 1e308)] * 200, start=3)
@example(script=[np.full(7, -INF)] * 3 + [np.full(7, 5.0)] * 60, start=7)
def test_no_sequence_of_requests_leads_outside(script: list[Array], start: int) -> None:
    first = STARTS[start : start + 1]
    assert_safe(first, run(script, first), CFG)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("period", [1, 4, 15, 60])
def test_no_random_flailing_leads_outside(seed: int, period: int) -> None:
    rng = np.random.default_rng([seed, period])
    requests: list[Array] = []
    for _ in range(300 // period):
        values = 10.0 * rng.normal(size=STARTS.shape) * (rng.random(STARTS.shape) < 0.6)
        requests += [values] * period
    assert_safe(STARTS, run(requests, STARTS), CFG)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("speed", [0.2, 3.0])
def test_no_motion_straight_into_a_wall_goes_through(axis: int, sign: float, speed: float) -> None:
    layer = SafetyLayer(CFG, len(STARTS))
    layer.reset(STARTS)
    positions = []
    for _ in range(300):
        jacobian = geometric_jacobian(layer.positions)[:, :3]
        wanted = np.zeros(3)
        wanted[axis] = sign * speed
        towards = np.einsum("nij,i->nj", np.linalg.pinv(jacobian).transpose(0, 2, 1), wanted)
        positions.append(layer.tick(towards).positions)
    assert_safe(STARTS, np.stack(positions), CFG)
    # It was really the wall that stopped them, not a layer that moves nothing.
    walls = (CFG.workspace_low_base, CFG.workspace_high_base)
    wall = walls[int(sign > 0)][axis]
    reached = np.abs(end_effector_position(positions[-1])[:, axis] - wall)
    assert np.median(reached) < 0.05


@pytest.mark.parametrize("joint", range(NUM_JOINTS))
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_no_joint_goes_through_its_limit(joint: int, sign: float) -> None:
    """In a box that is no limit: the joints are."""
    cfg = SafetyCfg(workspace_low_base=np.full(3, -5.0), workspace_high_base=np.full(3, 5.0))
    values = np.zeros(NUM_JOINTS)
    values[joint] = sign * 50.0
    positions = run([values] * 900, STARTS[:4], cfg)
    assert_safe(STARTS[:4], positions, cfg)
    limit = (SAWYER.position_low, SAWYER.position_high)[int(sign > 0)][joint]
    margin = cfg.joint_margin_rad
    np.testing.assert_allclose(positions[-1, :, joint], limit - sign * margin, atol=0.05)


@pytest.mark.parametrize("fraction", [0.1, 0.5])
def test_fractions_tighten_the_limits(fraction: float) -> None:
    cfg = SafetyCfg(velocity_fraction=fraction, acceleration_fraction=fraction)
    rng = np.random.default_rng(0)
    requests = [50.0 * rng.normal(size=STARTS.shape)] * 40 + [-50.0 * np.ones(NUM_JOINTS)] * 40
    assert_safe(STARTS, run(requests, STARTS, cfg), cfg)


def _hug_the_wall(start: Array, turning: Array, axis: int, sign: float) -> Array:
    """Return the commands (T, 1, 7) that an adversary gets out of the layer.

    It turns some joints as fast as they go, back and forth, and chooses the rest of every request
    such that the point where the arm would stop stays on the wall. The wall is flat, the way
    there in joint space is not: the arm itself may swing out although that point never does.
    """
    layer = SafetyLayer(CFG, len(_SHARES))
    layer.reset(np.repeat(start, len(_SHARES), axis=0))
    path = []
    for tick in range(140):
        if tick % 45 == 44:
            turning = -turning
        outwards = sign * geometric_jacobian(layer.positions[:1])[0, axis]
        outwards /= np.linalg.norm(outwards)
        before = np.abs(layer.velocities[0])[turning != 0].sum()
        command = layer.tick(turning + _SHARES[:, None] * outwards)
        slower = np.abs(command.velocities[:, turning != 0]).sum(axis=1) < before - SLACK
        duration = np.max(np.abs(command.velocities) / SAWYER.acceleration_limit, axis=1)
        stop = command.positions + command.velocities * duration[:, None] / 2
        best = int(np.argmax(sign * end_effector_position(stop)[:, axis] - 10.0 * slower))
        path.append(command.positions[best])
        layer = _as_row(layer, best)
    return np.stack(path)[:, None]


_SHARES = np.linspace(-6.0, 6.0, 81)


def _as_row(layer: SafetyLayer, row: int) -> SafetyLayer:
    """Return a layer whose rows are all in the state of one row."""
    copied = copy.deepcopy(layer)
    for name, values in vars(layer).items():
        if isinstance(values, np.ndarray) and len(values) == len(_SHARES):
            setattr(copied, name, np.repeat(values[row : row + 1], len(_SHARES), axis=0))
    return copied


@pytest.mark.parametrize(
    ("axis", "sign", "turning"),
    [
        (0, 1.0, [-1.74, 1.33, -1.96, 0.0, 0.0, 0.0, 0.0]),
        (0, 1.0, [1.74, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        (1, 1.0, [1.0, 0.0, 1.96, 0.0, -3.48, 3.48, 0.0]),
        (2, -1.0, [1.74, 0.0, 1.96, 0.0, -3.48, 0.0, 0.0]),
        (2, -1.0, [1.74, -1.33, 0.0, 0.0, -3.48, -3.48, 0.0]),
    ],
)
def test_no_cutting_of_corners_along_a_wall(axis: int, sign: float, turning: list[float]) -> None:
    point = np.array([0.62, 0.05, 0.03])
    point[axis] = (CFG.workspace_low_base, CFG.workspace_high_base)[int(sign > 0)][axis]
    point[axis] -= 0.01 * sign
    start = joint_positions_for(point[None])
    assert_safe(start, _hug_the_wall(start, np.array(turning), axis, sign), CFG)


# What it does with what it is asked


def test_a_small_request_passes_unchanged() -> None:
    layer = SafetyLayer(CFG, 1)
    layer.reset(STARTS[-1:])
    wanted = np.array([[0.01, -0.02, 0.03, 0.0, 0.01, 0.0, -0.05]])
    command = layer.tick(wanted)
    np.testing.assert_array_equal(command.velocities, wanted)
    np.testing.assert_allclose(command.positions, STARTS[-1:] + 0.01 * wanted, atol=1e-15)
    assert not command.clipped[0]


def test_velocity_and_change_are_scaled_keeping_their_direction() -> None:
    layer = SafetyLayer(CFG, 1)
    layer.reset(STARTS[-1:])
    wanted = np.array([[0.3, 0.0, 0.0, -0.6, 0.0, 0.0, 0.9]])
    command = layer.tick(wanted)
    assert command.clipped[0]
    # 12 rad/s^2 for 0.01 s: the last joint takes longest to get there.
    np.testing.assert_allclose(command.velocities, wanted * 0.12 / 0.9, atol=1e-12)


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize("joint", [0, 6])
def test_a_request_that_is_not_finite_brakes_to_a_stop(bad: float, joint: int) -> None:
    layer = SafetyLayer(CFG, 1)
    layer.reset(STARTS[-1:])
    for _ in range(10):
        layer.tick(np.full((1, NUM_JOINTS), 0.5))
    speed = np.abs(layer.velocities).max()
    assert speed > 0.1
    for _ in range(30):
        values = np.full((1, NUM_JOINTS), 0.5)
        values[0, joint] = bad
        command = layer.tick(values)
        assert command.clipped[0]
        assert np.abs(command.velocities).max() <= speed
        speed = np.abs(command.velocities).max()
    assert speed == 0.0


def test_velocities_returned_are_the_rate_of_the_positions() -> None:
    layer = SafetyLayer(CFG, len(STARTS))
    layer.reset(STARTS)
    rng, before = np.random.default_rng(0), STARTS
    for _ in range(50):
        command = layer.tick(rng.normal(size=STARTS.shape))
        np.testing.assert_allclose(
            (command.positions - before) / CFG.tick_period_s, command.velocities, atol=1e-9
        )
        before = command.positions


def test_an_arm_that_starts_outside_may_come_back_but_not_go_further() -> None:
    """Somebody has pushed it up, out of the box."""
    outside = joint_positions_for(np.array([[0.55, 0.0, 0.19]]))
    begin = float(box_violation(outside, CFG)[0])
    assert begin > 0.03
    for sign, expected in ((1.0, begin), (-1.0, 0.0)):
        layer = SafetyLayer(CFG, 1)
        layer.reset(outside)
        worst = begin
        for _ in range(200):
            upwards = np.linalg.pinv(geometric_jacobian(layer.positions)[0])[:, 2]
            layer.tick(0.2 * sign * upwards[None])
            worst = max(worst, float(box_violation(layer.positions, CFG)[0]))
            if sign < 0 and box_violation(layer.positions, CFG)[0] < -0.01:
                break
        assert worst <= begin + SLACK
        assert float(box_violation(layer.positions, CFG)[0]) <= expected + SLACK


@pytest.mark.parametrize("bad", [NAN, INF])
def test_an_arm_whose_joints_are_not_known_is_not_taken_over(bad: float) -> None:
    layer = SafetyLayer(CFG, 2)
    layer.reset(STARTS[:2])
    measured = STARTS[2:4].copy()
    measured[1, 4] = bad
    with pytest.raises(RobotError) as caught:
        layer.reset(measured)
    assert str(caught.value) == "measured joint positions are not finite; the arm is not taken over"
    np.testing.assert_array_equal(layer.positions, STARTS[:2])
    layer.reset(measured, np.array([True, False]))
    np.testing.assert_array_equal(layer.positions, STARTS[[2, 1]])


# Rows


def test_rows_are_as_if_alone_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    requests = [5.0 * rng.normal(size=STARTS.shape) for _ in range(60)]
    for values in requests[::7]:
        values[3] = NAN
        values[5, 2] = INF
    together = run(requests, STARTS)
    for row in range(len(STARTS)):
        alone = run([values[row] for values in requests], STARTS[row : row + 1])
        np.testing.assert_array_equal(alone[:, 0], together[:, row])


def test_resetting_some_rows_leaves_the_others_alone() -> None:
    layer, other = SafetyLayer(CFG, 3), SafetyLayer(CFG, 3)
    for one in (layer, other):
        one.reset(STARTS[10:13])
        for _ in range(5):
            one.tick(np.full((3, NUM_JOINTS), 0.3))
    layer.reset(STARTS[20:23], np.array([False, True, False]))
    np.testing.assert_array_equal(layer.positions[1], STARTS[21])
    np.testing.assert_array_equal(layer.velocities[1], 0.0)
    np.testing.assert_array_equal(layer.positions[[0, 2]], other.positions[[0, 2]])
    np.testing.assert_array_equal(layer.velocities[[0, 2]], other.velocities[[0, 2]])


def test_commands_are_copies() -> None:
    layer = SafetyLayer(CFG, 1)
    layer.reset(STARTS[-1:])
    command = layer.tick(np.zeros((1, NUM_JOINTS)))
    command.positions[:] = 7.0
    command.velocities[:] = 7.0
    np.testing.assert_array_equal(layer.positions, STARTS[-1:])
    np.testing.assert_array_equal(layer.velocities, 0.0)


# Configuration


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"tick_period_s": 0.0}, "tick_period_s is 0.0; allowed: (0, 0.05]"),
        ({"tick_period_s": NAN}, "tick_period_s is nan; allowed: (0, 0.05]"),
        ({"tick_period_s": 0.1}, "tick_period_s is 0.1; allowed: (0, 0.05]"),
        ({"joint_margin_rad": -0.1}, "joint_margin_rad is -0.1; allowed: 0 or more"),
        ({"joint_margin_rad": NAN}, "joint_margin_rad is nan; allowed: 0 or more"),
        ({"curvature_margin_m": -1e-3}, "curvature_margin_m is -0.001; allowed: 0 or more"),
        ({"velocity_fraction": 1.1}, "velocity_fraction is 1.1; allowed: (0, 1]"),
        ({"velocity_fraction": NAN}, "velocity_fraction is nan; allowed: (0, 1]"),
        ({"acceleration_fraction": 0.0}, "acceleration_fraction is 0.0; allowed: (0, 1]"),
        (
            {"workspace_low_base": np.array([0.9, -0.4, 0.0])},
            "the workspace box needs three coordinates with low < high",
        ),
        (
            {"workspace_low_base": np.array([NAN, -0.4, 0.0])},
            "the workspace box needs three coordinates with low < high",
        ),
        (
            {"workspace_high_base": np.array([1.0, 1.0])},
            "the workspace box needs three coordinates with low < high",
        ),
    ],
)
def test_limits_that_cannot_be_meant(change: dict[str, object], expected: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        SafetyCfg(**change)  # type: ignore[arg-type]
    assert str(caught.value) == expected
