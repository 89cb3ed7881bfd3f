"""Stages that are killed, stopped or run out of disk: nothing finished is lost, and they go on."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from damsel_training import baselines, cli, stages
from damsel_training.checkpoints import load_checkpoint
from damsel_training.cli import main
from damsel_training.progress import Progress
from damsel_training.run import PRESETS, RunFolder
from tests.training.conftest import SmokeRun

pytestmark = pytest.mark.slow

_SMOKE = PRESETS["smoke"]


class _KillAfter(Progress):
    """Kills this process once more than nothing is done."""

    def bar(self, name: str, total: int) -> Callable[[int, str], None]:
        def update(done: int, note: str) -> None:
            if note:
                os.kill(os.getpid(), signal.SIGKILL)

        return update


def _do(stage: str, root: Path, progress: Progress) -> None:
    torch.set_num_threads(1)
    folder = RunFolder(root)
    if stage == "pearl":
        baselines.pearl(baselines.pearl_cfg("smoke"), 0, root / "pearl", progress)
    else:
        {"meta": stages.meta, "gmps": baselines.gmps}[stage](_SMOKE, folder, progress)


def _do_and_be_killed(stage: str, root: Path) -> None:
    _do(stage, root, _KillAfter())


def _copy(run: SmokeRun, root: Path, *names: str) -> None:
    root.mkdir(exist_ok=True)
    for name in names:
        source = run.folder / name
        if source.is_dir():
            shutil.copytree(source, root / name)
        else:
            shutil.copy(source, root / name)


def _tensors(state: Any) -> Iterator[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, dict):
        for key in state:
            yield from _tensors(state[key])


@pytest.mark.parametrize("stage", ["meta", "gmps", "pearl"])
def test_a_killed_stage_ends_as_one_that_was_not(
    smoke_run: SmokeRun, tmp_path: Path, stage: str
) -> None:
    root = tmp_path / "run"
    _copy(smoke_run, root, "experts", "dataset.npz")
    process = multiprocessing.get_context("spawn").Process(
        target=_do_and_be_killed, args=(stage, root)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    path = root / stage / "checkpoint.pt"
    assert load_checkpoint(path)["iteration"] == 1
    _do(stage, root, Progress())
    whole, resumed = (
        load_checkpoint(r / stage / "checkpoint.pt") for r in (smoke_run.folder, root)
    )
    assert whole["iteration"] == resumed["iteration"] == 2
    pairs = list(zip(_tensors(whole), _tensors(resumed), strict=True))
    assert len(pairs) > 20
    assert all(torch.equal(a, b) for a, b in pairs)
    assert whole["rng"] == resumed["rng"]
    table = (root / stage / "metrics.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in table[1:]] == ["1.0", "2.0"]


def _refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    (line,) = [
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("damsel-train: error: ")
    ]
    return line


@pytest.mark.parametrize(
    ("stage", "name", "kept", "message"),
    [
        ("meta", "dataset.npz", ("experts",), "dataset.npz is not a data set of experts"),
        ("collect", "experts/door/best.pt", (), "best.pt is not a readable expert"),
        (
            "export",
            "meta/checkpoint.pt",
            ("run.yaml",),
            "checkpoint.pt is not a readable checkpoint",
        ),
        ("export", "run.yaml", ("meta",), "/run"),
    ],
)
@pytest.mark.parametrize("damage", ["truncated", "foreign"])
def test_what_is_damaged_is_refused_by_name(
    smoke_run: SmokeRun,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    stage: str,
    name: str,
    kept: tuple[str, ...],
    message: str,
    damage: str,
) -> None:
    top = name.split("/", maxsplit=1)[0]
    _copy(smoke_run, tmp_path / "run", top, *kept)
    path = tmp_path / "run" / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"\x80\x04K\x01.")
    line = _refused(capsys, stage, "--preset", "smoke", "--run", str(tmp_path / "run"))
    assert message in line


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(
    smoke_run: SmokeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    megabytes = sum(f.stat().st_size for f in (smoke_run.folder / "experts").rglob("best.pt"))
    megabytes = (megabytes + (smoke_run.folder / "dataset.npz").stat().st_size) // 2**20 + 2
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small file system")
    try:
        root = small / "run"
        _copy(smoke_run, root, "dataset.npz")
        for name in ("push", "door", "drawer"):
            (root / "experts" / name).mkdir(parents=True)
            for file in ("best.pt", "done.json"):
                shutil.copy(smoke_run.folder / "experts" / name / file, root / "experts" / name)
        arguments = ["meta", "--preset", "smoke", "--run", str(root)]
        line = _refused(capsys, *arguments)
        assert "checkpoint.pt could not be written: No space left on device" in line
        assert not list(root.rglob("*.partial"))
        assert (root / "dataset.npz").stat().st_size == (
            smoke_run.folder / "dataset.npz"
        ).stat().st_size
        remount = ["mount", "-o", "remount,size=400m", str(small)]
        subprocess.run(remount, capture_output=True, check=True)
        assert main(arguments) == 0
        whole, late = (
            load_checkpoint(r / "meta" / "checkpoint.pt") for r in (smoke_run.folder, root)
        )
        pairs = zip(_tensors(whole["policy"]), _tensors(late["policy"]), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_an_interrupt_from_the_keyboard_is_one_line_and_leaves_no_worker(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "damsel_training",
            "experts",
            "--preset",
            "smoke",
            "--run",
            tmp_path,
        ],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    # The first evaluation has been said, so workers are busy.
    assert process.stderr.readline().startswith("expert ")
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    lines = [line for line in said.splitlines() if not line.startswith("expert ")]
    assert lines == ["damsel-train: stopped; the same command goes on"]
    deadline = time.monotonic() + 20
    while _group_is_alive(process.pid):
        assert time.monotonic() < deadline, "a worker lives on"
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("meta", "stopped; the same command goes on"),
        ("evaluate", "stopped"),
        ("compare", "stopped"),
    ],
)
def test_only_what_goes_on_is_said_to(
    command: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_dispatch", interrupted)
    assert main([command]) == 130
    assert capsys.readouterr().err == f"damsel-train: {said}\n"


def _group_is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
