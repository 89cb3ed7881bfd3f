"""From recorded joints to the parameters of the arm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from damsel_intera.virtual.arm import ArmPhysics
from damsel_sim.arm_parameters import NOMINAL_ARM, ArmParameters
from damsel_sim.robot import SimulatedRobot
from damsel_sim.system_identification.fit import fit
from damsel_sim.system_identification.recording import InvalidRecordingError, Recording, motions
from damsel_sim.system_identification.replay import Replay, gap
from tests.support.recordings import recorded_excitation

TICK_S = 0.01
SMOOTHING_S = 0.02  # of the virtual arm, which nobody tells the fit


def simulated(displacement: np.ndarray, steps: int, arm: ArmParameters = NOMINAL_ARM) -> Recording:
    """The simulated robot under one displacement."""
    robot = SimulatedRobot(arm=arm)
    robot.reset()
    targets, positions = [], []
    for _ in range(steps):
        robot.step(displacement)
        path = robot.joint_path
        targets.append(path.targets)
        positions.append(path.positions)
    times = TICK_S * np.arange(5 * steps)
    return Recording(
        "simulated", times, np.concatenate(targets), times + TICK_S, np.concatenate(positions)
    )


def replays(recording: Recording) -> list[Replay]:
    return [Replay(motion) for motion in motions(recording)]


UP = np.array([0.002, 0.002, 0.003])


def random_arm(seed: int) -> ArmPhysics:
    rng = np.random.default_rng(seed)
    return ArmPhysics(
        friction=rng.uniform(0.005, 0.04),
        damping_scale=np.exp(rng.uniform(np.log(0.5), np.log(3.0))),
        gain_scale=np.exp(rng.uniform(np.log(0.6), np.log(1.6))),
        # A delay comes into effect at a tick.
        delay_s=TICK_S * rng.integers(1, 9) - 1e-4,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [101, 102])
def test_parameters_that_the_fit_has_not_seen_are_recovered(seed: int) -> None:
    hidden = random_arm(seed)
    motion = replays(recorded_excitation(hidden, 8.0, np.random.default_rng(seed)))
    result = fit(motion)
    assert result.not_identified == {}
    for name in ("friction", "damping_scale", "gain_scale", "delay_s"):
        found, true = getattr(result.arm, name), getattr(hidden, name)
        assert found == pytest.approx(true, rel=0.1), name
    assert result.arm.smoothing_s == pytest.approx(SMOOTHING_S, rel=0.1)
    before, after = gap(motion, NOMINAL_ARM), gap(motion, result.arm)
    assert after.end_effector_rms_m < 0.5e-3
    assert after.end_effector_rms_m < 0.2 * before.end_effector_rms_m


@pytest.mark.slow
def test_slow_motion_is_not_explained_by_another_arm() -> None:
    """Smoothing stands in for delay there, and gains for friction and damping."""

    def slowly(now_s: float) -> np.ndarray:
        speeds_m_s = np.array([0.06, 0.042, 0.012])
        turns = 2 * np.pi * now_s * np.array([0.25, 0.2, 0.3]) + [0.0, np.pi / 2, 0.0]
        return 0.05 * speeds_m_s * np.sin(turns)

    hidden = ArmPhysics(friction=0.0088, damping_scale=0.82, gain_scale=1.32, delay_s=0.0699)
    rng = np.random.default_rng(3)
    result = fit(replays(recorded_excitation(hidden, 10.0, rng, displacement_at=slowly)))
    for name in ("friction", "gain_scale", "delay_s"):
        found, true = getattr(result.arm, name), getattr(hidden, name)
        assert found == pytest.approx(true, rel=0.05), name
        assert abs(found - true) < 3 * result.standard_errors[name], name
    assert result.arm.smoothing_s == pytest.approx(SMOOTHING_S, rel=0.1)
    assert "its standard error is" in result.not_identified["damping_scale"]
    assert 0.5 < result.arm.damping_scale < 1.5


def test_the_simulated_arm_replays_itself() -> None:
    found = gap(replays(simulated(UP, 20)), NOMINAL_ARM)
    # Targets are interpolated, and the velocity before the first of them is not known.
    assert found.end_effector_max_m < 1e-4
    assert found.joint_max_rad.max() < 1e-4
    assert found.motions == 1
    assert found.measurements + found.left_out == 99


def test_an_arm_in_the_simulation_is_that_arm_in_the_replay() -> None:
    arm = ArmParameters(
        friction=0.01, damping_scale=1.5, gain_scale=0.8, delay_s=0.024, smoothing_s=0.03
    )
    motion = replays(simulated(UP, 20, arm))
    assert gap(motion, arm).end_effector_max_m < 1e-4
    assert gap(motion, NOMINAL_ARM).end_effector_max_m > 2e-3


def test_a_touch_ends_what_is_judged() -> None:
    (free,) = replays(simulated(UP, 20))
    (pressing,) = replays(simulated(np.array([0.008, 0.0, -0.008]), 40))
    assert not free.touched
    assert pressing.touched
    assert 0 < pressing.judged.sum() < len(pressing.judged)
    assert not pressing.judged[-1]


def test_what_a_motion_does_not_tell_is_named_and_nearly_nominal() -> None:
    # Slow, in one direction, seen through an encoder: little about gains and damping.
    slow = simulated(UP / 10, 101)
    coarse = replace(slow, positions=np.round(slow.positions / 4e-4) * 4e-4)
    result = fit(replays(coarse))
    assert result.not_identified
    for name, reason in result.not_identified.items():
        assert "its standard error is" in reason
        assert name not in result.standard_errors
        assert getattr(result.arm, name) == getattr(NOMINAL_ARM, name)


def test_an_arm_that_never_moved_tells_nothing() -> None:
    with pytest.raises(InvalidRecordingError, match=r"no joint moves by more than .* --excite"):
        fit(replays(simulated(np.zeros(3), 20)))


def test_a_short_motion_tells_nothing_for_sure() -> None:
    with pytest.raises(InvalidRecordingError, match=r"free space for 2\.5 s; allowed: 5 s or more"):
        fit(replays(simulated(UP / 4, 50)))


@pytest.mark.parametrize(
    ("ahead_s", "words"),
    [
        (-0.05, r"delay_s comes out as -0\.0\d+, where the least that is allowed is -0\.02.*clock"),
        (-0.3, r"delay_s comes out as -0\.0\d+, where the least.*clock"),
        pytest.param(
            0.6,
            r"delay_s comes out as 0\.5, where the most that is allowed is 0\.5.*clock",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_robot_whose_clock_is_off_is_not_taken_for_another_arm(
    ahead_s: float, words: str
) -> None:
    hidden = ArmPhysics(friction=0.018, damping_scale=1.8, gain_scale=1.15, delay_s=0.01)
    recording = recorded_excitation(hidden, 6.0, np.random.default_rng(0))
    apart = replace(recording, state_times_s=recording.state_times_s + ahead_s)
    with pytest.raises(InvalidRecordingError, match=words):
        fit(replays(apart))


def test_motions_end_where_targets_pause_or_jump() -> None:
    one = simulated(UP, 20)
    count = len(one.targets)
    later = replace(
        one,
        target_times_s=np.concatenate([one.target_times_s, 5.0 + one.target_times_s]),
        targets=np.tile(one.targets, (2, 1)),
        state_times_s=np.concatenate([one.state_times_s, 5.0 + one.state_times_s]),
        positions=np.tile(one.positions, (2, 1)),
    )
    assert [len(motion.targets) for motion in motions(later)] == [count, count]
    jumping = replace(later, targets=np.concatenate([one.targets, one.targets + 0.5]))
    assert len(motions(jumping)) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target_times_s": np.zeros(0), "targets": np.zeros((0, 7))}, "holds no joint targets"),
        ({"state_times_s": np.zeros(0), "positions": np.zeros((0, 7))}, "holds no joint states"),
        ({"state_times_s": 100.0 + TICK_S * np.arange(100)}, "holds no 0.5 s of joint targets"),
    ],
)
def test_a_recording_without_a_motion_is_refused(
    changes: dict[str, np.ndarray], words: str
) -> None:
    with pytest.raises(InvalidRecordingError, match=words):
        motions(replace(simulated(UP, 20), **changes))
