"""Draw the training and validation tasks again from their named seeds and store them."""

from __future__ import annotations

from damsel.tasks.files import save_tasks
from damsel.tasks.sets import TASKS_PER_FAMILY, draw_task_set, task_set_path

for name in TASKS_PER_FAMILY:
    save_tasks(task_set_path(name), draw_task_set(name))
