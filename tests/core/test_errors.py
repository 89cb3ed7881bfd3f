from __future__ import annotations

import pytest

from damsel.errors import (
    DamselError,
    InvalidBundleError,
    InvalidConfigError,
    InvalidTaskError,
    InvalidTrajectoryError,
    RobotError,
    RobotTimeoutError,
    brief,
)


@pytest.mark.parametrize(
    "kind",
    [
        InvalidBundleError,
        InvalidConfigError,
        InvalidTaskError,
        InvalidTrajectoryError,
        RobotError,
        RobotTimeoutError,
    ],
)
def test_every_error_is_of_the_one_family_and_one_line(kind: type[DamselError]) -> None:
    error = kind("first\nsecond \t third\r\n")
    assert isinstance(error, DamselError)
    assert str(error) == "first second third"


def test_a_timeout_is_a_robot_error() -> None:
    assert issubclass(RobotTimeoutError, RobotError)


def test_brief_shows_small_values_whole() -> None:
    assert brief("door") == "'door'"
    assert brief([1, 2.5, None]) == "[1, 2.5, None]"


def _ouroboros() -> list[object]:
    values: list[object] = []
    values.append(values)
    return values


@pytest.mark.parametrize(
    "value",
    ["x" * 10_000, list(range(10_000)), 10**10_000, _ouroboros(), {"a\nb": ["c\nd"] * 99}],
    ids=["long text", "long list", "long integer", "contains itself", "lines"],
)
def test_brief_is_one_short_line_whatever_the_value(value: object) -> None:
    text = brief(value)
    assert "\n" not in text
    assert len(text) < 250


def test_brief_says_so_when_a_number_is_too_long_to_print() -> None:
    assert brief(10**10_000) == "a int too long to print"
