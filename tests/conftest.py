"""Fixtures for every folder of tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from damsel.bundle import Bundle
from tests.support.tiny_bundle import tiny_bundle


@pytest.fixture(name="bundle", scope="session")
def tiny_bundle_fixture(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A loaded bundle whose encoder and policy can be computed by hand."""
    return tiny_bundle(Path(tmp_path_factory.mktemp("bundles"), "tiny"))
