"""Tasks: a family and a hidden goal, the reward that speaks of it, and files that list them."""

from __future__ import annotations

from damsel.families import REST_TOLERANCE
from damsel.tasks.files import load_tasks, parse_goal, save_tasks
from damsel.tasks.reward import (
    distance,
    goal_reward,
    is_solved,
    reward,
)
from damsel.tasks.sets import training_tasks, validation_tasks
from damsel.tasks.task import Task, sample_tasks

__all__ = [
    "REST_TOLERANCE",
    "Task",
    "distance",
    "goal_reward",
    "is_solved",
    "load_tasks",
    "parse_goal",
    "reward",
    "sample_tasks",
    "save_tasks",
    "training_tasks",
    "validation_tasks",
]
