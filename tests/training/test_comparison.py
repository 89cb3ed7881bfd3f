"""What a comparison evaluates, and which tables it keeps from one another."""

from __future__ import annotations

import csv
import fcntl
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from damsel.bundle import Bundle
from damsel.tasks import Task, save_tasks
from damsel_sim.arm_parameters import ArmParameters
from damsel_sim.system_identification.arm_file import save_arm
from damsel_training import comparison
from damsel_training.baselines import new_pearl, pearl_cfg
from damsel_training.cli import main
from damsel_training.comparison_record import note_origin, recorded_commands
from damsel_training.errors import InvalidDatasetError
from damsel_training.figures.page import provenance_table
from damsel_training.methods import Method, Still
from damsel_training.run import PRESETS, RunFolder
from damsel_training.stage_times import timed
from damsel_training.trajectory_table import read_rows
from tests.support.tiny_bundle import write_tiny_bundle

SLOW_ARM = ArmParameters(friction=0.3, gain_scale=0.1)


@pytest.fixture(name="compare")
def compare_fixture(tmp_path: Path) -> list[str]:
    """A comparison of doing nothing on one task, as far as its output."""
    save_tasks(tmp_path / "one.yaml", [Task("door", (0.6,))])
    words = ["compare", "--run", str(tmp_path / "run"), "--tasks", str(tmp_path / "one.yaml")]
    return [*words, "--output", str(tmp_path / "out")]


def _refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_tables_of_another_command_are_neither_replaced_nor_joined(
    compare: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    nothing = [*compare, "--method", "nothing"]
    assert main([*nothing, "--iterations", "2"]) == 0
    # The same but for worlds and methods, which have tables of their own.
    assert main([*nothing, "--iterations", "2", "--disturb", "none", "--disturb", "delay_1"]) == 0
    assert main([*nothing, "--iterations", "1", "--disturb", "delay_2"]) == 0
    for other in (
        ["--iterations", "1"],
        ["--iterations", "2", "--preset", "paper"],
        ["--iterations", "2", "--set", "damsel.hindsight=0"],
        ["--iterations", "2", "--run", str(tmp_path / "other")],
        ["--iterations", "1", "--seed", "1"],
        ["--iterations", "2", "--seed", "1", "--expert-seed", "door=0"],
    ):
        assert "one-nothing-seed0.csv was made with another --" in _refused(
            capsys, *nothing, *other
        )
    assert main([*nothing, "--iterations", "2", "--seed", "1"]) == 0
    # Forced, it is replaced, but not put beside another seed's that is of another kind.
    message = _refused(capsys, *nothing, "--iterations", "1", "--force")
    assert "one-nothing-seed1.csv was made with another --iterations" in message
    assert message.endswith("name another folder with --output\n")
    (tmp_path / "out" / "one-nothing-seed1.csv").unlink()
    assert main([*nothing, "--iterations", "1", "--force"]) == 0
    assert "--iterations 1" in recorded_commands(tmp_path / "out")["one-nothing-seed0.csv"]


def test_a_table_that_nothing_is_known_of_is_not_replaced(
    compare: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    nothing = [*compare, "--method", "nothing", "--iterations", "1"]
    assert main(nothing) == 0
    (tmp_path / "out" / "provenance.csv").unlink()
    assert "is there, and nothing says what made it" in _refused(capsys, *nothing)
    assert main([*nothing, "--force"]) == 0


def test_what_is_missing_is_said_before_anything_is_compared(
    compare: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with RunFolder(tmp_path / "run").opened(PRESETS["smoke"]):
        pass
    both = [*compare, "--preset", "smoke", "--method", "nothing", "--method", "pearl"]
    assert "no checkpoint at" in _refused(capsys, *both)
    save_arm(tmp_path / "arm.yaml", ArmParameters(delay_s=0.45), {})
    late = [*compare, "--method", "nothing", "--physics", str(tmp_path / "arm.yaml")]
    worlds = ["--disturb", "none", "--disturb", "arm_60ms"]
    assert "delay_s is 0.51; allowed" in _refused(capsys, *late, *worlds)
    assert not list((tmp_path / "out").glob("*.csv"))


def test_a_bundle_of_another_robot_is_not_compared(
    compare: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_tiny_bundle(tmp_path / "bundle", step_size_m=0.02)
    words = [*compare, "--method", "damsel", "--bundle", str(tmp_path / "bundle")]
    assert "was made for a step size of 0.02 m" in _refused(capsys, *words)


SHIPPED = ["--bundle", "models/default"]


def shipped_seed() -> int:
    seed: int = Bundle.load("models/default").provenance["seeds"]["run"]
    return seed


COLUMNS = "table,command,commit,hardware,environment_steps,training_seconds,evaluation_seconds"


def test_a_record_that_cannot_be_read_back_is_that_of_another_command(
    compare: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "provenance.csv"
    path.write_text(f"{COLUMNS}\none-nothing-seed0.csv,damsel-train compare --gone,,,,,\n")
    path.with_name("one-nothing-seed0.csv").touch()
    assert "was made with another" in _refused(capsys, *compare, "--method", "nothing")
    path.write_text("name\nx\n")
    assert "is not a record of tables" in _refused(capsys, *compare, "--method", "nothing")


@pytest.mark.parametrize("name", ["validation", "fresh100", "fresh5_3", "provenance"])
def test_own_tasks_do_not_take_the_name_of_others(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks, output = tmp_path / f"{name}.yaml", tmp_path / "out"
    save_tasks(tasks, [Task("door", (0.6,))])
    words = ["compare", "--method", "nothing", "--output", str(output), "--tasks", str(tasks)]
    assert "is the name of other tables" in _refused(capsys, *words)
    tasks = tasks.rename(tmp_path / f"my {name}.v2.yaml")
    assert main([*words[:-1], str(tasks)]) == 0
    assert (output / f"my_{name}_v2-nothing-seed0.csv").exists()


def test_what_only_reads_a_run_begins_none(
    compare: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert main([*compare, "--method", "nothing", "--iterations", "1"]) == 0
    bundle = [*SHIPPED, "--method", "damsel", "--iterations", "1"]
    assert main([*compare, *bundle]) == 0
    for words, first in (
        ([*compare, "--iterations", "1", "--method", "nothing", "--method", "gmps"], "gmps"),
        ([*compare, "--method", "pearl"], "pearl"),
        (["export", "--run", str(run)], "meta"),
        (["dataset", "--run", str(run), "--export", "x-v0"], "collect"),
    ):
        message = _refused(capsys, *words)
        assert f"{run} holds no run; run `damsel-train {first}` first" in message
    assert not run.exists()


def test_a_bundle_is_compared_under_its_own_seed(
    compare: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    message = _refused(capsys, *compare, "--bundle", "models/default", "--seed", "777")
    assert f"--seed is 777; allowed with --bundle models/default: {shipped_seed()}" in message


def test_a_bundle_is_compared_on_the_arm_that_is_asked_for(
    compare: list[str], tmp_path: Path
) -> None:
    save_arm(tmp_path / "arm.yaml", SLOW_ARM, {})
    words = [*compare, *SHIPPED, "--method", "damsel", "--iterations", "1"]
    solved = []
    for arm in ([], ["--physics", str(tmp_path / "arm.yaml"), "--force"]):
        assert main([*words, *arm]) == 0
        table = tmp_path / "out" / f"one-damsel-seed{shipped_seed()}.csv"
        solved.append(read_rows([table])[-1].success)
    # An arm that can hardly move opens no door.
    assert solved == [True, False]


def test_pearl_learns_on_the_arm_of_its_run() -> None:
    moved = []
    for arm in (None, SLOW_ARM):
        physics = new_pearl(pearl_cfg("smoke"), 0, arm)._physics
        before = physics.joint_positions.copy()
        physics.step(np.full((physics.rows, 3), 0.01))
        moved.append(np.abs(physics.joint_positions - before).max())
    assert moved[1] < 0.5 * moved[0]


def test_trajectories_are_as_long_as_those_of_the_training(
    compare: list[str], tmp_path: Path
) -> None:
    tiny = write_tiny_bundle(tmp_path / "tiny", horizon=7)
    assert main([*compare, "--bundle", str(tiny), "--method", "damsel"]) == 0
    shorter = ["--set", "damsel.horizon=50", "--set", "collect.horizon=50"]
    assert main([*compare, "--method", "nothing", *shorter]) == 0
    for method, steps in (("damsel", 7), ("nothing", 50)):
        rows = read_rows([tmp_path / "out" / f"one-{method}-seed0.csv"])
        assert {row.steps for row in rows} == {steps}


def test_one_horizon_holds_for_data_and_training(
    compare: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    message = _refused(capsys, *compare, "--set", "damsel.horizon=50")
    assert "collect.horizon is 100 and damsel.horizon is 50; allowed: the same" in message


class _Restless(Still):
    """Acts as a generator has it."""

    def __init__(self) -> None:
        super().__init__()
        self._rng = np.random.default_rng(0)

    def act(self, observation: np.ndarray) -> np.ndarray:
        return self._rng.uniform(-1.0, 1.0, (len(observation), 3))


def test_a_world_is_the_same_whichever_came_before(
    compare: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restless(*_: object) -> Method:
        return _Restless()

    monkeypatch.setattr(comparison, "METHODS", {"nothing": restless})
    table = tmp_path / "out" / "one-nothing-seed0-delay_1.csv"
    contents = []
    for before in ([], ["--disturb", "none"]):
        words = [*compare, "--method", "nothing", *before, "--disturb", "delay_1"]
        assert main(words) == 0
        contents.append(table.read_bytes())
    assert contents[0] == contents[1]


def test_what_needs_no_experts_is_recorded_without_them(tmp_path: Path) -> None:
    table = tmp_path / "one-nothing-seed0.csv"
    note_origin(table, "c", "nothing", PRESETS["paper"], RunFolder(tmp_path), None, 1.0)
    with (tmp_path / "provenance.csv").open() as file:
        (line,) = csv.DictReader(file)
    assert (line["environment_steps"], line["training_seconds"]) == ("0", "")


def test_hours_are_those_of_all_stages_or_of_none(tmp_path: Path) -> None:
    def seconds() -> str:
        table = tmp_path / "one-damsel-seed0.csv"
        note_origin(table, "c", "damsel", PRESETS["quick"], RunFolder(tmp_path), None, 1.0)
        with (tmp_path / "provenance.csv").open() as file:
            return next(csv.DictReader(file))["training_seconds"]

    for stage in ("collect", "meta"):
        with timed(tmp_path, stage):
            pass
    assert seconds() == ""
    with timed(tmp_path, "experts"):
        pass
    assert seconds() == "0"
    (tmp_path / "times.meta.begun").touch()  # by one that was killed
    with timed(tmp_path, "meta"):
        pass
    assert seconds() == ""


def test_a_damaged_record_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "provenance.csv").write_text("table,command\nother.csv,d\n")
    with pytest.raises(InvalidDatasetError, match=r"provenance\.csv .* \(no commit\)"):
        provenance_table(tmp_path)


def test_seconds_that_are_none_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "provenance.csv").write_text(
        "table,command,commit,hardware,environment_steps,training_seconds,evaluation_seconds\n"
        "one-damsel-seed0.csv,c,abc,two cores,10,soon,5\n"
    )
    with pytest.raises(InvalidDatasetError, match=r"\(training_seconds is 'soon'\)"):
        provenance_table(tmp_path)


def test_worlds_of_one_command_share_a_line(tmp_path: Path) -> None:
    for command, table in (
        ("c --disturb all", "few-nothing-seed10"),
        ("c --disturb all", "few-nothing-seed10-delay_1"),
        ("c --disturb all", "few-oracle-seed10"),
        ("d", "few-nothing-seed1"),
    ):
        path, cfg = tmp_path / f"{table}.csv", PRESETS["quick"]
        path.touch()
        note_origin(path, command, "nothing", cfg, RunFolder(tmp_path), None, 4.0)
    lines = [line.split(" | ") for line in provenance_table(tmp_path).splitlines()[2:5]]
    assert [(cells[0], cells[1], cells[5]) for cells in lines] == [
        ("| few-nothing-seed1", "1", "4"),
        ("| few-nothing-seed10", "2", "8"),
        ("| few-oracle-seed10", "1", "4"),
    ]


def test_comparisons_at_once_lose_no_line(tmp_path: Path) -> None:
    table, cfg = tmp_path / "one-nothing-seed0.csv", PRESETS["quick"]
    noting = threading.Thread(
        target=note_origin, args=(table, "c", "nothing", cfg, RunFolder(tmp_path), None, 1.0)
    )
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    noting.start()
    noting.join(1.0)
    assert noting.is_alive()
    (tmp_path / "provenance.csv").write_text(f"{COLUMNS}\nother.csv,d,,,,,\n")
    os.close(other)
    noting.join()
    for name in ("one-nothing-seed0.csv", "other.csv"):
        (tmp_path / name).touch()
    assert recorded_commands(tmp_path) == {"one-nothing-seed0.csv": "c", "other.csv": "d"}
    (tmp_path / "other.csv").unlink()
    assert recorded_commands(tmp_path) == {"one-nothing-seed0.csv": "c"}


def test_pearl_refuses_entries_that_it_does_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pearl", "--preset", "smoke", "--run", str(tmp_path / "run")]
    message = _refused(capsys, *words, "--set", "damsel.hindsight=0")
    assert "PEARL reads entries of pearl alone" in message
    assert not (tmp_path / "run").exists()
