"""Tests that need ROS 2 and the built workspace; elsewhere they are skipped, and say so.

What runs nodes runs them as processes of their own, in a DDS domain of its own. Doubles of robots
and persons are in this process and keep time to 0.1 s, as the real ones must: a test that fails
while the machine stood still for longer has shown nothing and is run once more.
"""

from __future__ import annotations

import gc
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING

import pytest

from tests.support.stalls import StallWatch
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from damsel_ros.operator_client import Operator
    from damsel_ros.processes import NodeProcess
    from tests.ros.watcher import Watcher

ROOT = Path(__file__).parents[2]

_HERE = Path(__file__).parent
_MISSING = [
    name
    for name in ("rclpy", "damsel_msgs", "damsel_ros")
    if importlib.util.find_spec(name) is None
]


@pytest.fixture(autouse=True, scope="module")
def _no_long_collections() -> Iterator[None]:
    """Spare the collector what earlier tests have left: going through it takes tenths of seconds.

    Doubles of the robot and the network to it are in this process, and would stand still meanwhile.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


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


_WATCH = StallWatch(0.1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker("ros")
            if item.get_closest_marker("flaky") is None:
                item.add_marker(pytest.mark.flaky(reruns=1, condition=_WATCH.stood_still))


def pytest_runtest_setup() -> None:
    _WATCH.restart()


@pytest.fixture(scope="session")
def long_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that solves nothing, with trajectories as long as those of the shipped one."""
    path = tmp_path_factory.mktemp("bundles") / "long"
    write_tiny_bundle(path, horizon=100)
    return path


@pytest.fixture(scope="session")
def circling_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose arm moves all along and touches nothing."""
    from tests.ros.moving_bundles import write_circling_bundle

    return write_circling_bundle(tmp_path_factory.mktemp("bundles") / "circling")


@pytest.fixture(scope="session")
def shipped_bundle() -> Path:
    """The bundle that `damsel-adapt` uses unless told otherwise."""
    path = ROOT / "models" / "default"
    if not (path / "bundle.yaml").is_file():
        pytest.skip("models/default is not there; damsel-train makes it")
    return path


@pytest.fixture
def domain_id(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A DDS domain of its own, with rclpy up in this process."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions
    from rclpy.utilities import try_shutdown

    from damsel_ros.node_main import prepare_dds
    from damsel_ros.processes import free_domain_id

    number = free_domain_id(SystemRandom())
    monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
    prepare_dds()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    yield number
    try_shutdown()


StartNodes = Callable[..., "dict[str, NodeProcess]"]


@pytest.fixture
def start(domain_id: int, tmp_path: Path, long_bundle: Path) -> Iterator[StartNodes]:
    """Start the three nodes; keywords are those of `start_nodes`."""
    from damsel_ros.nodes import start_nodes
    from damsel_ros.processes import NodeProcesses

    defaults = {
        "robot": "sim",
        "mode": "lockstep",
        "bundle": long_bundle,
        "composed": False,
        "run_folder": tmp_path,
    }
    with NodeProcesses() as processes:
        yield lambda **options: start_nodes(processes, **(defaults | options))


@pytest.fixture
def operator(domain_id: int) -> Iterator[Operator]:
    """An operator of the nodes, who does not mind if one of them dies."""
    from damsel_ros.nodes import NAMESPACE
    from damsel_ros.operator_client import Operator

    operator = Operator(namespace=NAMESPACE, check=lambda: None)
    yield operator
    operator.close()


@pytest.fixture
def watcher(domain_id: int) -> Iterator[Watcher]:
    """Somebody who hears every topic."""
    from tests.ros.watcher import Watcher

    watcher = Watcher()
    yield watcher
    watcher.close()
