"""`damsel-adapt` and what is around it: other nodes, the terminal, the folder, the environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from damsel_ros import adapt_cli
from damsel_ros.adapt_options import parse_options
from damsel_ros.processes import NodeProcess
from tests.ros.test_damsel_adapt import COMMAND, never, started

LONG = "n" * 300

REFUSED = {
    "result with a long name": (["--json", LONG], "File name too long"),
    "parameters with a long name": (["--parameters", LONG], "File name too long"),
    "recording with a long name": (["--record", LONG], "File name too long"),
    "result in a folder of the kernel": (["--json", "/proc/sys/result.json"], "can be written"),
    "namespace": (["--ros-args", "-r", "__ns:=/left"], "'-r __ns:=/left'; allowed: no ROS"),
    "bad ROS argument": (["--ros-args", "-r", "bad"], "'-r bad'; allowed: no ROS arguments"),
    "mode of running nodes": (["--attach", "--mode", "realtime"], "--mode is given with --attach"),
    "process of running nodes": (["--attach", "--composed"], "--composed is given with --attach"),
    "parameters of running nodes": (
        ["--attach", "--parameters", __file__],
        "--parameters is given with --attach",
    ),
}


@pytest.mark.parametrize(("argv", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_in_one_line(
    argv: list[str],
    says: str,
    long_bundle: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapt_cli, "_adapt", never)
    assert adapt_cli.run(["--bundle", str(long_bundle), *argv]) == 2
    error = capsys.readouterr().err
    assert error.startswith("damsel-adapt: error: ")
    assert error.count("\n") == 1
    assert says in error


@pytest.mark.parametrize("domain", ["abc", "-1", "233", "1.0"])
def test_a_domain_that_is_none_is_refused(
    domain: str,
    long_bundle: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapt_cli, "_adapt", never)
    monkeypatch.setenv("ROS_DOMAIN_ID", domain)
    assert adapt_cli.run(["--bundle", str(long_bundle)]) == 2
    says = f"ROS_DOMAIN_ID is {domain!r}; allowed: a whole number in [0, 232]"
    assert capsys.readouterr().err == f"damsel-adapt: error: {says}\n"


def test_the_name_that_a_launch_gives_is_allowed(
    long_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def say(*_: object) -> None:
        raise OSError("so far")

    monkeypatch.setattr(adapt_cli, "_adapt", say)
    argv = ["--bundle", str(long_bundle), "--ros-args", "-r", "__node:=operator"]
    assert adapt_cli.run(argv) == 1
    assert capsys.readouterr().err == "damsel-adapt: error: so far\n"


@pytest.mark.parametrize(
    ("argv", "alone"),
    [([], True), (["--attach"], False), (["--robot", "sawyer"], False)],
    ids=["simulation", "running nodes", "real arm"],
)
def test_only_what_needs_nobody_hides_in_a_domain_of_its_own(
    argv: list[str], alone: bool, long_bundle: Path
) -> None:
    options = parse_options(["--bundle", str(long_bundle), *argv])
    assert adapt_cli._needs_nobody(options) == alone


def test_nodes_that_run_already_are_not_joined_by_others(
    start: Callable[..., dict[str, NodeProcess]], long_bundle: Path
) -> None:
    start(nodes=("robot",))
    done = subprocess.run(
        [*COMMAND, "--bundle", str(long_bundle), "--iterations=1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    says = "damsel-adapt: error: a robot node is in /damsel of this DDS domain already; "
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 1


def test_the_arm_is_moved_only_by_who_knows_which_one_it_is(
    start: Callable[..., dict[str, NodeProcess]], long_bundle: Path
) -> None:
    start()
    done = subprocess.run(
        [*COMMAND, "--bundle", str(long_bundle), "--attach", "--robot", "sawyer"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    says = "--robot is sawyer; allowed here: sim, as the robot node has it"
    assert done.stderr == f"damsel-adapt: error: {says}\n"


def test_a_result_that_cannot_be_written_is_shown_all_the_same(long_bundle: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--bundle", str(long_bundle), "--iterations=1", "--json", "/dev/full"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "the hidden task was door 0.62" in done.stdout
    says = "--json '/dev/full' cannot be written: No space left on device"
    assert done.stderr == f"damsel-adapt: error: {says}\n"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTSTP], ids=["closed", "Ctrl-Z"])
def test_a_terminal_that_is_closed_or_told_to_wait_stops_the_arm(
    number: signal.Signals, long_bundle: Path
) -> None:
    process = started(long_bundle)
    process.send_signal(number)
    _, error = process.communicate(timeout=10.0)
    assert process.returncode == 130
    assert error == "damsel-adapt: interrupted, the arm holds\n"


def test_a_reader_that_goes_away_ends_the_command_in_one_line(long_bundle: Path) -> None:
    process = started(long_bundle)
    assert process.stdout is not None
    process.stdout.close()
    _, error = process.communicate(timeout=20.0)
    assert process.returncode == 1
    assert error == "damsel-adapt: error: [Errno 32] Broken pipe\n"


def test_a_command_without_standard_streams_adapts(tmp_path: Path, long_bundle: Path) -> None:
    file = tmp_path / "result.json"
    options = ["--bundle", str(long_bundle), "--iterations=1", "--json", str(file)]
    shell = f'exec "$@" <&- >&- 2>{tmp_path / "errors"}'
    done = subprocess.run(["sh", "-c", shell, "sh", *COMMAND, *options], timeout=60, check=False)
    assert (tmp_path / "errors").read_text(encoding="utf-8") == ""
    assert done.returncode == 0
    assert file.read_text(encoding="utf-8").startswith("{\n")


def test_a_working_directory_that_is_gone_is_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = [sys.executable, "-P", *COMMAND[1:]]
    shell = 'rmdir "$PWD" && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=gone,
        env={**os.environ, "PWD": str(gone)},
    )
    assert done.returncode == 2
    says = "the working directory cannot be used: No such file or directory"
    assert done.stderr == f"damsel-adapt: error: {says}\n"
