"""Jobs on worker processes: results, failures, deaths, and no worker that outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from damsel_training.distribution import MOST_ATTEMPTS, Tell, run_jobs
from damsel_training.errors import DivergedError, LostWorkerError
from damsel_training.workers import LocalWorkers

_PARENT = """
import os, time
from damsel_training.distribution import run_jobs
from damsel_training.workers import LocalWorkers
from tests.training.test_workers import sleep

if __name__ == "__main__":
    run_jobs(sleep, {"a": 60, "b": 60}, LocalWorkers(2), lambda name, pid: print(pid, flush=True))
"""


def square(number: int, tell: Tell) -> tuple[int, int]:
    tell(f"{number} squared")
    return number**2, os.getpid()


def sleep(seconds: float, tell: Tell) -> None:
    tell(os.getpid())
    time.sleep(seconds)


def fail(number: int, _tell: Tell) -> int:
    if number == 1:
        raise DivergedError("a loss is not finite")
    return number


def die_at_first(marker: Path, tell: Tell) -> str:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    tell("going on")
    return "done"


def die(_job: None, _tell: Tell) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_results_keep_the_order_of_the_jobs_and_workers_do_one_after_another() -> None:
    heard: list[tuple[str, str]] = []
    done: list[str] = []
    results = run_jobs(
        square,
        {str(n): n for n in range(6)},
        LocalWorkers(2),
        lambda name, news: heard.append((name, news)),
        lambda name, _result: done.append(name),
    )
    assert [value for value, _ in results.values()] == [0, 1, 4, 9, 16, 25]
    assert list(results) == [str(n) for n in range(6)]
    assert len({pid for _, pid in results.values()}) <= 2
    assert sorted(heard) == [(str(n), f"{n} squared") for n in range(6)]
    assert sorted(done) == list(results)


def test_a_failure_is_raised_after_the_others_are_done() -> None:
    done: list[str] = []
    jobs = {"a": 0, "b": 1, "c": 2}
    with pytest.raises(DivergedError, match="a loss is not finite") as caught:
        run_jobs(fail, jobs, LocalWorkers(1), done=lambda name, _: done.append(name))
    assert done == ["a", "c"]
    assert "in the worker of b" in caught.value.__notes__[0]


def test_a_killed_worker_takes_only_its_job_which_another_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = {"killed": tmp_path / "marker", "other": tmp_path}
    results = run_jobs(die_at_first, jobs, LocalWorkers(2))
    assert results == {"killed": "done", "other": "done"}
    assert "the worker of killed died (SIGKILL); another goes on with it" in capsys.readouterr().err


def test_a_job_that_kills_every_worker_is_given_up(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LostWorkerError, match=f"{MOST_ATTEMPTS} workers died of bad"):
        run_jobs(die, {"bad": None}, LocalWorkers(1))
    assert capsys.readouterr().err.count("died") == MOST_ATTEMPTS - 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(tmp_path: Path, how: signal.Signals) -> None:
    script = tmp_path / "parent.py"
    script.write_text(_PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,
    )
    assert parent.stdout is not None
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    # An interrupt from the keyboard goes to the whole group.
    os.killpg(parent.pid, how) if how == signal.SIGINT else parent.send_signal(how)
    parent.wait(20)
    deadline = time.monotonic() + 20
    while any(map(_alive, workers)):
        assert time.monotonic() < deadline, "a worker lives on"
        time.sleep(0.1)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
