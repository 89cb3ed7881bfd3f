from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from damsel.cli import EXIT_BAD_INPUT, OneLineParser, run
from damsel.errors import InvalidBundleError, InvalidConfigError, InvalidTaskError, RobotError


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1), (7, 7)])
def test_the_exit_code_is_what_the_command_returns(returned: int | None, code: int) -> None:
    assert run(lambda: returned) == code


@pytest.mark.parametrize("kind", [InvalidTaskError, InvalidBundleError, RobotError])
def test_bad_input_is_one_line_and_exit_code_2(
    kind: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        raise kind("unknown family 'lid';\nallowed: push")

    assert run(main, "damsel-train") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "damsel-train: error: unknown family 'lid'; allowed: push\n"


def test_the_program_is_named_after_the_script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        raise InvalidTaskError("no")

    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/damsel-train", "evaluate"])
    run(main)
    assert capsys.readouterr().err == "damsel-train: error: no\n"


def test_an_interrupt_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise KeyboardInterrupt

    assert run(main, "damsel-train") == 130
    assert capsys.readouterr().err == "damsel-train: interrupted\n"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    program = (
        "from damsel.cli import run\nraise SystemExit(run(lambda: print('much\\n' * 100_000)))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"much\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_other_errors_are_bugs_and_stay_visible() -> None:
    def main() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(main)


def test_a_command_line_that_is_wrong_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    parser = OneLineParser(prog="damsel-train", allow_abbrev=False)
    parser.add_argument("--iterations", type=int)

    def main() -> None:
        parser.parse_args(["--iterations", "many"])

    assert run(main, "damsel-train") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "damsel-train: error: argument --iterations: invalid int value: 'many'; "
        "see damsel-train --help\n"
    )


@pytest.mark.parametrize("goal", ["-0.1,0.2", "-.1,.2", "-1", "-1e-3", "-0.1, -0.2"])
def test_a_value_may_begin_with_a_minus(goal: str) -> None:
    parser = OneLineParser()
    parser.add_argument("--goal")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("film").add_argument("--goal")
    assert parser.parse_args(["--goal", goal]).goal == goal
    assert parser.parse_args([f"--goal={goal}"]).goal == goal
    assert parser.parse_args(["film", "--goal", goal]).goal == goal


def test_a_value_that_begins_with_a_minus_may_come_from_the_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parser = OneLineParser()
    parser.add_argument("--goal")
    monkeypatch.setattr(sys, "argv", ["damsel-adapt", "--goal", "-0.1,0.2"])
    assert parser.parse_args().goal == "-0.1,0.2"


def test_an_unknown_option_is_not_taken_for_a_value() -> None:
    parser = OneLineParser(prog="damsel-adapt")
    parser.add_argument("--goal")
    with pytest.raises(InvalidConfigError, match="argument --goal: expected one argument"):
        parser.parse_args(["--goal", "-x"])


def test_a_working_directory_that_is_gone_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert run(lambda: None, "damsel-thing") == EXIT_BAD_INPUT
    says = "damsel-thing: error: the working directory cannot be used: No such file or directory\n"
    assert capsys.readouterr().err == says
