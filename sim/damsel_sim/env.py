"""Gymnasium environments of the tabletop: one task, or many rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from damsel.families import FAMILIES
from damsel.observation import ACTION_DIM, OBSERVATION_DIM
from damsel.scene import WORKSPACE_HIGH_BASE, WORKSPACE_LOW_BASE
from damsel.tasks import Task, distance, is_solved, reward, sample_tasks
from damsel_sim.physics import TabletopPhysics
from damsel_sim.render import Renderer

__all__ = ["HORIZON", "BatchedTabletopEnv", "TabletopEnv"]

Array = NDArray[np.float64]

HORIZON = 100
_REACH_M = 0.5  # how far beyond the workspace an object or the tool may be seen


def _observation_space() -> gymnasium.spaces.Box[np.float64]:
    low, high = WORKSPACE_LOW_BASE - _REACH_M, WORKSPACE_HIGH_BASE + _REACH_M
    objects = OBSERVATION_DIM // 3
    return gymnasium.spaces.Box(np.tile(low, objects), np.tile(high, objects), dtype=np.float64)


def _action_space() -> gymnasium.spaces.Box[np.float64]:
    return gymnasium.spaces.Box(-1.0, 1.0, (ACTION_DIM,), np.float64)


class TabletopEnv(gymnasium.Env[Array, Array]):
    """One task: observation (12,) in metres, action (3,) in [-1, 1], the reward of the real robot.

    `reset(options={"task": Task(...)})` sets the task; otherwise the constructor's stays, or one
    is drawn anew from all families if it had none. The task is not part of the observation.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012, as Gymnasium has it

    def __init__(
        self, task: Task | None = None, horizon: int = HORIZON, render_mode: str | None = None
    ) -> None:
        self.observation_space = _observation_space()
        self.action_space = _action_space()
        self.render_mode = render_mode
        self._fixed_task = task
        self._horizon = horizon
        self._physics = TabletopPhysics(1)
        self._renderer: Renderer | None = None
        self._step = 0
        self.task = task or Task("drawer", (0.1,))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start a trajectory; returns the observation (12,) and an info with distance and task."""
        super().reset(seed=seed)
        given = (options or {}).get("task", self._fixed_task)
        self.task = given or _any_task(self.np_random)
        self._physics.reset()
        self._step = 0
        observation = self._observe()
        return observation, self._info(observation, 0.0)

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Run one control step of 50 ms."""
        wanted = np.clip(np.asarray(action, np.float64), -1.0, 1.0)
        result = self._physics.step(wanted.reshape(1, ACTION_DIM) * self._physics.cfg.step_size_m)
        self._step += 1
        observation = self._observe()
        info = self._info(observation, float(result.peak_contact_force[0]))
        info["applied"] = result.applied[0] / self._physics.cfg.step_size_m
        truncated = self._step >= self._horizon
        return observation, float(reward(observation, self.task)), False, truncated, info

    def render(self) -> NDArray[np.uint8] | None:
        """An image (height, width, 3) if the render mode is `rgb_array`."""
        if self.render_mode is None:
            return None
        if self._renderer is None:
            self._renderer = Renderer(self._physics.model)
        return self._renderer.render(self._physics.state[0])

    def close(self) -> None:
        """Release the renderer."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _observe(self) -> Array:
        observation: Array = self._physics.observation()[0]
        return observation

    def _info(self, observation: Array, peak_contact_force: float) -> dict[str, Any]:
        remaining = float(distance(observation, self.task))
        return {
            "task": self.task,
            "distance": remaining,
            "success": bool(is_solved(remaining, self.task)),
            "peak_contact_force": peak_contact_force,
        }


class BatchedTabletopEnv(gymnasium.vector.VectorEnv[Array, Array, Array]):
    """Many tasks at once, a row a task, all in step; rows reset together after the horizon."""

    metadata = {  # noqa: RUF012, as Gymnasium has it
        "autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP
    }

    def __init__(self, tasks: Sequence[Task], horizon: int = HORIZON, threads: int = 0) -> None:
        self.tasks = list(tasks)
        self.num_envs = len(self.tasks)
        self.single_observation_space = _observation_space()
        self.single_action_space = _action_space()
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._physics = TabletopPhysics(self.num_envs, threads=threads)
        self._horizon = horizon
        self._step = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start all trajectories; observations (n, 12). Nothing here is random."""
        del seed, options
        self._physics.reset()
        self._step = 0
        return self._physics.observation(), {}

    def step(  # type: ignore[override]
        self, actions: Array
    ) -> tuple[Array, Array, NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Run one control step in every row: actions (n, 3) in [-1, 1]."""
        wanted = np.clip(np.asarray(actions, np.float64), -1.0, 1.0)
        result = self._physics.step(wanted * self._physics.cfg.step_size_m)
        self._step += 1
        observation = self._physics.observation()
        rewards = np.array(
            [float(reward(row, task)) for row, task in zip(observation, self.tasks, strict=True)]
        )
        info: dict[str, Any] = {"peak_contact_force": result.peak_contact_force}
        truncated = np.full(self.num_envs, self._step >= self._horizon)
        if truncated[0]:
            info["final_obs"] = observation
            observation, _ = self.reset()
        return observation, rewards, np.zeros(self.num_envs, bool), truncated, info


def _any_task(rng: np.random.Generator) -> Task:
    name = list(FAMILIES)[rng.integers(len(FAMILIES))]
    return sample_tasks(name, 1, rng)[0]
