"""That a machine which stands still is noticed: it decides whether a failed test is run again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
from tests.support.stalls import StallWatch
watch = StallWatch(0.1)
print("watching", flush=True)
input()
print(watch.stood_still(), flush=True)
watch.restart()
print(watch.stood_still(), flush=True)
"""


@pytest.mark.parametrize("stands_still", [True, False])
def test_a_process_that_stood_still_knows_it(stands_still: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "watching\n"
        if stands_still:
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.5)
            process.send_signal(signal.SIGCONT)
        time.sleep(0.05)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.read() == f"{stands_still}\nFalse\n"
