from __future__ import annotations

import numpy as np
import pytest

from damsel.bundle import Normalisation
from damsel.errors import InvalidBundleError
from tests.support.tiny_bundle import tiny_metadata

NAN, INF = float("nan"), float("inf")
PROVENANCE = {"commit": "c", "seeds": [1], "configuration": {}, "command": "c"}


def message(**changes: object) -> str:
    with pytest.raises(InvalidBundleError) as caught:
        tiny_metadata(**changes)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"control_rate_hz": 0.0}, "control_rate_hz is 0.0; allowed: (0, 1000]"),
        ({"control_rate_hz": -20.0}, "control_rate_hz is -20.0; allowed: (0, 1000]"),
        ({"control_rate_hz": NAN}, "control_rate_hz is nan; allowed: (0, 1000]"),
        ({"control_rate_hz": INF}, "control_rate_hz is inf; allowed: (0, 1000]"),
        ({"control_rate_hz": "20"}, "control_rate_hz is '20'; allowed: (0, 1000]"),
        ({"control_rate_hz": True}, "control_rate_hz is True; allowed: (0, 1000]"),
        ({"horizon": 0}, "horizon is 0; allowed: a whole number from 1 to 100000"),
        ({"horizon": 1.5}, "horizon is 1.5; allowed: a whole number from 1 to 100000"),
        ({"horizon": 10**9}, "horizon is 1000000000; allowed: a whole number from 1 to 100000"),
        ({"horizon": True}, "horizon is True; allowed: a whole number from 1 to 100000"),
        ({"step_size_m": 1.0}, "step_size_m is 1.0; allowed: (0, 0.1]"),
        ({"step_size_m": None}, "step_size_m is None; allowed: (0, 0.1]"),
        ({"components": {}}, "no families; allowed: at least one of push, door, drawer"),
        (
            {"components": {"lid": [1.0]}},
            "unknown family 'lid'; allowed: push, door, drawer",
        ),
        (
            {"components": {"push": [1.0, 2.0], "door": [1.0]}},
            "component of door has shape (1,); allowed: (2,)",
        ),
        (
            {"components": {"push": [[1.0]]}},
            "component of push is [[1.0]]; allowed: numbers",
        ),
        ({"components": {"push": []}}, "components have length 0; allowed: 1 to 1024"),
        ({"components": {"push": [NAN]}}, "component of push is not finite"),
        ({"components": {"push": [1e39]}}, "component of push is not finite"),
        ({"components": {"push": ["1"]}}, "component of push is ['1']; allowed: numbers"),
        ({"components": {"push": [True]}}, "component of push is [True]; allowed: numbers"),
        (
            {"components": {"push": [1.0], "door": [1.0]}},
            "two families have the same component",
        ),
        (
            {"observation_normalisation": Normalisation(np.zeros(28), np.ones(28))},
            "normalisation of the observation has length 28; allowed: 12",
        ),
        (
            {"context_normalisation": Normalisation(np.zeros(12), np.ones(12))},
            "normalisation of the context has length 12; allowed: 28",
        ),
        ({"provenance": None}, "provenance is None; allowed: a mapping"),
        (
            {"provenance": {"commit": "c", "seeds": [1]}},
            "provenance lacks configuration, command; "
            "allowed: at least commit, seeds, configuration, command",
        ),
        ({"provenance": PROVENANCE | {"commit": ""}}, "provenance commit is ''; allowed: text"),
        ({"provenance": PROVENANCE | {"command": 1}}, "provenance command is 1; allowed: text"),
        (
            {"provenance": PROVENANCE | {"configuration": []}},
            "provenance configuration is []; allowed: a mapping",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, object], expected: str) -> None:
    assert message(**changes) == expected


@pytest.mark.parametrize(
    ("centre", "scale", "expected"),
    [
        ([0.0], [0.0], "normalisation scale is not above 0 everywhere"),
        ([0.0], [-1.0], "normalisation scale is not above 0 everywhere"),
        ([0.0], [1.0, 1.0], "normalisation scale has shape (2,); allowed: (1,)"),
        ([NAN], [1.0], "normalisation centre is not finite"),
        ([0.0], [INF], "normalisation scale is not finite"),
        ("x", [1.0], "normalisation centre is 'x'; allowed: numbers"),
        ([[0.0], [0.0, 1.0]], [1.0], "normalisation centre is [[0.0], [0.0, 1.0]]; allowed: num"),
    ],
)
def test_normalisation_is_two_vectors(centre: object, scale: object, expected: str) -> None:
    with pytest.raises(InvalidBundleError) as caught:
        Normalisation(centre, scale)  # type: ignore[arg-type]
    assert str(caught.value).startswith(expected)


def test_components_are_copies_that_cannot_be_written() -> None:
    given = np.ones(3)
    metadata = tiny_metadata(components={"push": given})
    given[0] = 7.0
    assert metadata.components["push"][0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        metadata.components["push"][0] = 7.0


def test_latent_dim_is_the_length_of_the_components() -> None:
    assert tiny_metadata(components={"push": np.ones(5)}).latent_dim == 5
