"""Checkpoints and tables: whole or not there, and refused by name if damaged."""

from __future__ import annotations

import pickle
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from damsel_training.checkpoints import (
    delete_checkpoints,
    has_checkpoint,
    load_checkpoint,
    resume,
    save_checkpoint,
)
from damsel_training.errors import InvalidDatasetError, StorageError
from damsel_training.files import written_whole
from damsel_training.metrics import Board, append_csv, rewind_csv

STATE = {
    "weights": torch.arange(6.0).reshape(2, 3),
    "array": np.arange(40.0),
    "scalar": np.float64(0.1),
    "rng": np.random.default_rng(3).bit_generator.state,
    "iteration": 7,
    "none": None,
}


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Foreign:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("owned"),)


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return all(_same(value, second[key]) for key, value in first.items())
    return type(first) is type(second) and np.array_equal(first, second)


def test_a_checkpoint_is_what_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    assert not has_checkpoint(path)
    save_checkpoint(STATE, path)
    assert _same(STATE, load_checkpoint(path))
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_no_flipped_bit_gets_through(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(STATE, path)
    content = path.read_bytes()
    refused = 0
    for position in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with suppress(InvalidDatasetError):
            # Padding, dates and the like may differ.
            assert _same(STATE, load_checkpoint(path)), f"byte {position}"
            continue
        refused += 1
    assert refused > 100


@pytest.mark.parametrize("length", [0, 1, 100, 1000])
def test_a_truncated_checkpoint_is_refused_and_the_one_before_is_kept(
    tmp_path: Path, length: int
) -> None:
    path = tmp_path / "checkpoint.pt"
    for iteration in (7, 8):
        save_checkpoint(STATE | {"iteration": iteration}, path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InvalidDatasetError) as caught:
        load_checkpoint(path)
    assert str(caught.value).startswith(f"{path} is not a readable checkpoint (")
    assert str(caught.value).endswith(
        "delete it to go on from checkpoint.previous.pt, the one before it"
    )
    path.unlink()
    assert load_checkpoint(path)["iteration"] == 7
    (tmp_path / "checkpoint.previous.pt").write_bytes(b"")
    with pytest.raises(InvalidDatasetError, match="delete it to begin this stage anew"):
        load_checkpoint(path)
    delete_checkpoints(path)
    assert not has_checkpoint(path)


def test_no_code_of_a_foreign_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "checkpoint.pt"
    torch.save({"iteration": Foreign()}, path)
    with pytest.raises(InvalidDatasetError, match=r"checkpoint\.pt is not a readable checkpoint"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps(Foreign()))
    with pytest.raises(InvalidDatasetError, match=r"checkpoint\.pt is not a readable checkpoint"):
        load_checkpoint(path)
    assert not Path("owned").exists()


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    stage = torch.optim.Adam([torch.zeros(2, requires_grad=True)])
    assert not resume(stage, path)
    save_checkpoint({"other": 1}, path)
    with pytest.raises(InvalidDatasetError, match="of something else"):
        resume(stage, path)


def test_a_full_disk_costs_no_checkpoint_and_leaves_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(STATE, path)
    large = STATE | {"weights": torch.zeros(50_000)}
    with largest_file(20_000), pytest.raises(StorageError) as caught:
        save_checkpoint(large, path)
    assert str(caught.value) == (
        f"{path} could not be written: File too large; what was finished before is kept, so make "
        "room and run the same command again"
    )
    assert _same(STATE, load_checkpoint(path))
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint.pt"]
    save_checkpoint(large, path)
    assert len(load_checkpoint(path)["weights"]) == 50_000


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def write_and_be_stopped() -> None:
        with written_whole(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_be_stopped()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_goes_back_to_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    rewind_csv(path, "iteration", 0)
    assert not path.exists()
    for iteration in (1.0, 2.0, 3.0):
        append_csv(path, {"iteration": iteration, "loss": 0.5})
    before = path.read_text().splitlines()
    rewind_csv(path, "iteration", 2)
    assert path.read_text().splitlines() == before[:3]
    append_csv(path, {"iteration": 3.0, "loss": 0.5})
    with path.open("a") as file:
        file.write("4.0,0.")  # killed in the middle of a line
    rewind_csv(path, "iteration", 4)
    assert path.read_text().splitlines() == before


@pytest.mark.parametrize("content", [b"\x00\xff\x00", b"a,b\r\n1,2\r\n", b"iteration\r\nx\r\n"])
def test_a_damaged_table_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidDatasetError, match=r"metrics\.csv is not a table of metrics"):
        rewind_csv(path, "iteration", 1)


def test_a_row_that_cannot_be_written_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "metrics.csv"
    append_csv(path, {"iteration": 1.0})
    before = path.read_bytes()
    with largest_file(len(before) + 3):
        append_csv(path, {"iteration": 2.0})
    assert capsys.readouterr().err == f"a row of {path} is missing: File too large\n"
    assert path.read_bytes() == before


def test_a_first_row_that_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "metrics.csv"
    with largest_file(3):
        append_csv(path, {"iteration": 1.0})
    assert capsys.readouterr().err == f"a row of {path} is missing: File too large\n"
    assert not path.exists()
    path.touch()  # as a process that was killed there leaves it
    rewind_csv(path, "iteration", 1)
    append_csv(path, {"iteration": 2.0})
    assert path.read_text(encoding="utf-8").split() == ["iteration", "2.0"]


def test_a_board_shows_each_step_once_and_survives_a_full_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Board(tmp_path) as board:
        for step in (1, 2, 3):
            board.write(step, {"loss": 0.5 * step})
    with Board(tmp_path, step=2) as board:
        board.write(3, {"loss": 9.0})
        with largest_file(10):
            board.write(4, {"loss": 1.0})
            board.write(5, {"loss": 1.0})
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(1, 0.5), (2, 1.0), (3, 9.0)]
    said = capsys.readouterr().err
    assert said.count(f"no more events for TensorBoard in {tmp_path}: File too large") == 1
