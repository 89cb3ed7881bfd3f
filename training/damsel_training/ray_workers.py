"""Workers on the machines of a Ray cluster; see `damsel_training.distribution.Workers`.

Every machine needs this project installed, at the same version, and nothing else: a job's folder
goes with it, and what it changes there comes back with its news and its result. So a job that loses
its machine goes on from its last checkpoint on another one.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import queue
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from damsel.errors import InvalidConfigError
from damsel_training.distribution import Event, Work
from damsel_training.files import written_whole
from damsel_training.workers import call

__all__ = ["RayWorkers"]

_POLL_S = 1.0
_CONNECT_S = 5.0


class _Stat(NamedTuple):
    """What tells one version of a file from another, and again where it has been renamed."""

    inode: int
    modified_ns: int
    size: int


class _Changes(NamedTuple):
    """How a folder has changed.

    Attributes:
        moved: old names by new ones.
        written: contents by name.
        deleted: names.
    """

    moved: Mapping[str, str]
    written: Mapping[str, bytes]
    deleted: frozenset[str]


class RayWorkers:
    """A worker for every processor that the cluster has, as its machines come and go."""

    def __init__(self, address: str) -> None:
        """Set up, without connecting yet.

        Args:
            address: HOST:PORT of the cluster's head, or `auto` for the one of this machine.
        """
        self._address = address
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            InvalidConfigError: there is no cluster at the address.
        """
        # Nothing is told to Ray's makers.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        try:
            if self._address != "auto":
                host, _, port = self._address.rpartition(":")
                socket.create_connection((host, int(port)), _CONNECT_S).close()
            ray.init(self._address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, OSError, OverflowError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InvalidConfigError(
                f"no Ray cluster at {self._address} ({reason}); allowed: HOST:PORT of its head, or "
                "auto for that of this machine"
            ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """See `Workers`; the cluster itself stays."""
        import ray

        for worker in self._workers:
            ray.kill(worker.actor)
        self._workers.clear()
        ray.shutdown()

    def free(self) -> int:
        """See `Workers`."""
        import ray

        processors = int(ray.cluster_resources().get("CPU", 0))
        return processors - sum(worker.name is not None for worker in self._workers)

    def start(self, name: str, work: Work[Any], job: Any) -> None:
        """See `Workers`."""
        worker = next((each for each in self._workers if each.name is None), None)
        if worker is None:
            worker = _Worker()
            self._workers.append(worker)
        worker.start(name, work, job)

    def wait(self) -> list[Event]:
        """See `Workers`."""
        import ray
        from ray.exceptions import RayActorError

        running = {worker.message: worker for worker in self._workers if worker.name is not None}
        ready, _ = ray.wait(list(running), num_returns=len(running), timeout=_POLL_S)
        events = []
        for message in ready:
            worker = running[message]
            try:
                event, changes = ray.get(message)
            except RayActorError:
                self._workers.remove(worker)
                events.append(Event(str(worker.name), "lost", "its process or its machine is gone"))
                continue
            worker.began = True
            if worker.folder is not None:
                _apply(changes, worker.folder)
            if event is None or event.kind == "news":
                worker.message = worker.actor.message.remote()
            else:
                worker.name = None
                self._make_room(worker)
            if event is not None:
                events.append(event)
        return events

    def _make_room(self, idle: _Worker) -> None:
        """End an idle worker if another one waits for its processor, as when a machine was lost."""
        import ray

        if any(worker.name is not None and not worker.began for worker in self._workers):
            ray.kill(idle.actor)
            self._workers.remove(idle)


class _Worker:
    def __init__(self) -> None:
        import ray

        remote = ray.remote(num_cpus=1, max_concurrency=2, max_restarts=0)(_Actor)
        self.actor: Any = remote.options(scheduling_strategy="SPREAD").remote()
        self.name: str | None = None
        self.folder: Path | None = None
        self.message: Any = None
        self.began = False

    def start(self, name: str, work: Work[Any], job: Any) -> None:
        self.name, self.folder = name, getattr(job, "folder", None)
        content = {} if self.folder is None else _read(self.folder, _stats(self.folder))
        self.actor.do.remote(name, work, job, content)
        self.message = self.actor.message.remote()


class _Actor:
    """What runs in the cluster: one job at a time, and beside it whoever waits for its news."""

    def __init__(self) -> None:
        self._messages: queue.SimpleQueue[tuple[Event | None, _Changes]] = queue.SimpleQueue()

    def message(self) -> tuple[Event | None, _Changes]:
        """The next event, with what has changed in the job's folder; None as the job begins."""
        return self._messages.get()

    def do(self, name: str, work: Work[Any], job: Any, content: Mapping[str, bytes]) -> None:
        """Do a job in a copy of its folder."""
        self._messages.put((None, _Changes({}, {}, frozenset())))
        with tempfile.TemporaryDirectory(prefix="damsel-") as scratch:
            folder = Path(scratch)
            if hasattr(job, "folder"):
                folder /= job.folder.name
                job = dataclasses.replace(job, folder=folder)
            _apply(_Changes({}, content, frozenset()), folder)
            known = _stats(folder)

            def send(event: Event) -> None:
                nonlocal known
                now = _stats(folder)
                self._messages.put((event, _changes(folder, known, now)))
                known = now

            send(call(name, work, job, lambda news: send(Event(name, "news", news))))


def _stats(folder: Path) -> dict[str, _Stat]:
    return {
        str(path.relative_to(folder)): _Stat(stat.st_ino, stat.st_mtime_ns, stat.st_size)
        for path, stat in _files(folder)
    }


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".partial":
            yield path, path.stat()


def _read(folder: Path, names: Mapping[str, object]) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


def _changes(folder: Path, before: Mapping[str, _Stat], now: Mapping[str, _Stat]) -> _Changes:
    new = {name: stat for name, stat in now.items() if before.get(name) != stat}
    origin = {stat: name for name, stat in before.items()}
    moved = {name: origin[stat] for name, stat in new.items() if stat in origin}
    written = _read(folder, {name: stat for name, stat in new.items() if name not in moved})
    return _Changes(moved, written, frozenset(before.keys() - now.keys()))


def _apply(changes: _Changes, folder: Path) -> None:
    for name, old in changes.moved.items():
        (folder / old).replace(folder / name)
    for name, content in changes.written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with written_whole(folder / name) as file:
            file.write(content)
    for name in changes.deleted - changes.moved.keys():
        (folder / name).unlink(missing_ok=True)
