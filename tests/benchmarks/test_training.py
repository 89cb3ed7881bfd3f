from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.options import Options
from benchmarks.training.bench import measure
from benchmarks.training.cases import CASES


@pytest.mark.slow
def test_every_case_is_timed_in_every_round() -> None:
    report = measure(Options(rounds=2, turn_s=0.01, bundle=Path()))
    assert [(sample[0], sample[1]) for sample in report.samples] == [
        (name, number) for name in CASES for number in (0, 1)
    ]
    assert all(float(sample[2]) > 0 for sample in report.samples)
    # Torch and the buffers of 60 tasks do not fit into less.
    assert all(float(sample[3]) > 150 for sample in report.samples)
