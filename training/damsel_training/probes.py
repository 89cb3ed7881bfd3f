"""How the training data explores a family: the goals that an expert follows during a probe.

A probe runs before anything is known of the task, so what it does decides what can be inferred.
Opening a door or drawer all the way passes every goal. Pushing the block straight ahead does not:
the goals on the left and on the right of the push give the same rewards. So the push probe begins
to one side, which breaks that symmetry however soon the policy that imitates it stalls, and then
bends back, which tells the two sides of its own first leg apart. Way points depend on the object's
state alone, so that a policy without memory can follow them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damsel.families import FAMILIES, for_every_family

__all__ = ["PROBES", "ProbePath", "probe_goal"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ProbePath:
    """Goals of one family's probe.

    Attributes:
        first: goal until the object's first coordinate has passed `switch_at`.
        then: goal after that.
        switch_at: in the family's unit.
    """

    first: tuple[float, ...]
    then: tuple[float, ...]
    switch_at: float = 0.0


PROBES = for_every_family(
    "PROBES",
    {
        "push": ProbePath(first=(0.16, 0.08), then=(0.22, 0.0), switch_at=0.08),
        "door": ProbePath(first=(0.78,), then=(0.78,)),
        "drawer": ProbePath(first=(0.15,), then=(0.15,)),
    },
)


def probe_goal(family: str, observation: Array) -> Array:
    """The goal (n, goal_dim) that a probe of the family now moves towards.

    Args:
        family: name of the family.
        observation: (n, 12).
    """
    path = PROBES[family]
    travelled = FAMILIES[family].state(observation)[:, :1]
    return np.where(travelled < path.switch_at, np.array([path.first]), np.array([path.then]))
