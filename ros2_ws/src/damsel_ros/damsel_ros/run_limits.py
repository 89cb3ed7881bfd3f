"""How patient an adaptation run is, and the parameters that say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from damsel_ros.parameters import Parameter

__all__ = ["LIMIT_PARAMETERS", "RunLimits", "limits_of"]


@dataclass(frozen=True)
class RunLimits:
    """How patient a run is.

    Attributes:
        discovery_timeout_s: For the robot and task nodes to be there.
        silence_timeout_s: For the next message that the run needs.
        reset_timeout_s: For a reset; on hardware a person may take part in it.
        max_repeats: How often one trajectory is made again because it was disturbed.
        feedback_period_s: Least time between two progress reports of one trajectory.
    """

    discovery_timeout_s: float = 5.0
    silence_timeout_s: float = 2.0
    reset_timeout_s: float = 5.0
    max_repeats: int = 2
    feedback_period_s: float = 0.1


_DEFAULTS = RunLimits()

LIMIT_PARAMETERS = (
    Parameter(
        "discovery_timeout_s",
        _DEFAULTS.discovery_timeout_s,
        "How long to wait for the robot and task nodes to be there [s].",
        low=0.1,
        high=600.0,
    ),
    Parameter(
        "silence_timeout_s",
        _DEFAULTS.silence_timeout_s,
        "How long to wait for the next observation, applied command or reward [s].",
        low=0.1,
        high=60.0,
    ),
    Parameter(
        "reset_timeout_s",
        _DEFAULTS.reset_timeout_s,
        "How long to wait for a reset [s]; on hardware a person takes part in it.",
        low=0.1,
        high=3600.0,
    ),
    Parameter(
        "max_repeats",
        _DEFAULTS.max_repeats,
        "How often a trajectory is made again because it was disturbed.",
        low=0,
        high=10,
    ),
)
"""Parameters of the adapt node, named like the attributes of `RunLimits`."""


def limits_of(values: Mapping[str, Any]) -> RunLimits:
    """Return the limits that the values of `LIMIT_PARAMETERS` say."""
    return RunLimits(**{one.name: values[one.name] for one in LIMIT_PARAMETERS})
