"""What is measured, and the measurement: shared by both environments, so nothing but Python."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Case", "Turn", "take_turn"]


class Case(Protocol):
    """Something that simulates.

    Attributes:
        rows: environments at once.
        steps: environment steps of one trajectory.
        step_s: simulated time of one environment step, seconds.
        substeps: physics steps in one environment step.
        versions: of the libraries that do the work, by name.
    """

    rows: int
    steps: int
    step_s: float
    substeps: int
    versions: dict[str, str]

    def prepare(self) -> None:
        """Reset and draw the actions of the next trajectory; not timed."""

    def roll(self) -> None:
        """Simulate one trajectory in every row; timed."""


@dataclass(frozen=True)
class Turn:
    """One measurement.

    Attributes:
        env_steps: environment steps of all rows.
        simulated_s: simulated time of all rows.
        wall_s: time on the clock.
        cpu_s: processor time of the process, user and system.
    """

    env_steps: int
    simulated_s: float
    wall_s: float
    cpu_s: float


def take_turn(case: Case, at_least_s: float) -> Turn:
    """Roll whole trajectories until they have taken so many seconds of processor time."""
    wall_s = cpu_s = 0.0
    trajectories = 0
    while cpu_s < at_least_s:
        case.prepare()
        wall_before, cpu_before = time.perf_counter(), time.process_time()
        case.roll()
        cpu_s += time.process_time() - cpu_before
        wall_s += time.perf_counter() - wall_before
        trajectories += 1
    env_steps = trajectories * case.steps * case.rows
    return Turn(env_steps, env_steps * case.step_s, wall_s, cpu_s)
