"""Asks the kernel to run a thread before everything that is not in a hurry."""

from __future__ import annotations

import os
import sys
import threading

__all__ = ["hurry"]

# Python lets a thread keep the interpreter for 5 ms while another one waits for it.
_SWITCH_INTERVAL_S = 0.0001


def hurry(priority: int) -> str:
    """Give the calling thread a real-time priority if that is allowed here.

    The main thread comes next to it, since whoever keeps the interpreter must not have to wait for
    a core, and all threads of the process get short turns. Without any of this a busy machine may
    keep the thread waiting for longer than the watchdogs wait.

    Args:
        priority: 1 to 99, higher goes first; 0 to ask for nothing.

    Returns:
        How the thread is scheduled now, in words.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    if priority == 0:
        return "ordinary"
    try:
        # Of a thread on Linux, whatever the name says; 0 is the calling one, which may be the main
        # thread. Threads that these two start are ordinary again.
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        main = threading.main_thread().native_id or 0
        for thread, level in ((main, max(1, priority - 1)), (0, priority)):
            os.sched_setscheduler(thread, policy, os.sched_param(level))
    except (AttributeError, OSError):
        return f"ordinary (real-time {priority} is not permitted; see docs/deploy.md)"
    return f"real-time {priority}"
