"""Training and evaluation on an arm that was fitted to a recording."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from damsel.observation import BLOCK, END_EFFECTOR
from damsel_sim.arm_parameters import ArmParameters
from damsel_sim.physics import TabletopPhysics, load_model
from damsel_sim.randomisation import RandomisationCfg, randomised_models
from damsel_sim.system_identification.arm_file import save_arm
from damsel_training.cli import main
from damsel_training.expert_env import ExpertEnv
from damsel_training.run import PRESETS, RunFolder, plain

ARM = ArmParameters(
    friction=0.02, damping_scale=2.0, gain_scale=0.8, delay_s=0.05, smoothing_s=0.02
)
JOINTS = slice(0, 7)


def test_the_nominal_arm_leaves_a_run_as_it_was() -> None:
    assert "arm" not in str(plain(PRESETS["quick"]))


def test_every_stage_of_a_run_is_told_and_the_record_says_so() -> None:
    cfg = PRESETS["smoke"].on_arm(ARM)
    record = plain(cfg)
    told = [
        record["arm"],
        record["collect"]["arm"],
        record["damsel"]["randomisation"]["arm"],
        *(expert["env"]["randomisation"]["arm"] for expert in record["experts"].values()),
    ]
    assert len(told) == 6
    assert all(one == plain(ARM) for one in told)


def test_a_run_is_held_to_its_arm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunFolder(tmp_path / "run").opened(PRESETS["smoke"].on_arm(ARM)):
        pass
    assert main(["collect", "--preset", "smoke", "--run", str(tmp_path / "run")]) == 2
    assert "was begun with another configuration" in capsys.readouterr().err


def test_a_record_of_a_run_that_is_damaged_is_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.yaml").write_text("")
    assert main(["collect", "--preset", "smoke", "--run", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"the configuration that is recorded in {tmp_path} is damaged; name another" in line


def test_variants_are_randomised_around_the_arm() -> None:
    rng = np.random.default_rng(0)
    models = randomised_models(RandomisationCfg(arm=ARM), 100, rng)
    nominal = load_model()

    def ratios(name: str, per: np.ndarray) -> np.ndarray:
        return np.array([getattr(model, name)[JOINTS] / per[JOINTS] for model in models])

    damping = ratios("dof_damping", nominal.dof_damping)
    gain = ratios("actuator_gainprm", nominal.actuator_gainprm[:, :1])[..., 0]
    friction = ratios("dof_frictionloss", nominal.actuator_forcerange[:, 1])
    for values, centre in ((damping, 2.0), (gain, 0.8), (friction, 0.02)):
        assert np.exp(np.log(values).mean()) == pytest.approx(centre, rel=0.06)
        assert values.std() > 0.02 * centre


def test_of_the_friction_of_block_and_table_the_larger_counts() -> None:
    cfg = RandomisationCfg()
    slides = []
    for model in [load_model(), *randomised_models(cfg, 200, np.random.default_rng(0))]:
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        pair = {model.geom("block").id, model.geom("table").id}
        (friction,) = {c.friction[0] for c in data.contact if set(c.geom.tolist()) == pair}
        slides.append(friction)
    factors = np.array(slides[1:]) / slides[0]
    low, high = cfg.friction
    assert (factors >= low).all()
    assert (factors <= high).all()
    assert np.median(factors) == pytest.approx(1.2, rel=0.05)


def test_a_table_off_its_place_looks_the_same_and_is_met_elsewhere() -> None:
    def far(cfg: RandomisationCfg) -> np.ndarray:
        models = randomised_models(cfg, 50, np.random.default_rng(2))
        return np.array([m.body("base").pos - load_model().body("base").pos for m in models])

    assert not far(RandomisationCfg()).any()
    off = far(RandomisationCfg(table_unseen_m=0.012))
    assert (np.abs(off[:, :2]).max(axis=0) > 0.01).all()
    assert (np.abs(off[:, :2]) <= 0.012).all()
    assert not off[:, 2].any()

    near, away = load_model(), load_model()
    away.body("base").pos[1] += 0.05
    mujoco.mj_setConst(away, mujoco.MjData(away))
    physics = TabletopPhysics(2, variants=[near, away])
    seen = physics.observation()
    np.testing.assert_array_equal(seen[0], seen[1])
    for _ in range(60):  # down beside the block, then through where it is seen to stand
        aim = seen[:, BLOCK] - physics.observation()[:, END_EFFECTOR] + [-0.06, 0.0, 0.0]
        physics.step(np.clip(aim, -0.01, 0.01))
    for _ in range(12):
        physics.step(np.array([[0.01, 0.0, 0.0]] * 2))
    pushed = physics.observation()[:, BLOCK] - seen[:, BLOCK]
    assert pushed[0, 0] > 0.03
    assert np.abs(pushed[1]).max() < 0.01


def test_without_an_arm_variants_are_what_they_were() -> None:
    one, other = (
        randomised_models(RandomisationCfg(arm=arm), 3, np.random.default_rng(1))
        for arm in (None, ArmParameters())
    )
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first.dof_damping, second.dof_damping)
        assert not first.dof_frictionloss[JOINTS].any()


def test_experts_move_the_arm() -> None:
    cfg = PRESETS["smoke"].on_arm(ARM).experts["door"].env
    late = ExpertEnv("door", cfg, np.random.default_rng(0))
    prompt = ExpertEnv("door", PRESETS["smoke"].experts["door"].env, np.random.default_rng(0))
    moved = []
    for env in (late, prompt):
        before = env._physics.joint_positions.copy()
        env.step_async(np.ones((cfg.rows, 3), np.float32))
        env.step_wait()
        moved.append(np.abs(env._physics.joint_positions - before).max())
    # A control step is as long as the delay.
    assert moved[0] < 0.1 * moved[1]


def test_an_arm_that_is_late_ends_elsewhere() -> None:
    one, other = TabletopPhysics(1), TabletopPhysics(1, arm=ARM)
    for _ in range(10):
        one.step(np.array([[0.01, 0.0, 0.0]]))
        other.step(np.array([[0.01, 0.0, 0.0]]))
    behind = one.observation()[0, 0] - other.observation()[0, 0]
    # The set point waits for a tool that is late.
    assert 0.01 < behind < 0.06


def test_the_shipped_bundle_is_evaluated_on_the_arm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arm, tasks = tmp_path / "arm.yaml", tmp_path / "tasks.yaml"
    save_arm(arm, ArmParameters(friction=0.3, gain_scale=0.1), {})
    tasks.write_text("[{family: door, goal: 0.6}]", encoding="utf-8")
    command = ["evaluate", "--tasks", str(tasks), "--iterations", "1", "--workers", "1"]
    assert main(command) == 0
    assert main([*command, "--physics", str(arm)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("door")]
    # An arm that can hardly move opens no door.
    assert lines[0].split()[3] == "100.0%"
    assert lines[1].split()[3] == "0.0%"


def test_a_file_that_is_no_arm_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["evaluate"], ["all", "--preset", "smoke"], ["gmps", "--preset", "smoke"]):
        assert main([*command, "--physics", str(tmp_path / "none.yaml")]) == 2
        assert "does not exist" in capsys.readouterr().err
