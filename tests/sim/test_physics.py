"""Batched physics: determinism, tracking, limits on what the arm really does."""

from __future__ import annotations

import numpy as np
import pytest

from damsel.control import ControllerCfg, joint_positions_for
from damsel.kinematics import SAWYER
from damsel.scene import WORKSPACE_HIGH_BASE, WORKSPACE_LOW_BASE
from damsel_sim.physics import TabletopPhysics
from damsel_sim.robot import SimulatedRobot


def _positions(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Places in the workspace above the furniture, where nothing is in the way."""
    cfg = ControllerCfg()
    margin = cfg.wall_margin_m + cfg.safety.curvature_margin_m
    low, high = WORKSPACE_LOW_BASE + margin, WORKSPACE_HIGH_BASE - margin
    low[2] = 0.02
    return rng.uniform(low, high, (rows, 3))


def test_a_row_alone_gives_the_same_bits_as_in_a_batch() -> None:
    rng = np.random.default_rng(1)
    batch, alone = TabletopPhysics(5), TabletopPhysics(1)
    for _ in range(60):
        displacement = rng.uniform(-0.01, 0.01, (5, 3))
        batch.step(displacement)
        alone.step(displacement[2:3])
    np.testing.assert_array_equal(batch.state[2], alone.state[0])


def test_threads_change_nothing() -> None:
    rng = np.random.default_rng(2)
    one, two = TabletopPhysics(4), TabletopPhysics(4, threads=2)
    for _ in range(30):
        displacement = rng.uniform(-0.01, 0.01, (4, 3))
        one.step(displacement)
        two.step(displacement)
    np.testing.assert_array_equal(one.state, two.state)


def test_reset_repeats_a_trajectory_exactly() -> None:
    robot = SimulatedRobot()
    displacements = np.random.default_rng(3).uniform(-0.01, 0.01, (50, 3))
    runs = []
    for _ in range(2):
        robot.reset()
        runs.append([robot.step(d).observation for d in displacements])
    np.testing.assert_array_equal(runs[0], runs[1])


def test_tracking_at_rest_is_within_3_mm_anywhere() -> None:
    rng = np.random.default_rng(4)
    rows = 64
    physics = TabletopPhysics(rows)
    physics.reset(joint_positions=joint_positions_for(_positions(rows, rng)))
    goal = _positions(rows, rng)
    for _ in range(120):
        missing = goal - physics.controller.set_point_base
        physics.step(np.clip(missing, -0.01, 0.01))
    reached = physics.observation()[:, :3]
    assert np.linalg.norm(reached - goal, axis=1).max() < 3e-3


def test_random_commands_keep_the_real_arm_in_its_box_and_limits() -> None:
    """The commanded arm is held to the limits exactly; the real one may lag by its tracking."""
    rng = np.random.default_rng(5)
    rows = 32
    physics = TabletopPhysics(rows)
    for _ in range(150):
        displacement = rng.choice([-1.0, 1.0, np.nan, 1e9, 0.01, -0.01], (rows, 3))
        physics.step(displacement)
        tool = physics.observation()[:, :3]
        assert (tool > WORKSPACE_LOW_BASE - 0.012).all()
        assert (tool < WORKSPACE_HIGH_BASE + 0.012).all()
        assert (np.abs(physics.joint_velocities) < 1.2 * SAWYER.velocity_limit).all()


def test_non_finite_commands_do_not_move_the_arm() -> None:
    robot = SimulatedRobot()
    before = robot.reset()
    result = robot.step(np.array([np.nan, np.inf, 0.01]))
    assert result.clipped
    np.testing.assert_array_equal(result.applied, 0.0)
    np.testing.assert_allclose(result.observation, before, atol=1e-6)


def test_pushing_the_block_from_behind_moves_it_and_reports_force() -> None:
    robot = SimulatedRobot()
    robot.reset()
    forces = []
    for target in ((0.47, 0.0, -0.075), (0.62, 0.0, -0.075)):
        for _ in range(30):
            missing = np.array(target) - robot.observe()[:3]
            forces.append(robot.step(np.clip(missing, -0.01, 0.01)).peak_contact_force)
    block = robot.observe()[3:6]
    assert block[0] == pytest.approx(0.62 + 0.037, abs=0.01)
    assert abs(block[1]) < 0.01
    assert 1.0 < max(forces) < 30.0
