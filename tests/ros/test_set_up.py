"""Parameter files of one's own, and the DDS domain that a command's nodes live in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rclpy.node import Node

from damsel.errors import InvalidConfigError, RobotError
from damsel_ros import processes, record_cli, rehearse_cli
from damsel_ros.parameter_file import check_parameter_file
from damsel_ros.preflight_cli import preflight
from damsel_ros.share import config_file


@pytest.fixture
def no_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "0")  # so that it is put back, whatever a command sets
    monkeypatch.delenv("ROS_DOMAIN_ID")


@pytest.mark.parametrize(
    "text",
    [
        "/damsel/robot: {ros__parameters: {sawyer: {key: k}}}",
        "damsel: {robot: {ros__parameters: {sawyer.key: k}}}",
        "/damsel: {adapt: {ros__parameters: {max_repeats: 3}}}",
        "/**: {ros__parameters: {sawyer.key: k}}",
        "/*/robot: {ros__parameters: {sawyer.key: k}}",
        "/camera: {ros__parameters: {rate: 3}}\n/damsel/task: {ros__parameters: {quiet_s: 0.5}}",
    ],
)
def test_a_file_that_names_one_of_the_nodes_is_taken(text: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    check_parameter_file(file)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no node"),
        ("[]", "names no node"),
        ("/damsel/robot: {sawyer: {key: k}}", "names no node"),
        ("robot: {ros__parameters: {sawyer.key: k}}", "names '/robot'"),
        ("/damsel/robto: {ros__parameters: {sawyer.key: k}}", "names '/damsel/robto'"),
        ("/*: {ros__parameters: {sawyer.key: k}}", r"names '/\*'"),
        (
            "/damsel/task: {ros__parameters: {quiet_s: 0.5}}\n"
            "/damsel/robto: {ros__parameters: {sawyer.key: k}}",
            "names '/damsel/robto'",
        ),
    ],
)
def test_a_file_that_says_nothing_to_our_nodes_is_refused(
    text: str, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    allowed = "; allowed: parameters of /damsel/robot, /damsel/task, /damsel/adapt, "
    allowed += r"/damsel/object_bridge, /damsel/recorder or /\*\*$"
    for command in (
        lambda: preflight(["--parameters", str(file)]),
        lambda: check_parameter_file(file),
    ):
        with pytest.raises(InvalidConfigError, match=says + allowed):
            command()


@pytest.mark.parametrize(
    ("node", "values", "says"),
    [
        (
            "/damsel/robot",
            "command_timeout_s: '0,1'",
            "command_timeout_s of /damsel/robot is '0,1'",
        ),
        ("/damsel/robot", "command_timeout_s: 1", "command_timeout_s of /damsel/robot is 1"),
        ("/damsel/robot", "command_timeout_s: [0.1]", r"command_timeout_s of .* is \[0.1\]"),
        ("/damsel/adapt", "max_repeats: '5'", "max_repeats of /damsel/adapt is '5'"),
        ("/damsel/adapt", "reset_timeout_s: 60s", "reset_timeout_s of /damsel/adapt is '60s'"),
        ("/**", "reset_timeout_s: true", "reset_timeout_s of /damsel/adapt is True"),
        ("/*/robot", "sawyer: {state_timeout_s: '0.05'}", "sawyer.state_timeout_s of .* is '0.05'"),
        ("/damsel/robot", "sawyer.state_timeout_s:", "sawyer.state_timeout_s of .* is None"),
        ("/damsel/robot", "mode: 3", "mode of /damsel/robot is 3; allowed: lockstep or realtime"),
    ],
)
def test_a_value_of_another_type_is_refused_which_ros_would_drop(
    node: str, values: str, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"{node}: {{ros__parameters: {{{values}}}}}", encoding="utf-8")
    with pytest.raises(InvalidConfigError, match=f"mine.yaml': parameter {says}"):
        check_parameter_file(file)


@pytest.mark.parametrize("text", ["1e-1", "0.5", "5.0e-1"])
def test_a_number_is_one_however_it_is_written(text: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"/damsel/robot: {{ros__parameters: {{command_timeout_s: {text}}}}}", "utf-8")
    check_parameter_file(file)


@pytest.mark.parametrize("robot", ["sim", "sawyer"])
def test_the_shipped_parameter_files_are_taken(robot: str) -> None:
    check_parameter_file(config_file(f"{robot}.yaml"))


def test_recording_takes_no_such_file_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("robot: {ros__parameters: {sawyer.key: k}}", encoding="utf-8")
    arguments = [str(tmp_path / "run.mcap"), "--excite", "--parameters", str(file)]
    assert record_cli.run(arguments) == 2
    assert "names '/robot'; allowed: parameters of" in capsys.readouterr().err


@pytest.mark.parametrize(
    "module", ["preflight_cli", "record_cli", "record_pairs_cli", "rehearse_cli"]
)
def test_ros_arguments_that_nobody_would_see_are_refused(module: str) -> None:
    for arguments in (("-r", "/a:=/b"), ("--bogus",)):
        done = subprocess.run(
            [sys.executable, "-P", "-m", f"damsel_ros.{module}", "--ros-args", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        (error,) = done.stderr.splitlines()
        assert "allowed: no ROS arguments; the nodes are in /damsel" in error


def test_the_help_of_rehearsals_is_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        rehearse_cli.rehearse(["--help"])
    said = capsys.readouterr().out
    assert "--arm NAME=VALUE,..." in said
    assert "FILE --excite [OPTIONS of damsel-record]" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["n" * 300], "File name too long"),
        (["run.mcap", "--excite", "--parameters", "n" * 300], "File name too long"),
        (["run.mcap", "--robot", "sawyer"], "--robot is for the motion that --excite makes"),
        (["run.mcap", "--seconds", "0"], "--seconds is for the motion that --excite makes"),
    ],
)
def test_a_recording_that_cannot_be_meant_is_refused_in_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert record_cli.run(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        ("mass=2", "--arm has 'mass'; allowed: NAME=VALUE of damping_scale, friction"),
        ("friction=0.01,delay_s=soon", "--arm has delay_s as 'soon'; allowed: a number"),
        ("friction", "--arm has friction as ''; allowed: a number"),
        ("friction=9", "--arm: friction is 9; allowed: 0 to 0.3"),
        ("delay_s=nan", "--arm: delay_s is nan; allowed: 0 to 0.5"),
    ],
)
def test_an_arm_that_does_not_exist_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], arm: str, words: str
) -> None:
    assert rehearse_cli.rehearse([str(tmp_path / "run.mcap"), "--excite", "--arm", arm]) == 2
    assert words in capfd.readouterr().err


@pytest.mark.parametrize(("robot", "own"), [("sim", True), ("sawyer", False)])
@pytest.mark.usefixtures("no_domain")
def test_only_a_simulation_gets_a_domain_of_its_own(
    robot: str, own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []

    def start_nodes(*_: object, **__: object) -> None:
        seen.append(os.environ.get("ROS_DOMAIN_ID"))
        raise RobotError("enough")

    monkeypatch.setattr(record_cli, "start_nodes", start_nodes)
    assert record_cli.run([str(tmp_path / "run.mcap"), "--excite", "--robot", robot]) == 1
    (found,) = seen
    assert (found is not None) is own


@pytest.mark.usefixtures("no_domain")
def test_a_rehearsal_gets_a_domain_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing:
        addresses = objects_address = None

        def start(self, arm: list[str]) -> None: ...

    @contextmanager
    def rehearsal(_: Path) -> Iterator[Nothing]:
        yield Nothing()

    seen: list[str | None] = []

    def run(*_: object) -> int:
        seen.append(os.environ.get("ROS_DOMAIN_ID"))
        return 0

    monkeypatch.setattr(rehearse_cli, "missing_ros1", lambda: "")
    monkeypatch.setattr(rehearse_cli, "Rehearsal", rehearsal)
    monkeypatch.setattr(rehearse_cli, "surroundings_of", lambda _: None)
    monkeypatch.setattr(rehearse_cli, "run", run)
    assert rehearse_cli.rehearse([]) == 0
    assert seen[0] is not None


@pytest.mark.usefixtures("no_domain")
def test_a_rehearsal_that_finds_no_free_domain_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rehearse_cli, "missing_ros1", lambda: "")
    monkeypatch.setattr(processes, "_DOMAIN_IDS", ())
    assert rehearse_cli.rehearse([]) == 1
    assert capsys.readouterr().err == (
        "damsel-rehearse: error: every DDS domain id is in use on this machine; set ROS_DOMAIN_ID\n"
    )


@pytest.mark.usefixtures("domain_id")
def test_an_excitation_moves_no_robot_that_is_there_already(tmp_path: Path) -> None:
    other = Node("robot", namespace="/damsel")
    output = tmp_path / "r.mcap"
    done = subprocess.run(
        [sys.executable, "-m", "damsel_ros.record_cli", str(output), "--excite"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    other.destroy_node()
    assert done.returncode == 1
    assert "a robot node is in /damsel of this DDS domain already" in done.stderr
    assert not output.exists()
