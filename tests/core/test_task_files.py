from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from damsel.errors import InvalidTaskError
from damsel.families import FAMILIES
from damsel.tasks import Task, load_tasks, parse_goal, sample_tasks, save_tasks

T = TypeVar("T")

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def result_of(call: Callable[[], T]) -> T | InvalidTaskError:
    """Return what a call returns, or the one error that it may raise."""
    try:
        return call()
    except InvalidTaskError as error:
        return error


def goal_message(family: str, text: str) -> str:
    with pytest.raises(InvalidTaskError) as caught:
        parse_goal(family, text)
    return str(caught.value)


def file_message(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidTaskError) as caught:
        load_tasks(path)
    text = str(caught.value)
    assert "\n" not in text
    return text.replace(str(path), "FILE")


@pytest.mark.parametrize(
    ("family", "text", "goal"),
    [
        ("door", "0.62", (0.62,)),
        ("door", " .62 ", (0.62,)),
        ("door", "6.2e-1", (0.62,)),
        ("drawer", "+0.1", (0.1,)),
        ("push", "0.17,-0.04", (0.17, -0.04)),
        ("push", " 0.17 , -0.04 ", (0.17, -0.04)),
    ],
)
def test_goals_as_typed(family: str, text: str, goal: tuple[float, ...]) -> None:
    assert parse_goal(family, text) == Task(family, goal)


def test_a_long_text_is_refused_at_once() -> None:
    """It hangs for minutes where a pattern can split the digits in more than one way."""
    assert goal_message("door", "1" * 100_000 + "x").startswith("door goal '1111")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "x",
        "nan",
        "inf",
        "0x1",
        "1_0",
        "0.6rad",
        "0.6;",
        "\N{ARABIC-INDIC DIGIT FIVE}",
        "0.3\n0.4",
        "True",
    ],
)
def test_what_is_not_numbers_is_refused(text: str) -> None:
    message = goal_message("door", text)
    assert message == (
        f"door goal {text!r} is not 1 number separated by commas; "
        "allowed: angle in (0, 0.785398] rad"
    )


def test_goals_out_of_range_or_of_another_family() -> None:
    assert goal_message("door", "0.9") == (
        "door goal (0.9,) is out of range; allowed: angle in (0, 0.785398] rad"
    )
    assert goal_message("push", "0.17") == (
        "push goal (0.17,) has 1 numbers, not 2; allowed: dx in [0.12, 0.22] m, dy in [-0.1, 0.1] m"
    )
    assert goal_message("door", "1e999").startswith("door goal (inf,) is not finite; allowed: ")
    assert goal_message("lid", "0.1") == "unknown family 'lid'; allowed: push, door, drawer"


@given(family=st.sampled_from([*FAMILIES, "lid", ""]), text=st.text())
@example(family="push", text="0.17," * 10_000)
@example(family="door", text="9" * 100_000)
def test_any_text_is_a_task_or_an_invalid_task(family: str, text: str) -> None:
    found = result_of(lambda: parse_goal(family, text))
    assert isinstance(found, Task) or "\n" not in str(found)


@given(st.text(alphabet=string.digits + "+-.eE, ", max_size=12))
def test_almost_numbers_are_a_task_or_an_invalid_task(text: str) -> None:
    for family in FAMILIES:
        try:
            task = parse_goal(family, text)
        except InvalidTaskError:
            continue
        assert task.goal == tuple(float(number) for number in text.split(","))


@same_folder
@given(seed=st.integers(0, 10_000), name=st.sampled_from(list(FAMILIES)))
def test_tasks_are_read_back_exactly(tmp_path: Path, seed: int, name: str) -> None:
    tasks = sample_tasks(name, 3, np.random.default_rng(seed))
    save_tasks(tmp_path / "tasks.yaml", tasks)
    assert load_tasks(tmp_path / "tasks.yaml") == tasks


def test_files_as_documented(tmp_path: Path) -> None:
    path = tmp_path / "tasks.yaml"
    path.write_text("- {family: door, goal: 0.62}\n- {family: push, goal: [0.17, -0.04]}\n")
    assert load_tasks(path) == [Task("door", (0.62,)), Task("push", (0.17, -0.04))]
    save_tasks(path, load_tasks(path))
    assert path.read_text() == (
        "- {family: door, goal: 0.62}\n- {family: push, goal: [0.17, -0.04]}\n"
    )


A_LIST = "allowed: a list of at least one {family, goal}"
KEYS = "is not a mapping with exactly the keys family and goal"
DOOR = "allowed: angle in (0, 0.785398] rad"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", f"task file 'FILE' holds None; {A_LIST}"),
        ("[]", f"task file 'FILE' holds []; {A_LIST}"),
        ("text", f"task file 'FILE' holds 'text'; {A_LIST}"),
        (
            "{family: door, goal: 0.6}",
            f"task file 'FILE' holds {{'family': 'door', 'goal': 0.6}}; {A_LIST}",
        ),
        ("- door", f"task file 'FILE', task 1: 'door' {KEYS}"),
        ("- {family: door}", f"task file 'FILE', task 1: {{'family': 'door'}} {KEYS}"),
        (
            "- {family: door, goal: 0.6}\n- {family: door, goal: 0.6, weight: 1}",
            "task file 'FILE', task 2: {'family': 'door', 'goal': 0.6, 'weight': 1} " + KEYS,
        ),
        (
            "- {family: lid, goal: 0.6}",
            "task file 'FILE', task 1: unknown family 'lid'; allowed: push, door, drawer",
        ),
        (
            "- {family: [door], goal: 0.6}",
            "task file 'FILE', task 1: unknown family ['door']; allowed: push, door, drawer",
        ),
        (
            "- {family: door, goal: .nan}",
            f"task file 'FILE', task 1: door goal (nan,) is not finite; {DOOR}",
        ),
        (
            "- {family: door, goal: -.inf}",
            f"task file 'FILE', task 1: door goal (-inf,) is not finite; {DOOR}",
        ),
        (
            "- {family: door, goal: true}",
            f"task file 'FILE', task 1: door goal (True,) is not a tuple of numbers; {DOOR}",
        ),
        (
            "- {family: door, goal: '0.6'}",
            f"task file 'FILE', task 1: door goal ('0.6',) is not a tuple of numbers; {DOOR}",
        ),
        (
            "- {family: door, goal: [[0.6]]}",
            f"task file 'FILE', task 1: door goal ([0.6],) is not a tuple of numbers; {DOOR}",
        ),
        (
            "- {family: door, goal: null}",
            f"task file 'FILE', task 1: door goal (None,) is not a tuple of numbers; {DOOR}",
        ),
        (
            "- {family: door, goal: []}",
            f"task file 'FILE', task 1: door goal () has 0 numbers, not 1; {DOOR}",
        ),
        (
            "- {family: door, family: push, goal: 0.6}",
            "task file 'FILE' is not valid YAML at line 1: the key 'family' is given twice",
        ),
        (
            "- {family: door",
            "task file 'FILE' is not valid YAML at line 1: expected ',' or '}', "
            "but got '<stream end>'",
        ),
        (b"\xff\xfe\x00", "task file 'FILE' is not UTF-8 text"),
        ("#" * (1 << 20) + "\n", "task file 'FILE' is larger than 1048576 bytes, the most allowed"),
    ],
)
def test_malformed_files_say_where_and_what(
    tmp_path: Path, content: str | bytes, expected: str
) -> None:
    assert file_message(tmp_path / "tasks.yaml", content) == expected


def test_a_goal_of_a_million_numbers_is_one_short_line(tmp_path: Path) -> None:
    content = f"- {{family: push, goal: [{'1, ' * 300_000}1]}}"
    assert len(file_message(tmp_path / "tasks.yaml", content)) < 300


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidTaskError, match=r"^task file '.*none.yaml' does not exist$"):
        load_tasks(tmp_path / "none.yaml")


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(["family", "goal", *FAMILIES]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["family", "goal", "x"]) | st.text(max_size=3), inner)
        | st.fixed_dictionaries({"family": inner | st.sampled_from(list(FAMILIES)), "goal": inner})
    ),
    max_leaves=12,
)


@same_folder
@given(st.binary() | plain.map(lambda value: yaml.safe_dump(value, allow_unicode=True).encode()))
@example(b"- &a {family: door, goal: *a}")
@example(b"- !!set {family, goal}")
@example(b"- {? [family] : 1}")
@example(b"- {family: door, goal: !!binary aGk=}")
@example(b"- {family: door, goal: 0o1_2:3.}")
@example(b"- {family: door, goal: " + b"9" * 5000 + b"}")
@example(b"<<: 1")
@example(b"- {<<: [1]}")
@example(b"- !!bool x")
@example(b"- !!float x")
@example(b"- !!timestamp x")
def test_any_file_is_tasks_or_an_invalid_task(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tasks.yaml"
    path.write_bytes(content)
    found = result_of(lambda: load_tasks(path))
    if isinstance(found, InvalidTaskError):
        assert "\n" not in str(found)
        assert len(str(found)) < 2000
    else:
        assert found
        assert all(isinstance(task, Task) for task in found)
