"""The methods that are compared, at test time, each adapting to many hidden tasks at once.

A method is asked before every trajectory what it will try in each row, acts, and is handed what
came of it. It learns of the tasks through rewards alone; those that are told more say so. GMPS and
PEARL are in `context_methods`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from damsel.adaptation import Adaptation
from damsel.bundle import Bundle
from damsel.observation import ACTION_DIM, Trajectory
from damsel.tasks import Task
from damsel_training.dataset import ExpertPolicy, Teacher

__all__ = ["Damsel", "Method", "Plan", "Still", "Told"]

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_NO_LATENT: Array = np.empty(0)


class Plan(NamedTuple):
    """What a row will try next.

    Attributes:
        stage: `probe`, before anything is inferred, or `adapt`.
        family: tried or inferred; empty for methods that know no families.
        latent: (L,); empty for methods without.
    """

    stage: str
    family: str = ""
    latent: Array = _NO_LATENT


class Method(Protocol):
    """One way of adapting, to a row a task.

    A trajectory is `act` and `watch`, a step each, and then `receive`.
    """

    def begin(self, rows: int) -> None:
        """Forget everything and begin with as many new tasks."""

    def plans(self) -> list[Plan | None]:
        """What each row tries in the next trajectory, or in this one now; None where it is done."""

    def act(self, observation: Array) -> Array:
        """Actions (n, 3) in [-1, 1] under the plans, for observations (n, 12)."""

    def watch(self, transitions: Array) -> BoolArray:
        """Take the step under way, (n, 28) in `CONTEXT_LAYOUT`; (n,), which rows have enough."""

    def receive(self, trajectories: Sequence[Trajectory | None]) -> None:
        """Take what came of each row's plan; None where there was none."""


class Damsel:
    """Algorithm 2, by the very object that drives the robot."""

    def __init__(self, bundle: Bundle, iterations: int) -> None:
        self._bundle = bundle
        self._iterations = iterations
        self._rows: list[Adaptation] = []
        self._enough = np.zeros(0, bool)  # rows that wait until the others' trajectories end

    def begin(self, rows: int) -> None:
        """See `Method`."""
        self._rows = [Adaptation(self._bundle, self._iterations) for _ in range(rows)]
        self._enough = np.zeros(rows, bool)

    def plans(self) -> list[Plan | None]:
        """See `Method`."""
        return [
            Plan(row.request.stage, row.request.family, row.request.latent) if row.request else None
            for row in self._rows
        ]

    def act(self, observation: Array) -> Array:
        """See `Method`."""
        actions = np.zeros((len(self._rows), ACTION_DIM))
        for index, row in enumerate(self._rows):
            if row.request is not None and not self._enough[index]:
                actions[index] = row.act(observation[index])
        return actions

    def watch(self, transitions: Array) -> BoolArray:
        """See `Method`."""
        for index, (row, step) in enumerate(zip(self._rows, transitions, strict=True)):
            if row.request is None or self._enough[index]:
                continue
            row.extend(step)
            self._enough[index] = row.probe_told_enough
        return self._enough.copy()

    def receive(self, trajectories: Sequence[Trajectory | None]) -> None:
        """See `Method`."""
        self._enough[:] = False
        for row, trajectory in zip(self._rows, trajectories, strict=True):
            if trajectory is not None:
                row.receive(trajectory)


class Still:
    """Does nothing, once."""

    def __init__(self) -> None:
        self._rows = 0
        self._done = False

    def begin(self, rows: int) -> None:
        """See `Method`."""
        self._rows, self._done = rows, False

    def plans(self) -> list[Plan | None]:
        """See `Method`."""
        return [None if self._done else Plan("adapt")] * self._rows

    def act(self, observation: Array) -> Array:
        """See `Method`."""
        return np.zeros((len(observation), ACTION_DIM))

    def watch(self, transitions: Array) -> BoolArray:
        """See `Method`."""
        return np.zeros(len(transitions), bool)

    def receive(self, trajectories: Sequence[Trajectory | None]) -> None:
        """See `Method`."""
        del trajectories
        self._done = True


class Told(Still):
    """An expert that is told the family and a goal, once.

    Told each task's own goal, it is the upper bound; told the same goal for all tasks of a family,
    it is the best that can be done without adapting.
    """

    def __init__(self, tasks: Sequence[Task], experts: Mapping[str, ExpertPolicy]) -> None:
        """Set up.

        Args:
            tasks: one a row: the family, and the goal that its expert is told.
            experts: by family.
        """
        super().__init__()
        self._tasks = list(tasks)
        self._teacher = Teacher(self._tasks, experts)

    def plans(self) -> list[Plan | None]:
        """See `Method`."""
        return [
            plan and Plan("adapt", task.family)
            for plan, task in zip(super().plans(), self._tasks, strict=True)
        ]

    def act(self, observation: Array) -> Array:
        """See `Method`."""
        return self._teacher.expert(observation)
