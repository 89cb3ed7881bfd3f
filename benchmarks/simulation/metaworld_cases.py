"""Meta-World's environments, in its own virtual environment: nothing of damsel is there."""

from __future__ import annotations

from importlib import metadata

import metaworld  # type: ignore[import-not-found]
import numpy as np

__all__ = ["MetaWorldCase"]

_SEED = 0


class MetaWorldCase:
    """One of Meta-World's tasks, without any wrapper, under random actions; a `Case`."""

    rows = 1

    def __init__(self, task: str) -> None:
        """Make the environment.

        Args:
            task: such as `push-v3`.
        """
        benchmark = metaworld.MT1(task, seed=_SEED)
        self._env = benchmark.train_classes[task]()
        self._env.set_task(benchmark.train_tasks[0])
        self._rng = np.random.default_rng(_SEED)
        self._actions = np.empty(0)
        self.steps = int(self._env.max_path_length)
        self.step_s = float(self._env.dt)
        self.substeps = int(self._env.frame_skip)
        self.versions = {
            "metaworld": metadata.version("metaworld"),
            "mujoco (Meta-World)": metadata.version("mujoco"),
            "numpy (Meta-World)": metadata.version("numpy"),
        }

    def prepare(self) -> None:
        """Reset and draw actions."""
        self._env.reset()
        size = self._env.action_space.shape
        self._actions = self._rng.uniform(-1, 1, (self.steps, *size)).astype(np.float32)

    def roll(self) -> None:
        """Step to the end of the trajectory."""
        for action in self._actions:
            self._env.step(action)
