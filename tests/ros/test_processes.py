"""Starting, watching and ending node processes, and the line that shows their progress."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from damsel.errors import DamselError
from damsel_ros import processes as processes_module
from damsel_ros.node_main import OPERATOR_PID
from damsel_ros.processes import NodeProcesses, free_domain_id
from damsel_ros.progress import ProgressLines


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that does what its first argument says."""
    (tmp_path / "obedient.py").write_text(
        "import signal, sys, time\n"
        "if sys.argv[1] == 'fail':\n"
        "    sys.exit('first line\\nlast line')\n"
        "if sys.argv[1] == 'deaf':\n"
        "    signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', file=sys.stderr, flush=True)\n"
        "time.sleep(60)\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "obedient"


def test_a_process_that_fails_is_known_by_its_last_words(module: str) -> None:
    with NodeProcesses() as processes:
        processes.start("patient", module, ["wait"])
        process = processes.start("hasty", module, ["fail"])
        assert process.wait(10.0)
        assert processes.first_dead() is process
        assert process.cause_of_death == "exit code 1; its last words: last line"


@pytest.mark.parametrize("kind", ["wait", "deaf"])
def test_every_process_ends_even_one_that_does_not_listen(
    module: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = tuple((number, 0.2) for number, _ in processes_module._STOP_SIGNALS)
    monkeypatch.setattr(processes_module, "_STOP_SIGNALS", (*short[:-1], (short[-1][0], 5.0)))
    with NodeProcesses() as processes:
        process = processes.start("node", module, [kind])
        deadline_s = time.monotonic() + 10.0
        while not process._errors and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert not process.dead
    assert process.dead


def test_a_domain_in_use_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes_module, "_DOMAIN_IDS", range(90, 92))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 7400 + 250 * 90 + 10))
        assert {free_domain_id(Random(seed)) for seed in range(8)} == {91}
        monkeypatch.setattr(processes_module, "_DOMAIN_IDS", range(90, 91))
        with pytest.raises(DamselError, match="ROS_DOMAIN_ID"):
            free_domain_id(Random(0))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show(lines: ProgressLines, steps: int, *, finished: bool) -> None:
    lines.show(stage="probe", family="door", iteration=1, steps=steps, total=1.5, finished=finished)


def test_a_file_gets_one_line_a_trajectory() -> None:
    stream = io.StringIO()
    lines = ProgressLines(stream, horizon=100)
    show(lines, 50, finished=False)
    show(lines, 100, finished=True)
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("probe door")
    assert line.endswith("100/100 steps   return   1.50")


def test_a_terminal_gets_a_line_that_grows() -> None:
    stream = Terminal()
    lines = ProgressLines(stream, horizon=100)
    show(lines, 50, finished=False)
    show(lines, 100, finished=True)
    half, full = stream.getvalue().split("\r")[1:]
    assert half.count("#") == 12
    assert full.count("#") == 24
    assert full.endswith("\n")


def test_an_unfinished_line_is_ended_before_anything_else_is_printed() -> None:
    stream = Terminal()
    lines = ProgressLines(stream, horizon=100)
    show(lines, 50, finished=False)
    lines.close()
    lines.close()
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize("prefix", [[], ["sh", "-c", '"$@"; exit $?', "sh"]])
def test_what_stands_between_operator_and_node_is_no_end_of_the_operator(prefix: list[str]) -> None:
    program = "from damsel_ros.node_main import die_with_operator as f; f(); print('lives')"
    node = [*prefix, sys.executable, "-c", program]
    with subprocess.Popen(["true"]) as gone:
        pass
    for operator_pid, lives in ((os.getpid(), True), (gone.pid, False)):
        done = subprocess.run(
            node,
            env={**os.environ, OPERATOR_PID: str(operator_pid)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert ("lives" in done.stdout) == lives
