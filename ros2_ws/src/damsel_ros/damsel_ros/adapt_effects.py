"""What an adaptation run asks its node to do, in the order in which it is returned."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from damsel.adaptation import Request, TrajectoryRecord

__all__ = [
    "AskRobot",
    "BeginTrajectory",
    "Command",
    "Disturbed",
    "Effect",
    "Ended",
    "Hold",
    "Outcome",
    "Progress",
]


class Outcome(Enum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    CANCELED = "canceled"
    ABORTED = "aborted"


@dataclass(frozen=True)
class AskRobot:
    """Ask the robot node what it observes and accepts."""


@dataclass(frozen=True, eq=False)
class BeginTrajectory:
    """Announce the context and ask the robot node for a reset.

    Attributes:
        request: What will be rolled out.
        transitions: Transitions that its latent was inferred from.
    """

    request: Request
    transitions: int


@dataclass(frozen=True, eq=False)
class Command:
    """Send a displacement (3,) in metres, frame `base`, in answer to an observation."""

    trajectory: int
    step: int
    displacement_base: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Progress:
    """Tell the operator how far a trajectory has come.

    Attributes:
        record: The trajectory, as far as it has come.
        trajectory: Its id.
        steps: Control steps made.
        finished: Whether it is complete.
    """

    record: TrajectoryRecord
    trajectory: int
    steps: int
    finished: bool


@dataclass(frozen=True)
class Disturbed:
    """A trajectory was thrown away and is made again; say why."""

    reason: str


@dataclass(frozen=True)
class Hold:
    """Ask the robot node to hold the arm."""


@dataclass(frozen=True)
class Ended:
    """The run is over.

    Attributes:
        outcome: How it ended.
        message: Why, in one line; empty on success.
    """

    outcome: Outcome
    message: str = ""


Effect = AskRobot | BeginTrajectory | Command | Progress | Disturbed | Hold | Ended
