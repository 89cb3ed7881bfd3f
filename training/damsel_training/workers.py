"""Worker processes that do not outlive the process that made them."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor

__all__ = ["cores", "worker_pool"]


def worker_pool(count: int) -> ProcessPoolExecutor:
    """A pool of processes; a context manager.

    They are spawned, because forking a process that runs onnxruntime's or torch's threads can
    hang, and they end when this process does, even if it is killed.
    """
    return ProcessPoolExecutor(
        count,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_end_with_parent,
    )


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _end_with_parent() -> None:
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # nobody is left to clean up for
