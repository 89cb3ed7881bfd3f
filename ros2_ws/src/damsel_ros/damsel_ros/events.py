"""What the nodes tell one another about a control step, without ROS."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from damsel_ros.backends.base import AppliedStep

__all__ = ["Applied", "Observed", "Rewarded", "Status", "StepEvent"]


class Status(Enum):
    """What became of a command; the values are those of EndEffectorCommand.status."""

    OK = 0
    HELD = 1
    STOPPED = 2


@dataclass(frozen=True, eq=False)
class Observed:
    """The observation (12,) at the start of a step: positions in frame `base`, metres."""

    trajectory: int
    step: int
    observation: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Applied:
    """What became of the command of a step."""

    trajectory: int
    step: int
    applied: AppliedStep
    status: Status = Status.OK
    reason: str = ""


@dataclass(frozen=True)
class Rewarded:
    """The reward of the observation of a step."""

    trajectory: int
    step: int
    value: float


StepEvent = Observed | Applied | Rewarded
