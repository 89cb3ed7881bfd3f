"""Skips what this machine cannot run, and says why."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from damsel_intera.virtual.rehearsal import missing_ros1

SDK_VARIABLE = "DAMSEL_INTERA_SDK"


@cache
def reason_to_skip(marker: str) -> str:
    reason = missing_ros1()
    if marker == "sdk" and not reason:
        folder = os.environ.get(SDK_VARIABLE)
        if not folder:
            return f"no Intera SDK; {SDK_VARIABLE} names the folder that holds intera_interface"
        if not Path(folder, "intera_interface").is_dir():
            return f"{SDK_VARIABLE} is {folder}, which holds no intera_interface"
    return reason


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in ("ros1", "sdk"):
        if item.get_closest_marker(marker) and (reason := reason_to_skip(marker)):
            pytest.skip(reason)
