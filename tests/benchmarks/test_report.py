from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarks.options import Options
from benchmarks.report import Report, percentile, text_table
from damsel.errors import InvalidConfigError


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 50), (90, 90), (99, 99), (100, 100), (1, 1), (0.5, 1)]
)
def test_percentiles_of_a_hundred(percent: float, expected: int) -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, percent) == expected


def test_percentiles_of_one_value_are_that_value() -> None:
    assert [percentile([3.0], percent) for percent in (0, 50, 100)] == [3.0, 3.0, 3.0]


def test_columns_are_aligned() -> None:
    assert text_table(["case", "us"], [["echo", "7"], ["a node", "1234"]]) == (
        "case      us\n------  ----\necho       7\na node  1234"
    )


def test_samples_are_written_below_what_they_were_measured_with(tmp_path: Path) -> None:
    report = Report("speed", "", ["case", "s"], [["a, b", 1.5]], {"mujoco": "1.2.3"})
    path = report.write(tmp_path / "new", {"cores": "2"})
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["# cores: 2", "# mujoco: 1.2.3"]
    assert list(csv.reader(lines[2:])) == [["case", "s"], ["a, b", "1.5"]]


def test_rounds_are_counted_from_one() -> None:
    with pytest.raises(InvalidConfigError, match="--rounds is 0; allowed: 1 or more"):
        Options.of(rounds=0, quick=False, bundle=Path())
    assert Options.of(rounds=None, quick=True, bundle=Path()).rounds >= 2
