"""Tests that need ROS 2 and the built workspace; elsewhere they are skipped, and say so."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_MISSING = [
    name
    for name in ("rclpy", "damsel_msgs", "damsel_ros")
    if importlib.util.find_spec(name) is None
]


class _SkippedModule(pytest.Module):
    """A test module that is not even imported."""

    def collect(self) -> list[pytest.Item]:
        pytest.skip(f"{', '.join(_MISSING)} not found; `make test` installs and builds all of it")


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    if _MISSING:
        return _SkippedModule.from_parent(parent, path=module_path)
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker("ros")
