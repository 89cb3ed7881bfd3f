from __future__ import annotations

import time

import numpy as np
import pytest

from benchmarks.simulation.bench import OURS, PEERS, table
from benchmarks.simulation.case import Turn, take_turn
from benchmarks.simulation.our_cases import RolloutCase
from benchmarks.simulation.worker import make_case


class Spinning:
    """Keeps the processor busy for a known time while rolling, and longer while preparing."""

    rows, steps, step_s, substeps = 4, 5, 0.05, 10

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}

    def prepare(self) -> None:
        self._spin(0.02)

    def roll(self) -> None:
        self._spin(0.01)

    def _spin(self, cpu_s: float) -> None:
        until = time.process_time() + cpu_s
        while time.process_time() < until:
            pass


def test_a_turn_counts_whole_trajectories_and_leaves_preparing_out() -> None:
    turn = take_turn(Spinning(), 0.035)
    assert turn.env_steps == 4 * 5 * 4, "four trajectories of ten milliseconds, five steps, 4 rows"
    assert turn.simulated_s == pytest.approx(turn.env_steps * 0.05)
    assert 0.04 <= turn.cpu_s < 0.06


@pytest.mark.parametrize("name", [name for name in OURS if not name.endswith("256")])
def test_every_case_of_ours_runs(name: str) -> None:
    case = make_case(name.replace("64", "3"))
    turn = take_turn(case, 0.0 if case.rows == 1 else 0.01)
    assert (case.step_s, case.substeps, case.steps) == (0.05, 10, 100)
    assert case.rows == int(name.replace("64", "3").rpartition("-")[2])
    assert turn.env_steps % (100 * case.rows) == 0


def test_the_limit_does_the_same_physics() -> None:
    case = RolloutCase(2)
    case.final_states[:] = np.nan
    case.roll()
    np.testing.assert_array_equal(case.final_states, case.recorded_states)


def test_ratios_are_formed_turn_by_turn() -> None:
    """Half the machine's speed in the second round changes no ratio."""
    speeds = dict.fromkeys(PEERS, 10.0) | dict.fromkeys(OURS, 30.0) | {"physics-64": 120.0}
    turns = {
        name: [Turn(100, speed, 1.0, 1.0), Turn(100, speed / 2, 2.0, 1.0)]
        for name, speed in speeds.items()
    }
    text = table(turns, dict.fromkeys(turns, 10))
    assert "physics-64 is at least 12.0 times as fast as Meta-World (aim: 10)" in text
    assert "physics-64 reaches 400% of rollout-64, its limit" in text
