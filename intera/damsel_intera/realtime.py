"""Asks the kernel to run a thread before everything that is not in a hurry."""

from __future__ import annotations

import os
import sys

__all__ = ["hurry"]

# Python lets a thread keep the interpreter for 5 ms while another one waits for it.
_SWITCH_INTERVAL_S = 0.0005


def hurry(priority: int) -> str:
    """Give the calling thread a real-time priority if that is allowed here.

    All threads of the process get short turns. Without either a busy machine may keep the thread
    waiting for longer than the watchdogs wait.

    Args:
        priority: 1 to 99, higher goes first; 0 to ask for nothing.

    Returns:
        How the thread is scheduled now, in words.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    if priority == 0:
        return "ordinary"
    try:
        # Of a thread on Linux, whatever the name says; 0 is the calling one.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except (AttributeError, OSError):
        return f"ordinary (real-time {priority} is not permitted; see docs/deploy.md)"
    return f"real-time {priority}"
