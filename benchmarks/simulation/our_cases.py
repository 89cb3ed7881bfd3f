"""The tabletop in its several forms, and its physics without anything around it."""

from __future__ import annotations

from typing import Any
from unittest import mock

import mujoco
import numpy as np
from mujoco.rollout import Rollout
from numpy.typing import NDArray

from benchmarks.machine import versions
from damsel.families import FAMILIES
from damsel.observation import ACTION_DIM
from damsel.tasks import Task, sample_tasks
from damsel_sim.env import HORIZON, BatchedTabletopEnv, TabletopEnv
from damsel_sim.physics import TabletopPhysics

__all__ = ["BatchedEnvCase", "EnvCase", "PhysicsCase", "RolloutCase"]

Array = NDArray[np.float64]

_SEED = 0


class _TabletopCase:
    """What all forms of the tabletop have in common."""

    steps = HORIZON

    def __init__(self, rows: int) -> None:
        physics = TabletopPhysics(1)
        self.rows = rows
        self.step_s = physics.cfg.control_period_s
        self.substeps = round(self.step_s / physics.model.opt.timestep)
        self.versions = versions(["mujoco", "numpy"])
        self._step_size_m = physics.cfg.step_size_m
        self._rng = np.random.default_rng(_SEED)
        self._actions = self._draw_actions()

    def _draw_actions(self) -> Array:
        return self._rng.uniform(-1, 1, (self.steps, self.rows, ACTION_DIM))


class PhysicsCase(_TabletopCase):
    """`TabletopPhysics`: controller, safety layer, physics, contact forces and observation."""

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        self._physics = TabletopPhysics(rows)

    def prepare(self) -> None:
        """Reset and draw displacements."""
        self._physics.reset()
        self._actions = self._draw_actions() * self._step_size_m

    def roll(self) -> None:
        """Step to the end of the trajectory."""
        for displacement in self._actions:
            self._physics.step(displacement)
            self._physics.observation()


class BatchedEnvCase(_TabletopCase):
    """`BatchedTabletopEnv`: the same with actions, tasks and rewards."""

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        # One step more than the horizon, so that the reset at its end is not timed.
        self._env = BatchedTabletopEnv(_tasks(rows), horizon=self.steps + 1)

    def prepare(self) -> None:
        """Reset and draw actions."""
        self._env.reset()
        self._actions = self._draw_actions()

    def roll(self) -> None:
        """Step to the end of the trajectory."""
        for actions in self._actions:
            self._env.step(actions)


class EnvCase(_TabletopCase):
    """`TabletopEnv`: one Gymnasium environment."""

    def __init__(self, rows: int = 1) -> None:
        super().__init__(rows)
        self._env = TabletopEnv(_tasks(rows)[0])

    def prepare(self) -> None:
        """Reset and draw actions."""
        self._env.reset()
        self._actions = self._draw_actions()

    def roll(self) -> None:
        """Step to the end of the trajectory."""
        for actions in self._actions:
            self._env.step(actions[0])


class _RecordingRollout(Rollout):  # type: ignore[misc]
    """Keeps every call, to make it again without the Python in between."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calls: list[dict[str, Any]] = []

    def rollout(self, *args: Any, **kwargs: Any) -> Any:
        self.calls.append(dict(kwargs, initial_state=kwargs["initial_state"].copy()))
        return super().rollout(*args, **kwargs)


class RolloutCase(_TabletopCase):
    """The limit: the very `mujoco.rollout` calls of a `PhysicsCase`, made again by themselves.

    Attributes:
        recorded_states: final states (n, nstate) of the recorded trajectory.
        final_states: final states of the latest one; a view.
    """

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        with mock.patch("damsel_sim.physics.Rollout", _RecordingRollout):
            physics = TabletopPhysics(rows)
        recorder: Any = vars(physics)["_rollout"]
        for displacement in self._draw_actions() * self._step_size_m:
            physics.step(displacement)
        self._calls: list[dict[str, Any]] = recorder.calls
        self.recorded_states = physics.state.copy()
        self.final_states: Array = self._calls[-1]["state"][:, -1]
        self._rollout = Rollout(nthread=0)
        self._models = [physics.model] * rows
        self._data = [mujoco.MjData(physics.model)]

    def prepare(self) -> None:
        """Nothing: states and controls were recorded."""

    def roll(self) -> None:
        """Make the recorded calls."""
        for arguments in self._calls:
            self._rollout.rollout(self._models, self._data, **arguments)


def _tasks(count: int) -> list[Task]:
    """Tasks of all families in turn."""
    rng = np.random.default_rng(_SEED)
    names = list(FAMILIES)
    return [sample_tasks(names[i % len(names)], 1, rng)[0] for i in range(count)]
