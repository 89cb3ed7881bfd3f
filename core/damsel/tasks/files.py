"""Tasks as text: one goal on a command line, and YAML lists of tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from damsel.errors import InvalidTaskError, brief
from damsel.families import family
from damsel.safe_yaml import read_yaml
from damsel.tasks.task import Task

__all__ = ["load_tasks", "parse_goal", "save_tasks"]

# Stricter than float(): no underscores, no other alphabets' digits, no nan and inf.
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def parse_goal(family_name: str, text: str) -> Task:
    """Return the task of a goal as typed on a command line.

    Args:
        family_name: One of `FAMILIES`.
        text: Numbers separated by commas, spaces around them allowed: `0.62`, `0.17, -0.04`.

    Raises:
        InvalidTaskError: If the family is unknown, or the text is not a goal in its range.
    """
    its_family = family(family_name)
    numbers = [part.strip() for part in text.split(",")]
    if not all(map(_NUMBER.fullmatch, numbers)):
        raise InvalidTaskError(
            f"{family_name} goal {brief(text)} is not {its_family.goal_dim} "
            f"number{'s' * (its_family.goal_dim > 1)} separated by commas; "
            f"allowed: {its_family.goal_range}"
        )
    return Task(family_name, tuple(float(number) for number in numbers))


def load_tasks(path: str | Path) -> list[Task]:
    """Read a list of tasks from YAML.

    The file holds a list such as

        - {family: door, goal: 0.62}
        - {family: push, goal: [0.17, -0.04]}

    Args:
        path: The file, at most 1 MiB.

    Returns:
        At least one task, in the file's order.

    Raises:
        InvalidTaskError: If the file cannot be read or is anything else; the message names the
            entry that is wrong.
    """
    entries = read_yaml(Path(path), "task file", InvalidTaskError)
    if not isinstance(entries, list) or not entries:
        raise InvalidTaskError(
            f"task file {str(path)!r} holds {brief(entries)}; "
            "allowed: a list of at least one {family, goal}"
        )
    tasks = []
    for number, entry in enumerate(entries, start=1):
        try:
            tasks.append(_task_of(entry))
        except InvalidTaskError as cause:
            raise InvalidTaskError(f"task file {str(path)!r}, task {number}: {cause}") from None
    return tasks


def save_tasks(path: str | Path, tasks: Iterable[Task]) -> None:
    """Write tasks as YAML that `load_tasks` reads back exactly.

    Args:
        path: The file to write.
        tasks: The tasks.
    """
    lines = [f"- {_flow({'family': task.family, 'goal': _plain(task.goal)})}\n" for task in tasks]
    Path(path).write_text("".join(lines), encoding="utf-8")


def _flow(entry: dict[str, object]) -> str:
    return yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=1000).strip()


def _plain(goal: tuple[float, ...]) -> float | list[float]:
    numbers = [float(number) for number in goal]
    return numbers[0] if len(numbers) == 1 else numbers


def _task_of(entry: object) -> Task:
    if not isinstance(entry, dict) or set(entry) != {"family", "goal"}:
        raise InvalidTaskError(
            f"{brief(entry)} is not a mapping with exactly the keys family and goal"
        )
    goal = entry["goal"]
    return Task(entry["family"], tuple(goal) if isinstance(goal, list) else (goal,))
