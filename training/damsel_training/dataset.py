"""Lines 1-2 of Algorithm 1: the data set of expert roll-outs, and who made it.

Noise is executed but never imitated, which teaches the way back to the expert's path.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel.tasks import Task
from damsel_sim.arm_parameters import ArmParameters
from damsel_sim.physics import TabletopPhysics
from damsel_training.bounds import require_counts
from damsel_training.errors import InvalidDatasetError
from damsel_training.files import archive_fault, written_whole
from damsel_training.probes import probe_goal
from damsel_training.rollouts import Rollouts, roll_out

__all__ = [
    "CollectCfg",
    "ExpertDataset",
    "ExpertPolicy",
    "Teacher",
    "collect_dataset",
]

Array = NDArray[np.float64]
ExpertPolicy = Callable[[Array, Array], Array]
"""Maps observations (n, 12) and goals (n, goal_dim) of one family to actions (n, 3)."""

_PARTS = ("experts", "probes")


@dataclass(frozen=True)
class CollectCfg:
    """Configuration.

    Attributes:
        rollouts: expert trajectories a task, and as many probes.
        largest_noise: each trajectory's noise has a standard deviation drawn from 0 to this.
        horizon: control steps of a trajectory.
        arm: the arm that is simulated; None for the nominal one.
    """

    rollouts: int = 12
    largest_noise: float = 0.5
    horizon: int = 100
    arm: ArmParameters | None = None

    def __post_init__(self) -> None:
        """Refuse what would be no data set."""
        require_counts(self, "rollouts", "horizon")


class Teacher:
    """What the experts would do in every row, a row a task."""

    def __init__(self, tasks: Sequence[Task], experts: Mapping[str, ExpertPolicy]) -> None:
        self._experts = experts
        self._rows = {
            name: np.flatnonzero([task.family == name for task in tasks]) for name in experts
        }
        self._goals = {
            name: np.array([task.goal for task in tasks if task.family == name]) for name in experts
        }

    def expert(self, observation: Array) -> Array:
        """Actions (tasks, 3) towards each task's goal."""
        return self._act(observation, lambda name, _rows: self._goals[name])

    def probe(self, observation: Array) -> Array:
        """Actions (tasks, 3) of each family's probe, which knows no goal."""
        return self._act(observation, lambda name, rows: probe_goal(name, observation[rows]))

    def _act(self, observation: Array, goals: Callable[[str, NDArray[np.int64]], Array]) -> Array:
        actions = np.zeros((len(observation), 3))
        for name, rows in self._rows.items():
            if rows.size:
                actions[rows] = self._experts[name](observation[rows], goals(name, rows))
        return actions


class ExpertDataset(NamedTuple):
    """Roll-outs of all tasks, a row a task.

    Attributes:
        experts: towards the goals.
        probes: that explore each task's family.
    """

    experts: list[Rollouts]
    probes: list[Rollouts]

    def save(self, path: Path) -> None:
        """Write all of it or nothing, as one `.npz`."""
        arrays = {
            f"{part}/{field}": np.stack([getattr(rollouts, field) for rollouts in group])
            for part, group in zip(_PARTS, self, strict=True)
            for field in Rollouts._fields
        }
        with written_whole(path) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path, tasks: int, horizon: int) -> ExpertDataset:
        """Read a data set.

        Raises:
            InvalidDatasetError: it cannot be read, or is of another number of tasks or steps.
        """
        if fault := archive_fault(path):
            raise InvalidDatasetError(_refusal(path, fault))
        try:
            with np.load(path, allow_pickle=False) as arrays:
                groups = [
                    [
                        Rollouts(*fields)
                        for fields in zip(
                            *(arrays[f"{part}/{field}"] for field in Rollouts._fields),
                            strict=True,
                        )
                    ]
                    for part in _PARTS
                ]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InvalidDatasetError(_refusal(path, str(error))) from None
        for rollouts in (rollouts for group in groups for rollouts in group):
            if rollouts.actions.ndim != 3 or rollouts.observations.ndim != 3:
                raise InvalidDatasetError(_refusal(path, "its arrays are not of trajectories"))
            found, steps, _ = rollouts.actions.shape
            if (found, steps) != (tasks, horizon):
                raise InvalidDatasetError(
                    f"{path} holds {found} tasks of {steps} steps; needed: {tasks} of {horizon}"
                )
            if rollouts.observations.shape[:2] != (tasks, horizon + 1):
                raise InvalidDatasetError(_refusal(path, "an observation lacks for some step"))
        return cls(*groups)


def _refusal(path: Path, fault: str) -> str:
    return f"{path} is not a data set of experts ({fault}); delete it to collect it anew"


def collect_dataset(
    tasks: Sequence[Task],
    experts: Mapping[str, ExpertPolicy],
    cfg: CollectCfg,
    rng: np.random.Generator,
    progress: Callable[[int], object] = int,
    guides: Mapping[str, ExpertPolicy] | None = None,
) -> ExpertDataset:
    """Roll out every expert on every task of its family, and every family's probe.

    Args:
        tasks: the training tasks.
        experts: by family.
        cfg: how many, and how noisy.
        rng: source of the noise.
        progress: told how many of `cfg.rollouts` are done.
        guides: by family, who follows the probes' way points; the experts, unless they know the
            goals of the tasks alone.
    """
    teacher, guide = Teacher(tasks, experts), Teacher(tasks, guides or experts)
    physics = TabletopPhysics(len(tasks), arm=cfg.arm)
    dataset = ExpertDataset([], [])
    for done in range(cfg.rollouts):
        noise = rng.uniform(0.0, cfg.largest_noise, len(tasks))
        dataset.experts.append(roll_out(physics, teacher.expert, cfg.horizon, noise, rng))
        dataset.probes.append(roll_out(physics, guide.probe, cfg.horizon, noise, rng))
        progress(done + 1)
    return dataset
