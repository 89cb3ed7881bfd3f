"""The beat of the command stream, on a clock made by hand."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from damsel_intera.realtime import hurry
from damsel_ros.backends.tick_clock import TickClock


class Time:
    def __init__(self) -> None:
        self.now_s = 50.0
        self.oversleep_s = 0.0

    def now(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s + self.oversleep_s


def make() -> tuple[TickClock, Time]:
    time = Time()
    return TickClock(0.01, now=time.now, sleep=time.sleep), time


def test_ticks_are_due_on_a_grid_however_late_each_one_is() -> None:
    clock, time = make()
    time.oversleep_s = 0.003
    due = [clock.wait() for _ in range(5)]
    # The first is due at once.
    assert due == pytest.approx([50.0, 50.013, 50.023, 50.033, 50.043])


def test_lateness_is_that_of_the_command_not_of_the_waking() -> None:
    clock, time = make()
    for work_s in (0.001, 0.002, 0.004):
        clock.wait()
        time.now_s += work_s
        clock.sent()
    assert clock.jitter_s()[0] == pytest.approx(0.002)
    assert clock.jitter_s()[3] == pytest.approx(0.004)


def test_missed_ticks_are_left_out_and_counted() -> None:
    clock, time = make()
    clock.wait()
    time.now_s += 0.055
    assert clock.wait() == pytest.approx(50.055)
    assert clock.missed == 4
    assert clock.wait() == pytest.approx(50.06)


def test_a_pause_that_was_meant_is_not_missed() -> None:
    clock, time = make()
    clock.wait()
    time.now_s += 2.0
    clock.restart()
    assert clock.wait() == pytest.approx(52.0)
    assert clock.missed == 0


def test_nothing_sent_is_no_jitter() -> None:
    assert make()[0].jitter_s() == (0.0, 0.0, 0.0, 0.0)


def test_the_main_thread_comes_right_after_the_one_in_a_hurry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(
        os,
        "sched_setscheduler",
        lambda thread, _, parameters: asked.append((thread, parameters.sched_priority)),
    )
    before = sys.getswitchinterval()
    try:
        thread = threading.Thread(target=hurry, args=(20,))
        thread.start()
        thread.join()
        assert sys.getswitchinterval() < 0.001
    finally:
        sys.setswitchinterval(before)
    assert asked == [(threading.main_thread().native_id, 19), (0, 20)]


def test_priority_is_asked_for_and_never_insisted_upon(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def schedule(_: int, __: int, parameters: os.sched_param) -> None:
        asked.append(parameters.sched_priority)
        if parameters.sched_priority > 30:
            raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", schedule)
    assert hurry(0) == "ordinary"
    assert asked == []
    assert hurry(20) == "real-time 20"
    assert asked[-1] == 20  # of this thread, after the main one if that is another
    assert hurry(40).startswith("ordinary (real-time 40 is not permitted")
