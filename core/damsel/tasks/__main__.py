"""Draw the training and validation tasks again from their named seeds and store them."""

from __future__ import annotations

import sys

from damsel.cli import OneLineParser, run
from damsel.tasks.files import save_tasks
from damsel.tasks.sets import TASKS_PER_FAMILY, draw_task_set, task_set_path


def main() -> int:
    """Write the files and name them."""
    OneLineParser(prog="python -m damsel.tasks", description=__doc__).parse_args()
    for name in TASKS_PER_FAMILY:
        save_tasks(task_set_path(name), draw_task_set(name))
        print(f"wrote {task_set_path(name)}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main, "damsel.tasks"))
