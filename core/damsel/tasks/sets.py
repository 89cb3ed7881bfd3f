"""The fixed training and validation tasks: 20 and 10 a family, drawn once from named seeds.

They are stored as package data. To draw them again after a change to a family's range, run

    python -m damsel.tasks

which rewrites the files; the tests compare the stored tasks with a fresh draw.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from damsel.families import FAMILIES
from damsel.tasks.files import load_tasks
from damsel.tasks.task import Task, sample_tasks

__all__ = [
    "TASKS_PER_FAMILY",
    "draw_task_set",
    "task_set_path",
    "training_tasks",
    "validation_tasks",
]

TASKS_PER_FAMILY = {"training": 20, "validation": 10}
"""Size of each set; its name is also the name of its seed and file."""

_DATA = Path(__file__).parent.parent / "data"


def training_tasks() -> list[Task]:
    """Return the 20 training tasks of each family, in the order of `FAMILIES`."""
    return load_tasks(task_set_path("training"))


def validation_tasks() -> list[Task]:
    """Return the 10 validation tasks of each family, in the order of `FAMILIES`."""
    return load_tasks(task_set_path("validation"))


def draw_task_set(name: str) -> list[Task]:
    """Draw one of the sets from its named seed.

    Args:
        name: One of `TASKS_PER_FAMILY`.

    Returns:
        The same tasks on every call, family by family. A family's tasks do not depend on which
        other families there are.
    """
    return [
        task
        for family_name in FAMILIES
        for task in sample_tasks(
            family_name,
            TASKS_PER_FAMILY[name],
            np.random.default_rng(list(f"damsel {name} tasks, {family_name}".encode())),
        )
    ]


def task_set_path(name: str) -> Path:
    """Return the file that a set is stored in."""
    return _DATA / f"{name}_tasks.yaml"
