"""The table that every evaluation writes survives the disk, and foreign files are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from damsel_training.errors import InvalidDatasetError
from damsel_training.trajectory_table import COLUMNS, TrajectoryRow, read_rows, write_rows

PUSH = TrajectoryRow(
    method="damsel",
    seed=3,
    task_set="validation",
    disturbance="none",
    family="push",
    task=7,
    goal=(0.17, -0.04),
    trajectory=4,
    stage="adapt",
    inferred="push",
    steps=100,
    state=(0.168, -0.0389),
    distance=0.00228254,
    success=True,
    strict_success=True,
    return_sum=75.1234,
    peak_force=12.5,
    latent=(1.5, -0.25, 0.0),
)
DOOR = PUSH._replace(
    method="nothing",
    family="door",
    goal=(0.62,),
    state=(0.0,),
    inferred="",
    success=False,
    latent=(),
)


def test_rows_survive_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.csv"
    write_rows([PUSH, DOOR], path)
    assert read_rows([path]) == [PUSH, DOOR]
    assert [p.name for p in path.parent.iterdir()] == ["table.csv"]


def test_latents_of_any_length_are_read_whole(tmp_path: Path) -> None:
    latent = tuple(float(value) for value in range(20))
    write_rows([PUSH._replace(latent=latent)], tmp_path / "t.csv")
    assert read_rows([tmp_path / "t.csv"])[0].latent == latent


def test_numbers_keep_six_digits(tmp_path: Path) -> None:
    write_rows([PUSH._replace(distance=0.123456789)], tmp_path / "t.csv")
    assert read_rows([tmp_path / "t.csv"])[0].distance == 0.123457


def test_tables_of_different_latents_are_read_together(tmp_path: Path) -> None:
    write_rows([PUSH], tmp_path / "a.csv")
    write_rows([DOOR], tmp_path / "b.csv")
    rows = read_rows([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert [len(row.latent) for row in rows] == [3, 0]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_rows([PUSH, DOOR], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no column distance"),
        (b"method,seed\ndamsel,0\n", "no column distance"),
        (",".join(COLUMNS).encode() + b"\ndamsel,x\n", "invalid literal"),
        (b"\xff\xfe", "can't decode"),
    ],
)
def test_another_file_is_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "foreign.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidDatasetError, match=rf"foreign\.csv is not a table .*{message}"):
        read_rows([path])
