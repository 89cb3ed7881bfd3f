"""Fixtures for every folder of tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from damsel.bundle import Bundle
from tests.support.fault_table import FaultTable
from tests.support.tiny_bundle import tiny_bundle


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fault-table", metavar="FILE", help="write what the tests of faults found, as JSON"
    )


@pytest.fixture(scope="session")
def fault_table(pytestconfig: pytest.Config) -> Iterator[FaultTable]:
    """Takes what a test of a fault found."""
    table = FaultTable()
    yield table
    if path := pytestconfig.getoption("--fault-table"):
        table.write(Path(path))


@pytest.fixture(name="bundle", scope="session")
def tiny_bundle_fixture(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A loaded bundle whose encoder and policy can be computed by hand."""
    return tiny_bundle(Path(tmp_path_factory.mktemp("bundles"), "tiny"))
