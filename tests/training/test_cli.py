"""`damsel-train` as a user meets it: the whole chain, and one line for every mistake."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from damsel_training.cli import PRESET_NAMES, main
from damsel_training.run import PRESETS, RunFolder
from tests.support.tiny_bundle import write_tiny_bundle
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
        (["evaluate", "--bundle", "nowhere"], "nowhere"),
        (["evaluate", "--iterations", "0"], "--iterations is 0; allowed: from 1"),
        (["evaluate", "--iterations", "x"], "invalid int value"),
        (["evaluate", "--tasks", "a", "--fresh", "3"], "exclude one another"),
        (["evaluate", "--fresh", "-3"], "allowed: a whole number from 1"),
        (["evaluate", "--fresh", "0"], "allowed: a whole number from 1"),
        (["evaluate", "--seed", "3"], "--seed is for random tasks; allowed with --fresh N"),
        (["evaluate", "--workers", "1", "--ray", "auto"], "exclude one another"),
        (["evaluate", "--json", "docs"], "--json docs is a folder; allowed: a file"),
        (["experts", "--seed", "4294967296"], "allowed: a whole number from 0 to 4294967295"),
        (["evaluate", "--json", "no/such/folder/x.json"], "there is no folder"),
        (
            ["meta", "--set", "damsel.network.component_distance=0"],
            "component_distance is 0.0; allowed: above 0",
        ),
        (
            ["experts", "--set", "experts.push.env.start_above_probability=0.9"],
            "start_at_object_probability 0.25; allowed: at most 1 together",
        ),
        (["experts", "--expert-seed", "door"], "allowed: a whole number from 0"),
        (["experts", "--expert-seed", "lid=1"], "there is no family 'lid'; allowed: push, door"),
        (
            ["experts", "--preset", "paper", "--expert-seed", "door=1"],
            "the preset paper has an expert a task; allowed: presets with one a family",
        ),
        (["all", "--preset", "huge"], "invalid choice: 'huge'"),
        (["conquer"], "invalid choice: 'conquer'"),
        ([], "required: COMMAND"),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert message in _refused(capsys, *arguments)


def test_a_stage_names_the_one_that_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    assert "run `damsel-train experts` first" in _refused(
        capsys, "collect", "--preset", "smoke", "--run", run
    )
    assert "run `damsel-train meta` first" in _refused(
        capsys, "export", "--preset", "smoke", "--run", run
    )


def test_a_folder_belongs_to_one_configuration_and_one_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path)
    with folder.opened(PRESETS["quick"]):
        busy = _refused(capsys, "export", "--preset", "quick", "--run", str(tmp_path))
        assert "is in use by another run" in busy
    other = _refused(capsys, "export", "--preset", "quick", "--seed", "1", "--run", str(tmp_path))
    assert "another configuration (seed: 0 there, 1 asked for)" in other
    mixed = _refused(capsys, "export", "--expert-seed", "door=1", "--run", str(tmp_path))
    assert "another configuration (experts.door.seed: None there, 1 asked for)" in mixed


def test_tasks_that_a_bundle_does_not_know_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    components = {name: np.eye(3)[row] for row, name in enumerate(("push", "door"))}
    write_tiny_bundle(tmp_path / "bundle", components=components)
    (tmp_path / "tasks.yaml").write_text("- {family: drawer, goal: [0.1]}", encoding="utf-8")
    words = ["--bundle", str(tmp_path / "bundle"), "--tasks", str(tmp_path / "tasks.yaml")]
    message = _refused(capsys, "evaluate", *words)
    assert "knows no drawer; allowed: tasks of push, door" in message


def test_a_path_that_the_system_refuses_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = _refused(capsys, "evaluate", "--json", str(tmp_path / ("x" * 300)))
    assert message.endswith(": File name too long\n")


def test_every_preset_has_a_name_on_the_command_line() -> None:
    assert set(PRESET_NAMES) == set(PRESETS)


def test_a_missing_package_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "damsel_training.stages", raising=False)
    monkeypatch.delattr("damsel_training.stages", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "training needs the package torch" in _refused(capsys, "collect")


@pytest.mark.slow
def test_the_smoke_preset_runs_the_whole_chain_and_does_nothing_twice(smoke_run: SmokeRun) -> None:
    assert "family" in smoke_run.printed
    run = smoke_run.folder
    records = json.loads((run / "evaluation.json").read_text())
    assert [record["family_true"] for record in records] == ["push", "door", "drawer"]
    assert all(len(record["trajectories"]) == 7 for record in records)
    checkpoint = (run / "meta" / "checkpoint.pt").stat().st_mtime_ns
    for stage in ("experts", "collect", "meta"):
        assert main([stage, *smoke_run.options]) == 0
    assert (run / "meta" / "checkpoint.pt").stat().st_mtime_ns == checkpoint
