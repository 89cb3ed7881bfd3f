"""`damsel-adapt` as a user meets it: bad input, dead nodes, Ctrl-C, and what it prints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from damsel_ros import adapt_cli
from damsel_ros.adapt_options import DEFAULT_TASK, parse_options
from tests.support.tiny_bundle import write_tiny_bundle

COMMAND = [sys.executable, "-m", "damsel_ros.adapt_cli"]


@pytest.fixture(scope="session")
def fast_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle made for a robot of 40 Hz, which there is none of."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "fast", control_rate_hz=40.0)


BAD_INPUT = {
    "unknown family": (["--family", "lift", "--goal", "0.1"], "unknown family 'lift'"),
    "goal out of range": (["--family", "door", "--goal", "2.0"], "angle in (0, 0.785398] rad"),
    "goal at rest": (["--family", "drawer", "--goal", "0"], "opening in (0, 0.15] m"),
    "goal of another family": (["--family", "push", "--goal", "0.3"], "push goal"),
    "goal no number": (["--family", "door", "--goal", "wide"], "wide"),
    "goal not finite": (["--family", "door", "--goal", "nan"], "nan"),
    "goal without family": (["--goal", "0.3"], "--family is missing"),
    "unknown family, no goal": (["--family", "lift"], "unknown family 'lift'"),
    "no iterations": (["--iterations", "0"], "--iterations is 0; allowed: 1 to 100"),
    "too many iterations": (["--iterations", "101"], "--iterations is 101; allowed: 1 to 100"),
    "iterations no number": (["--iterations", "few"], "invalid int value: 'few'"),
    "unknown robot": (["--robot", "panda"], "invalid choice: 'panda'"),
    "no waiting arm": (["--robot", "sawyer", "--mode", "lockstep"], "allowed: realtime"),
    "no such parameters": (["--parameters", "no/such.yaml"], "--parameters 'no/such.yaml'"),
    "unknown mode": (["--mode", "fast"], "invalid choice: 'fast'"),
    "unknown option": (["--gaol", "0.3"], "unrecognized arguments: --gaol"),
    "bundle missing": (["--bundle", "no/such/folder"], "no/such/folder"),
    "result in no folder": (["--json", "no/such/folder/r.json"], "--json"),
    "result is a folder": (["--json", "."], "--json"),
}


@pytest.mark.parametrize(("argv", "says"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_one_line_and_exit_code_2_and_starts_nothing(
    argv: list[str],
    says: str,
    long_bundle: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapt_cli, "_adapt", never)
    argv = argv if "--bundle" in argv else [*argv, "--bundle", str(long_bundle)]
    assert adapt_cli.run(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("damsel-adapt: error: ")
    assert captured.err.count("\n") == 1
    assert says in captured.err


def test_a_bundle_for_another_control_rate_is_refused(
    fast_bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapt_cli, "_adapt", never)
    assert adapt_cli.run(["--bundle", str(fast_bundle)]) == 2
    error = capsys.readouterr().err
    assert "was made for a control rate of 40 Hz, but the robot's is 20 Hz" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("damage", ["truncated", "tampered", "no policy"])
def test_a_damaged_bundle_is_refused(
    damage: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapt_cli, "_adapt", never)
    bundle = write_tiny_bundle(tmp_path / "bundle")
    policy = bundle / "policy.onnx"
    content = policy.read_bytes()
    if damage == "no policy":
        policy.unlink()
    else:
        policy.write_bytes(content[:-10] if damage == "truncated" else content[:-1] + b"?")
    assert adapt_cli.run(["--bundle", str(bundle)]) == 2
    error = capsys.readouterr().err
    assert "policy.onnx" in error
    assert error.count("\n") == 1


def never(*_: object) -> None:
    raise AssertionError("something was started")


def test_the_process_itself_ends_with_2_and_one_line() -> None:
    done = subprocess.run(
        [*COMMAND, "--family", "door", "--goal", "2"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1


def test_there_is_a_task_when_none_is_named(long_bundle: Path) -> None:
    assert parse_options(["--bundle", str(long_bundle)]).task == DEFAULT_TASK


@pytest.mark.parametrize("goal", [[], ["--goal", ""]], ids=["absent", "empty"])
def test_a_family_without_goal_hides_another_goal_each_time(
    goal: list[str], long_bundle: Path
) -> None:
    tasks = {
        parse_options(["--bundle", str(long_bundle), "--family", "push", *goal]).task
        for _ in range(3)
    }
    assert len(tasks) == 3
    assert {task.family for task in tasks} == {"push"}


def test_a_run_prints_its_progress_and_a_table_and_writes_json(
    tmp_path: Path, long_bundle: Path
) -> None:
    file = tmp_path / "result.json"
    options = ["--bundle", str(long_bundle), "--iterations", "1", "--json", str(file)]
    done = subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split("[")[0].strip() for line in lines[:3]] == [
        "probe push",
        "probe door",
        "probe drawer",
    ]
    assert lines[3].startswith("adapt 1 (")
    assert "olved: the hidden task was door 0.62" in lines[-1]
    record = json.loads(file.read_text(encoding="utf-8"))
    assert (record["goal"], record["steps"]) == ([0.62], 400)


def started(long_bundle: Path, *options: str) -> subprocess.Popen[str]:
    """Start an adaptation that takes a while, and return when the arm moves."""
    process = subprocess.Popen(
        [*COMMAND, "--bundle", str(long_bundle), "--iterations", "100", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("probe push")
    return process


def children(pid: int) -> dict[str, int]:
    """The node processes of an operator by name."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    found = {}
    for child in listed:
        arguments = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
        module = next(argument for argument in arguments if argument.startswith("damsel_ros."))
        found[module.removeprefix("damsel_ros.").removesuffix("_node")] = int(child)
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ends(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("victim", ["robot", "task", "adapt"])
def test_a_killed_node_ends_the_command_with_its_name(long_bundle: Path, victim: str) -> None:
    process = started(long_bundle)
    nodes = children(process.pid)
    assert set(nodes) == {"robot", "task", "adapt"}
    os.kill(nodes[victim], signal.SIGKILL)
    _, error = process.communicate(timeout=10.0)
    assert process.returncode == 1
    assert error == f"damsel-adapt: error: the {victim} node died: killed by SIGKILL\n"
    assert not any(alive(pid) for pid in nodes.values())


@pytest.mark.parametrize("options", [[], ["--composed"], ["--mode", "realtime"]])
def test_an_interrupt_stops_the_arm_and_every_node(long_bundle: Path, options: list[str]) -> None:
    process = started(long_bundle, *options)
    nodes = children(process.pid)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=10.0)
    assert process.returncode == 130
    assert error == "damsel-adapt: interrupted, the arm holds\n"
    assert not any(alive(pid) for pid in nodes.values())


def test_no_node_outlives_an_operator_that_was_killed(long_bundle: Path) -> None:
    process = started(long_bundle)
    nodes = children(process.pid)
    process.kill()
    process.communicate(timeout=10.0)
    assert ends(lambda: not any(alive(pid) for pid in nodes.values()), 5.0)
