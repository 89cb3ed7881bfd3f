"""The commands on baselines, comparisons, figures and data set, as a user meets them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from damsel.tasks import save_tasks, validation_tasks
from damsel_training.baselines import PEARL_PRESETS, pearl_cfg
from damsel_training.checkpoints import load_checkpoint, save_checkpoint
from damsel_training.cli import main
from damsel_training.cli_compare import METHOD_NAMES, WORLD_NAMES
from damsel_training.comparison import METHODS
from damsel_training.damsel import prior_components
from damsel_training.damsel_cfg import DamselCfg
from damsel_training.disturbances import DISTURBANCES
from damsel_training.errors import InvalidDatasetError
from damsel_training.gmps import without_structure
from damsel_training.run import PRESETS, RunFolder
from damsel_training.stage_times import seconds_by_stage, timed
from damsel_training.task_expert_stages import expert_steps
from damsel_training.trajectory_table import read_rows
from tests.training.conftest import SmokeRun


def _refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "--disturb", "earthquake"], "invalid choice: 'earthquake'"),
        (["compare", "--method", "luck"], "invalid choice: 'luck'"),
        (["compare", "--iterations", "0"], "--iterations is 0; allowed: from 1"),
        (["compare", "--tasks", "a", "--fresh", "3"], "exclude one another"),
        (["compare", "--task-seed", "3"], "allowed with --fresh N"),
        (
            ["compare", "--method", "oracle", "--bundle", "models/default"],
            "--bundle is for --method damsel",
        ),
        (["compare", "--output", "/proc/no"], "--output /proc/no"),
        (["pearl", "--steps", "-1"], "allowed: a whole number from 0"),
        (["gmps", "--preset", "huge"], "invalid choice: 'huge'"),
        (["figures", "--results", "nowhere"], "run `damsel-train compare` first"),
        (["dataset"], "one of the arguments --export --inspect is required"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    assert message in _refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("method", "command"), [("gmps", "gmps"), ("pearl", "pearl"), ("oracle", "experts")]
)
def test_a_method_names_the_stage_that_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str, command: str
) -> None:
    run, output = str(tmp_path / "run"), str(tmp_path / "out")
    message = _refused(capsys, "compare", "--run", run, "--method", method, "--output", output)
    assert f"run `damsel-train {command}` first" in message


def test_every_method_and_world_has_a_name_on_the_command_line() -> None:
    assert tuple(METHODS) == METHOD_NAMES
    assert tuple(DISTURBANCES) == WORLD_NAMES
    assert set(PEARL_PRESETS) <= set(PRESETS)


def test_gmps_is_damsel_without_its_structure() -> None:
    cfg = without_structure(DamselCfg())
    assert cfg.constraint_weight == 0.0
    assert all((component == 0.0).all() for component in prior_components(cfg.network).values())
    assert cfg.training_steps == DamselCfg().training_steps


def test_stages_are_timed_even_if_they_fail(tmp_path: Path) -> None:
    with timed(tmp_path, "meta"):
        pass
    with pytest.raises(KeyboardInterrupt), timed(tmp_path, "meta"):
        raise KeyboardInterrupt
    with (tmp_path / "times.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["stage"] for row in rows] == ["meta", "meta"]
    total = sum(float(row["seconds"]) for row in rows)
    assert seconds_by_stage(tmp_path) == {"meta": pytest.approx(total)}


@pytest.mark.parametrize(
    "content", ["stage\nmeta\n", "stage,seconds\nmeta\n", "stage,seconds\nmeta,x\n"]
)
def test_a_damaged_table_of_times_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "times.csv").write_text(content, encoding="utf-8")
    with pytest.raises(InvalidDatasetError, match=r"times\.csv is not a table of times"):
        seconds_by_stage(tmp_path)


@pytest.mark.slow
def test_training_that_is_not_finished_is_neither_compared_nor_exported(
    smoke_run: SmokeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(smoke_run.folder, run)
    options = ["--preset", "smoke", "--run", str(run)]
    for stage, entry, value in (
        ("meta", "iteration", 1),
        ("gmps", "iteration", 1),
        ("pearl", "environment_steps", 600),
    ):
        path = run / stage / "checkpoint.pt"
        save_checkpoint(load_checkpoint(path) | {entry: value}, path)
    (run / "pearl" / "checkpoint.previous.pt").unlink()
    compare = ["compare", *options, "--output", str(tmp_path / "out"), "--method"]
    capsys.readouterr()
    exported = _refused(capsys, "export", *options)
    assert "is at iteration 1 of 2; run `damsel-train meta` to finish it" in exported
    compared = _refused(capsys, *compare, "gmps")
    assert "is at iteration 1 of 2; run `damsel-train gmps` to finish it" in compared
    save_checkpoint({"iteration": 2}, run / "gmps" / "checkpoint.pt")
    compared = _refused(capsys, *compare, "gmps")
    assert "is not a readable checkpoint (of something else: 'encoder')" in compared
    compared = _refused(capsys, *compare, "pearl")
    assert "is at step 600 of 20000; run `damsel-train pearl` to finish it" in compared
    # With a budget of its own it would have been.
    begun = run / "pearl" / "pearl.yaml"
    begun.write_text(begun.read_text().replace("steps: 20000", "steps: 600"))
    assert main([*compare, "pearl", "--iterations", "1"]) == 0
    for spoilt in ("pearl: 3", "pearl: {environment_steps: 600}"):
        begun.write_text(spoilt)
        capsys.readouterr()
        refused = _refused(capsys, *compare, "pearl", "--iterations", "1")
        assert "is no configuration of PEARL" in refused


@pytest.mark.slow
def test_steps_that_choose_checkpoints_of_experts_are_counted(smoke_run: SmokeRun) -> None:
    cfg, folder = PRESETS["smoke"], RunFolder(smoke_run.folder)
    assert isinstance(cfg.experts, dict)
    total = 0
    for family, expert in cfg.experts.items():
        scores = json.loads((folder.experts / family / "scores.json").read_text())
        assert [score["steps"] for score in scores] == [3_200, 6_400]
        total += expert.steps + 2 * 2 * 8 * 100  # two trajectories a goal at every evaluation
    assert expert_steps(cfg, folder) == total


@pytest.mark.slow
def test_pearl_ends_with_its_budget_and_holds_to_its_configuration(
    smoke_run: SmokeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "PEARL: 36000 steps" in smoke_run.printed
    checkpoint = smoke_run.folder / "pearl" / "checkpoint.pt"
    written = checkpoint.stat().st_mtime_ns
    assert main(["pearl", *smoke_run.options]) == 0
    assert checkpoint.stat().st_mtime_ns == written
    capsys.readouterr()
    assert "another configuration" in _refused(capsys, "pearl", *smoke_run.options, "--steps", "2")


@pytest.mark.slow
def test_the_smoke_preset_compares_every_method_and_draws_every_figure(
    smoke_run: SmokeRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    (tmp_path / "minari").mkdir()
    smoke = smoke_run.options
    results, tasks = tmp_path / "results", tmp_path / "few.yaml"
    save_tasks(tasks, validation_tasks()[::5])
    assert pearl_cfg("smoke").environment_steps == 20_000
    compare = ["compare", *smoke, "--tasks", str(tasks), "--output", str(results)]
    assert main([*compare, "--iterations", "2"]) == 0
    assert main([*compare, "--iterations", "1", "--method", "damsel", "--disturb", "delay_1"]) == 0
    images = tmp_path / "images"
    page = tmp_path / "results.md"
    drawing = ["--results", str(results), "--images", str(images), "--page", str(page)]
    assert main(["figures", *drawing]) == 0
    assert main(["dataset", *smoke, "--export", "damsel/smoke-v0"]) == 0
    capsys.readouterr()
    assert main(["dataset", "--inspect", "damsel/smoke-v0"]) == 0
    assert "240 episodes" in capsys.readouterr().out

    rows = read_rows(path for path in results.glob("*.csv") if path.name != "provenance.csv")
    assert {row.method for row in rows} == set(METHOD_NAMES)
    lengths = {
        method: max(row.trajectory for row in rows if row.method == method) + 1
        for method in METHOD_NAMES
    }
    assert lengths == {
        "damsel": 5,
        "gmps": 5,
        "pearl": 5,
        "nothing": 1,
        "constant": 1,
        "oracle": 1,
    }
    text = page.read_text()
    assert "| DAMSEL | 1 |" in text
    assert "| few-pearl-seed0 | 1 |" in text
    assert (images / "adaptation_curves_few.png").stat().st_size > 10_000
    assert set(seconds_by_stage(smoke_run.folder)) == {
        "experts",
        "collect",
        "meta",
        "gmps",
        "pearl",
    }
