from __future__ import annotations

import numpy as np
import pytest

from damsel.latency import MOST_DELAY_STEPS, DelayCompensator
from damsel.observation import BLOCK, DOOR_HANDLE, END_EFFECTOR
from tests.support.observations import observation_of

STEP_M = 0.01


def drive(
    compensator: DelayCompensator,
    delay: float,
    *,
    steps: int = 40,
    noise_m: float = 0.0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Observations (steps, 12) and predictions of an arm that does at once what it is told, late.

    It pushes the block in front of it along, and meets nothing else.
    """
    rng = np.random.default_rng(seed)
    whole = int(delay)
    part = delay - whole
    commands = [np.zeros(3)] * (whole + 1)
    truth = observation_of()
    compensator.restart()
    observations, predictions = [], []
    for step in range(steps):
        seen = truth + noise_m * rng.standard_normal(12)
        observations.append(truth.copy())
        predictions.append(compensator.predict(seen))
        action = np.array([0.8, 0.6 * np.sin(step / 4), -0.3 * np.cos(step / 5)])
        compensator.command(action)
        commands.append(action)
        motion = STEP_M * ((1 - part) * commands[-1 - whole] + part * commands[-2 - whole])
        truth[END_EFFECTOR] += motion
        truth[BLOCK] += motion
    return np.array(observations), np.array(predictions)


def test_without_delay_every_observation_is_left_as_it_is() -> None:
    compensator = DelayCompensator(STEP_M)
    observations, predictions = drive(compensator, 0.0)
    assert compensator.delay_steps == 0
    assert np.array_equal(predictions, observations)


@pytest.mark.parametrize("delay", range(1, MOST_DELAY_STEPS + 1))
def test_delays_are_found_within_one_trajectory(delay: int) -> None:
    compensator = DelayCompensator(STEP_M)
    drive(compensator, delay + 0.5)
    assert compensator.delay_steps == delay


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_tool_and_block_are_predicted_to_where_the_command_will_find_them(delay: int) -> None:
    compensator = DelayCompensator(STEP_M)
    drive(compensator, delay + 0.6)
    observations, predictions = drive(compensator, delay + 0.6)
    for part, allowed_m in ((END_EFFECTOR, 1e-9), (BLOCK, 0.003 * delay)):
        ahead = predictions[10:-delay, part] - observations[10 + delay :, part]
        late = observations[10:-delay, part] - observations[10 + delay :, part]
        assert np.abs(ahead).max() <= allowed_m
        assert np.abs(late).max() > 0.007 * delay
    assert np.array_equal(predictions[:, DOOR_HANDLE], observations[:, DOOR_HANDLE])


@pytest.mark.parametrize("seed", range(20))
def test_noise_alone_is_not_taken_for_a_delay(seed: int) -> None:
    compensator = DelayCompensator(STEP_M)
    drive(compensator, 0.5, noise_m=0.005, seed=seed)
    assert compensator.delay_steps == 0


def test_what_was_found_out_stays_for_the_next_trajectory() -> None:
    compensator = DelayCompensator(STEP_M)
    drive(compensator, 2.5)
    compensator.restart()
    assert compensator.delay_steps == 2
    observation = observation_of()
    assert np.array_equal(compensator.predict(observation), observation)


def test_an_arm_that_is_held_says_nothing_about_a_delay() -> None:
    compensator = DelayCompensator(STEP_M)
    observation = observation_of()
    for _ in range(50):
        assert np.array_equal(compensator.predict(observation), observation)
        compensator.command(np.ones(3))
    assert compensator.delay_steps == 0


def test_a_delay_that_changes_is_followed() -> None:
    compensator = DelayCompensator(STEP_M)
    for delay in (0, 2, 1, 0):
        for _ in range(4):
            drive(compensator, delay + 0.5, steps=100)
        assert compensator.delay_steps == delay


@pytest.mark.parametrize("value", [np.full(12, np.nan), np.zeros(5)])
def test_what_is_no_observation_is_left_to_the_policy_and_forgotten(value: np.ndarray) -> None:
    compensator = DelayCompensator(STEP_M)
    assert compensator.predict(value) is value
    drive(compensator, 1.5)
    assert compensator.delay_steps == 1


def test_a_tool_at_an_object_says_nothing_about_a_delay() -> None:
    compensator = DelayCompensator(STEP_M)
    observation = observation_of()
    observation[END_EFFECTOR] = observation[BLOCK]
    for step in range(50):  # it lags two steps, as it may where something holds it
        compensator.predict(observation + 0.005 * (step > 2))
        compensator.command(np.ones(3))
    assert compensator.delay_steps == 0
