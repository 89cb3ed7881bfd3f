"""What made each table of a comparison, and what it cost: `<output>/provenance.csv`."""

from __future__ import annotations

import csv
import fcntl
import io
import os
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite, nan
from pathlib import Path

from damsel.bundle import Bundle
from damsel.errors import brief
from damsel.tasks import training_tasks
from damsel_training.checkpoints import load_checkpoint
from damsel_training.errors import InvalidDatasetError
from damsel_training.files import written_whole
from damsel_training.run import RunCfg, RunFolder, TaskExpertsCfg
from damsel_training.stage_times import seconds_by_stage
from damsel_training.task_expert_stages import expert_steps
from damsel_training.workers import cores

__all__ = ["note_origin", "recorded_commands", "recorded_origins"]

_FILE = "provenance.csv"
_SECONDS = re.compile(r"(\d+(\.\d+)?)?")
_COLUMNS = (
    *("table", "command", "commit", "hardware"),
    *("environment_steps", "training_seconds", "evaluation_seconds"),
)

_EXPERTS = ("experts", "distillation")
_TRAINED_BY = {
    "damsel": (*_EXPERTS, "collect", "meta"),
    "gmps": (*_EXPERTS, "collect", "gmps"),
    "pearl": ("pearl",),
    "constant": _EXPERTS,
    "oracle": _EXPERTS,
}


def recorded_commands(output: Path) -> dict[str, str]:
    """The command that made each table of a folder, by name of the table."""
    return {row["table"]: row["command"] for row in recorded_origins(output)}


def recorded_origins(output: Path) -> list[dict[str, str]]:
    """A row for each table of a folder, with what `note_origin` wrote; none if it wrote nothing.

    Raises:
        InvalidDatasetError: the record is damaged.
    """
    return [row for row in _lines(output / _FILE) if (output / row["table"]).exists()]


def note_origin(
    table: Path,
    command: str,
    method: str,
    cfg: RunCfg,
    folder: RunFolder,
    bundle: Path | None,
    seconds: float,
) -> None:
    """Add or replace a table's line.

    Args:
        table: it.
        command: that asked for it.
        method: of the table.
        cfg: of the run.
        folder: of the run.
        bundle: of DAMSEL, if it is not the run's; what its training cost is not known here.
        seconds: that the evaluation took.
    """
    own = bundle if method == "damsel" else None
    values = (
        table.name,
        command,
        str(Bundle.load(own).provenance["commit"]) if own else folder.commit,
        _hardware(),
        "" if own else _known_steps(method, cfg, folder),
        "" if own else _training_seconds(method, cfg, folder),
        f"{seconds:.0f}",
    )
    line = dict(zip(_COLUMNS, values, strict=True))
    path = table.with_name(_FILE)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(line), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    with _held(path.parent):
        lines = [row for row in _lines(path) if row["table"] != table.name]
        writer.writerows(sorted([*lines, line], key=lambda row: row["table"]))
        with written_whole(path) as file:
            file.write(text.getvalue().encode())


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Wait until no other comparison writes down what it made."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lines(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidDatasetError(f"{path} is not a record of tables ({error})") from None
    for row in rows:
        missing = [name for name in _COLUMNS if row.get(name) is None]
        if missing:
            raise InvalidDatasetError(f"{path} is not a record of tables (no {missing[0]})")
        for name in ("training_seconds", "evaluation_seconds"):
            if not _SECONDS.fullmatch(row[name]):
                raise InvalidDatasetError(
                    f"{path} is not a record of tables ({name} is {brief(row[name])})"
                )
    return rows


def _training_seconds(method: str, cfg: RunCfg, folder: RunFolder) -> str:
    """What all stages of a method's training took; empty if one of them was not timed here."""
    try:
        spent: Mapping[str, float] = seconds_by_stage(folder.root)
    except InvalidDatasetError:
        return ""
    distilled = isinstance(cfg.experts, TaskExpertsCfg)
    stages = [s for s in _TRAINED_BY.get(method, ()) if distilled or s != "distillation"]
    seconds = sum(spent.get(stage, nan) for stage in stages)
    return f"{seconds:.0f}" if stages and isfinite(seconds) else ""


def _known_steps(method: str, cfg: RunCfg, folder: RunFolder) -> str:
    """`_environment_steps`; nothing where experts have lost the record of theirs."""
    try:
        return str(_environment_steps(method, cfg, folder))
    except InvalidDatasetError:
        return ""


def _environment_steps(method: str, cfg: RunCfg, folder: RunFolder) -> int:
    """Control steps of simulation that a method's training took, those of its experts included.

    Measurements that choose nothing, such as PEARL's on its training tasks, are left out.
    """
    if method == "pearl":
        state = load_checkpoint(folder.root / "pearl" / "checkpoint.pt")
        return int(state["environment_steps"])
    if method not in _TRAINED_BY:
        return 0
    experts = expert_steps(cfg, folder)
    if method in ("constant", "oracle"):
        return experts
    a_trajectory = len(training_tasks()) * cfg.damsel.horizon
    collected = 2 * cfg.collect.rollouts * a_trajectory
    return experts + collected + cfg.damsel.iterations * cfg.damsel.collect_rounds * a_trajectory


def _hardware() -> str:
    """Processor and cores, in words."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip()
            for line in info.read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    return f"{model}, {cores()} cores"
