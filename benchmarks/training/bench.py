"""`training`: gradient steps per second of one core, and peak memory."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from benchmarks.machine import versions
from benchmarks.options import Options
from benchmarks.report import Report, text_table
from benchmarks.training.cases import CASES, run_case

__all__ = ["measure"]

_FIELDS = ("case", "round", "gradient_steps_per_s", "peak_memory_mib")


def measure(options: Options) -> Report:
    """Time every case, each in a process of its own, so that memory is its own too."""
    rows, samples = [], []
    context = multiprocessing.get_context("spawn")
    for name in CASES:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            timed = pool.submit(run_case, name, options.rounds, options.turn_s).result()
        memory = f"{timed.peak_memory_mib:.0f}"
        median = float(np.median(timed.steps_per_second))
        rows.append([name, f"{median:.1f}", f"{max(timed.steps_per_second):.1f}", memory])
        samples += [
            (name, number, f"{rate:.3f}", memory)
            for number, rate in enumerate(timed.steps_per_second)
        ]
    table = text_table(["case", "gradient steps/s", "best", "peak memory, MiB"], rows)
    return Report("training", table, _FIELDS, samples, versions(["torch", "numpy"]))
