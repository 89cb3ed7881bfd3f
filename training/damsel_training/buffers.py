"""What meta-training remembers: contexts by task (B_i) and labelled states by task (D_i*).

All tasks are rolled out together, so every task always holds equally much and one array serves
all; sampling is one indexing operation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from damsel.observation import ACTION_DIM, OBSERVATION_DIM, TRANSITION_DIM

__all__ = ["ContextBuffers", "LabelledStates"]

Array = NDArray[np.float64]
Array32 = NDArray[np.float32]


class LabelledStates:
    """States and expert actions, as trajectories of which the oldest are dropped."""

    def __init__(self, tasks: int, capacity: int, horizon: int) -> None:
        self._states = np.zeros((tasks, capacity, horizon, OBSERVATION_DIM), np.float32)
        self._actions = np.zeros((tasks, capacity, horizon, ACTION_DIM), np.float32)
        self._added = 0

    def add(self, states: Array, actions: Array) -> None:
        """Add a trajectory a task: states (tasks, T, 12) and labels (tasks, T, 3)."""
        slot = self._added % self._states.shape[1]
        self._states[:, slot], self._actions[:, slot] = states, actions
        self._added += 1

    def state_dict(self) -> dict[str, Any]:
        """Everything, for a checkpoint."""
        return {"states": self._states, "actions": self._actions, "added": self._added}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._states, self._actions = state["states"], state["actions"]
        self._added = state["added"]

    def sample(self, size: int, rng: np.random.Generator) -> tuple[Array32, Array32]:
        """Draw (tasks, size, 12) states and their (tasks, size, 3) labels."""
        tasks, capacity, horizon, _ = self._states.shape
        task = np.arange(tasks)[:, None]
        trajectory = rng.integers(min(self._added, capacity), size=(tasks, size))
        step = rng.integers(horizon, size=(tasks, size))
        return self._states[task, trajectory, step], self._actions[task, trajectory, step]


class ContextBuffers:
    """Transitions by task, in groups: the probe and the attempts that followed it."""

    def __init__(self, tasks: int, groups: int, trajectories: int, horizon: int) -> None:
        self._transitions = np.zeros(
            (tasks, groups, trajectories * horizon, TRANSITION_DIM), np.float32
        )
        self._lengths = np.zeros(groups, np.int64)
        self._horizon = horizon
        self._begun = 0

    def begin(self) -> None:
        """Open a new group, over the oldest if all are in use."""
        self._lengths[self._begun % len(self._lengths)] = 0
        self._begun += 1

    def append(self, transitions: Array) -> None:
        """Add a trajectory a task, (tasks, T, 28), to the newest group."""
        group = (self._begun - 1) % len(self._lengths)
        start = self._lengths[group]
        self._transitions[:, group, start : start + self._horizon] = transitions
        self._lengths[group] += self._horizon

    def state_dict(self) -> dict[str, Any]:
        """Everything, for a checkpoint."""
        return {"transitions": self._transitions, "lengths": self._lengths, "begun": self._begun}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._transitions, self._lengths = state["transitions"], state["lengths"]
        self._begun = state["begun"]

    def newest(self) -> Array32:
        """All transitions (tasks, N, 28) of the newest group."""
        group = (self._begun - 1) % len(self._lengths)
        return self._transitions[:, group, : self._lengths[group]]

    def sample(self, size: int, rng: np.random.Generator) -> Array32:
        """Draw contexts (tasks, size, 28), each from the first one to all attempts of a group.

        That is what the robot has when it infers: the probe, then what it has tried so far.
        """
        tasks = len(self._transitions)
        group = rng.integers(min(self._begun, len(self._lengths)), size=tasks)
        attempts = rng.integers(self._lengths[group] // self._horizon) + 1
        step = (rng.random((tasks, size)) * (attempts * self._horizon)[:, None]).astype(np.int64)
        return self._transitions[np.arange(tasks)[:, None], group[:, None], step]
