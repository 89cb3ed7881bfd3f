"""Worker processes of this machine, which do not outlive the process that made them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self

from damsel_training.distribution import Event, Tell, Work

__all__ = ["LocalWorkers", "call", "cores", "end_with_parent"]


class LocalWorkers:
    """Processes of this machine; see `damsel_training.distribution.Workers`.

    They are spawned, because forking a process that runs onnxruntime's or torch's threads can
    hang, each when there is first a job for it; they do one job after another, and end when this
    process does, even if it is killed.
    """

    def __init__(self, count: int) -> None:
        """Set up, without starting any.

        Args:
            count: processes at most.
        """
        self._count = count
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        """See `Workers`."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """See `Workers`."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()

    def free(self) -> int:
        """See `Workers`."""
        return self._count - sum(worker.job is not None for worker in self._workers)

    def start(self, name: str, work: Work[Any], job: Any) -> None:
        """See `Workers`."""
        worker = next((each for each in self._workers if each.job is None), None)
        if worker is None:
            worker = _Worker()
            self._workers.append(worker)
        worker.job = name
        with contextlib.suppress(OSError):  # it died while idle, of which `wait` will hear
            worker.pipe.send((name, work, job))

    def wait(self) -> list[Event]:
        """See `Workers`."""
        by_pipe = {worker.pipe: worker for worker in self._workers}
        events = []
        for pipe in wait(list(by_pipe)):
            assert isinstance(pipe, Connection)
            worker = by_pipe[pipe]
            try:
                event: Event = pipe.recv()
            except (EOFError, OSError):
                self._workers.remove(worker)
                if worker.job is not None:
                    events.append(Event(worker.job, "lost", worker.how_it_died()))
                continue
            if event.kind != "news":
                worker.job = None
            events.append(event)
        return events


class _Worker:
    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.job: str | None = None

    def how_it_died(self) -> str:
        self.process.join()
        self.pipe.close()
        code = self.process.exitcode or 0
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _serve(pipe: Connection) -> None:
    # An interrupt from the keyboard reaches the whole group; what to do is for the parent to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    while True:
        name, work, job = pipe.recv()
        pipe.send(call(name, work, job, lambda news: pipe.send(Event(name, "news", news))))  # noqa: B023


def call(name: str, work: Work[Any], job: Any, tell: Tell) -> Event:
    """Do a job; returns how it ended, and where in the code it failed if it did."""
    try:
        return Event(name, "done", work(job, tell))
    except Exception as error:  # noqa: BLE001 - it is raised again where the jobs come from
        error.add_note(f"in the worker of {name}:\n{traceback.format_exc()}")
        return Event(name, "failed", error)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def end_with_parent() -> None:
    """End this process when its parent does, however that ends."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # nobody is left to clean up for
