"""Each disturbance changes what it says and nothing else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from damsel.errors import InvalidConfigError
from damsel_sim.arm_parameters import NOMINAL_ARM, ArmParameters
from damsel_sim.physics import load_model
from damsel_training.disturbances import (
    DISTURBANCES,
    Disturbance,
    DisturbedTabletop,
    disturbed_model,
)

NOMINAL = load_model()
FORWARD = np.array([[1.0, 0.0, 0.0]])


def _scene(seed: int = 0, **changes: object) -> DisturbedTabletop:
    return DisturbedTabletop(
        1,
        Disturbance(**changes),  # type: ignore[arg-type]
        np.random.default_rng(seed),
    )


def test_every_world_is_unlike_the_others() -> None:
    assert len(set(DISTURBANCES.values())) == len(DISTURBANCES)
    assert DISTURBANCES["none"] == Disturbance()


def test_no_disturbance_is_the_world_of_the_training() -> None:
    model = disturbed_model(Disturbance())
    for field in ("geom_friction", "body_mass", "body_inertia", "dof_damping", "body_pos"):
        np.testing.assert_array_equal(getattr(model, field), getattr(NOMINAL, field))


def test_friction_mass_and_damping_are_scaled() -> None:
    model = disturbed_model(Disturbance(friction=0.5, mass=2.0, damping=3.0))
    np.testing.assert_allclose(model.geom_friction[:, 0], 0.5 * NOMINAL.geom_friction[:, 0])
    assert model.body("block").mass[0] == pytest.approx(0.4)
    np.testing.assert_allclose(model.body("door").inertia, 2.0 * NOMINAL.body("door").inertia)
    assert model.body("right_l2").mass[0] == NOMINAL.body("right_l2").mass[0]
    drawer = int(model.joint("drawer").dofadr[0])
    assert model.dof_damping[drawer] == pytest.approx(12.0)
    assert model.dof_frictionloss[drawer] == pytest.approx(4.5)
    np.testing.assert_array_equal(model.dof_damping[:7], NOMINAL.dof_damping[:7])


@pytest.mark.parametrize("steps", [1, 2])
def test_a_delayed_arm_moves_that_much_later(steps: int) -> None:
    prompt, late = _scene(), _scene(action_delay_steps=steps)
    prompt.reset()
    late.reset()
    seen = [
        (prompt.step(FORWARD).observation[0], late.step(FORWARD).observation[0]) for _ in range(6)
    ]
    for index in range(6 - steps):
        # The arm sags by a tenth of a micrometre while it waits.
        np.testing.assert_allclose(seen[index + steps][1], seen[index][0], atol=1e-6)
    np.testing.assert_allclose(late.step(FORWARD).applied, FORWARD, atol=1e-9)


def test_a_lagging_arm_is_later_than_the_one_that_is_simulated() -> None:
    """Back for five steps: it is as far back as it moves in the time by which it is late."""

    def reached(delay_s: float, arm: ArmParameters) -> float:
        scene = DisturbedTabletop(
            1, Disturbance(arm_delay_s=delay_s), np.random.default_rng(0), arm
        )
        start = scene.reset()[0, 0]
        for _ in range(5):
            seen = scene.step(-FORWARD).observation
        return float(start - seen[0, 0])

    prompt, late = reached(0.0, NOMINAL_ARM), reached(0.03, NOMINAL_ARM)
    assert late < prompt - 0.003
    assert reached(0.01, ArmParameters(delay_s=0.02)) == pytest.approx(late, abs=1e-12)


def test_an_arm_s_own_friction_stays_in_a_changed_world() -> None:
    arm = ArmParameters(friction=0.02, smoothing_s=0.01)
    assert Disturbance(arm_delay_s=0.03, arm_smoothing_s=0.02).arm(arm) == ArmParameters(
        friction=0.02, delay_s=0.03, smoothing_s=0.03
    )


def test_an_arm_later_than_any_is_refused() -> None:
    with pytest.raises(InvalidConfigError, match=r"delay_s is 0\.6; allowed"):
        Disturbance(arm_delay_s=0.6).arm(NOMINAL_ARM)


def test_a_reset_forgets_late_actions() -> None:
    scene = _scene(action_delay_steps=2)
    scene.reset()
    for _ in range(3):
        scene.step(FORWARD)
    scene.reset()
    np.testing.assert_array_equal(scene.step(FORWARD).applied, 0.0)


def test_noise_is_on_what_is_seen_and_measured_and_not_on_the_truth() -> None:
    quiet, noisy = _scene(), _scene(observation_noise_m=0.005)
    rest = quiet.reset()
    seen = np.stack([noisy.reset()[0] for _ in range(400)])
    np.testing.assert_array_equal(noisy.true_observation, rest)
    assert (seen - rest).std() == pytest.approx(0.005, rel=0.05)
    assert (seen - rest).mean() == pytest.approx(0.0, abs=5e-4)
    last = noisy.reset()
    np.testing.assert_array_equal(noisy.measured_observation, last)


def test_the_same_seed_gives_the_same_noise() -> None:
    first, second = _scene(3, observation_noise_m=0.01), _scene(3, observation_noise_m=0.01)
    np.testing.assert_array_equal(first.reset(), second.reset())
    np.testing.assert_array_equal(first.step(FORWARD).observation, second.step(FORWARD).observation)


def test_a_shifted_table_is_seen_and_does_not_count_as_moved() -> None:
    shifted = _scene(shift_base=(0.02, -0.01, 0.0))
    rest = _scene().reset()
    seen = shifted.reset()
    np.testing.assert_allclose(seen[:, :3], rest[:, :3], atol=1e-12)
    np.testing.assert_allclose(seen[:, 3:] - rest[:, 3:], np.tile([[0.02, -0.01, 0.0]], 3))
    np.testing.assert_allclose(shifted.true_observation, rest, atol=1e-9)
    np.testing.assert_allclose(shifted.measured_observation, rest, atol=1e-9)


def test_a_shift_can_stay_unseen() -> None:
    unseen = _scene(shift_base=(0.02, 0.0, 0.0), shift_seen=False)
    np.testing.assert_allclose(unseen.reset(), _scene().reset(), atol=1e-9)


def test_a_table_that_stands_off_is_touched_later() -> None:
    """Straight ahead and down at the block: one that is 2 cm further away moves 2 cm less."""

    def pushed(scene: DisturbedTabletop) -> float:
        scene.reset()
        for index in range(40):
            down = -1.0 if index < 11 else 0.0
            scene.step(np.array([[0.0 if index < 11 else 1.0, 0.0, down]]))
        return float(scene.true_observation[0, 3] - 0.55)

    near, far = pushed(_scene()), pushed(_scene(shift_base=(0.02, 0.0, 0.0), shift_seen=False))
    assert near > 0.05
    assert near - far == pytest.approx(0.02, abs=0.004)


@pytest.mark.parametrize(
    "changes",
    [
        {"friction": 0.0},
        {"mass": -1.0},
        {"action_delay_steps": -1},
        {"arm_delay_s": -0.01},
        {"arm_smoothing_s": float("nan")},
    ],
)
def test_no_physics_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(InvalidConfigError, match="allowed:"):
        dataclasses.replace(Disturbance(), **changes)
