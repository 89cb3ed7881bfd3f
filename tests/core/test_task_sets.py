from __future__ import annotations

import pytest

from damsel.families import FAMILIES
from damsel.tasks import load_tasks, save_tasks, training_tasks, validation_tasks
from damsel.tasks.sets import TASKS_PER_FAMILY, draw_task_set, task_set_path


@pytest.mark.parametrize("name", TASKS_PER_FAMILY)
def test_stored_tasks_are_a_fresh_draw_from_their_named_seed(name: str) -> None:
    assert load_tasks(task_set_path(name)) == draw_task_set(name)


@pytest.mark.parametrize("name", TASKS_PER_FAMILY)
def test_stored_files_are_what_writing_them_again_gives(name: str, tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    fresh = tmp_path_factory.mktemp("tasks") / "tasks.yaml"
    save_tasks(fresh, draw_task_set(name))
    assert fresh.read_bytes() == task_set_path(name).read_bytes()


def test_sizes_and_order_of_the_sets() -> None:
    for tasks, per_family in ((training_tasks(), 20), (validation_tasks(), 10)):
        assert [task.family for task in tasks] == [
            name for name in FAMILIES for _ in range(per_family)
        ]


def test_no_validation_task_was_trained_on() -> None:
    assert not set(training_tasks()) & set(validation_tasks())
