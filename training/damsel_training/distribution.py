"""Independent jobs on many workers: processes of this machine, or of the machines of a cluster.

A worker that dies, killed or out of memory or with its machine, takes only its own job with it. The
job is given to another worker; if it keeps checkpoints, it goes on from the last.

A job that reads or writes files is a dataclass with a field `folder`, and keeps to that folder.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeVar

from damsel_training.errors import LostWorkerError

__all__ = ["MOST_ATTEMPTS", "Event", "Tell", "Work", "Workers", "run_jobs"]

MOST_ATTEMPTS = 3
"""Workers that may die of one job before it is given up."""

Job = TypeVar("Job")
Tell = Callable[[Any], None]
Work = Callable[[Job, Tell], Any]
"""Does a job and returns its result; tells news on the way. A function of a module, for pickle."""


class Event(NamedTuple):
    """What became of a job.

    Attributes:
        name: of the job.
        kind: `news` on the way; at its end `done`, `failed`, or `lost` with its worker.
        value: the news, the result, the exception, or how the worker died.
    """

    name: str
    kind: Literal["news", "done", "failed", "lost"]
    value: Any


class Workers(Protocol):
    """Workers of one kind; a context manager, at whose end none of them is left."""

    def __enter__(self) -> Self:
        """Get ready to start jobs."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all workers, whatever they are doing."""

    def free(self) -> int:
        """How many jobs could be started now."""

    def start(self, name: str, work: Work[Any], job: Any) -> None:
        """Give a job to a free worker, which may be one that has done others."""

    def wait(self) -> list[Event]:
        """Events of running jobs, in order; returns when there are some, or after a while."""


def run_jobs(
    work: Work[Job],
    jobs: Mapping[str, Job],
    workers: Workers,
    heard: Callable[[str, Any], object] = lambda _name, _news: None,
    done: Callable[[str, Any], object] = lambda _name, _result: None,
) -> dict[str, Any]:
    """Do all jobs, as many at a time as there are workers.

    A job that fails stops no other; the first failure is raised when the others have ended.

    Args:
        work: does one.
        jobs: by name, started in this order.
        workers: who does them; opened and closed here.
        heard: told the name and the news of a running job.
        done: told the name and the result of a job that has ended.

    Returns:
        The results by name, in the order of the jobs.

    Raises:
        LostWorkerError: workers died of a job, `MOST_ATTEMPTS` in a row.
    """
    waiting = deque(jobs)
    running: set[str] = set()
    deaths: Counter[str] = Counter()
    results: dict[str, Any] = {}
    failures: list[BaseException] = []
    with workers:
        while waiting or running:
            while waiting and workers.free():
                name = waiting.popleft()
                workers.start(name, work, jobs[name])
                running.add(name)
            for name, kind, value in workers.wait():
                if kind == "news":
                    heard(name, value)
                    continue
                running.remove(name)
                if kind == "done":
                    results[name] = value
                    done(name, value)
                elif kind == "failed":
                    failures.append(value)
                else:
                    deaths[name] += 1
                    if deaths[name] < MOST_ATTEMPTS:
                        _note(f"the worker of {name} died ({value}); another goes on with it")
                        waiting.appendleft(name)
                    else:
                        failures.append(
                            LostWorkerError(
                                f"{deaths[name]} workers died of {name} (the last: {value}); "
                                "the same command goes on"
                            )
                        )
    if failures:
        raise failures[0]
    return {name: results[name] for name in jobs}


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
