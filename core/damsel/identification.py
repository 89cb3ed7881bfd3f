"""Line 4 of Algorithm 2: the family of a hidden task, from one probe of each at most.

Where only one probe was rewarded, the best average return names the family. Noise in the positions
that rewards are measured from rewards every probe, and an object at rest may then return more than
one that a probe moves past its goal. What noise does not do is follow the object: in the probe of
the task's own family the reward changes as its object moves, in the others it does not. A probe in
which it clearly does settles the matter, and the families after it need no probe.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from damsel.families import FAMILIES
from damsel.observation import Trajectory

__all__ = ["identify", "is_conclusive", "reward_following"]

_GROUPS = 5

_CLEARLY = 20.0
"""F statistic of a reward that follows an object beyond doubt; white noise has 1, and more than
this with a probability of 1e-11."""


def reward_following(probe: Trajectory, family: str) -> float:
    """How much of a probe's reward goes along with its object: 0 or less if none does.

    The sum of squares between groups of steps with equally displaced objects, less what white
    noise would give: a one-way analysis of variance.

    Args:
        probe: A trajectory.
        family: Whose object.
    """
    between, noise = _variation(probe, family)
    return between - noise


def is_conclusive(probe: Trajectory, family: str, families: Sequence[str]) -> bool:
    """Whether a probe alone shows that the task is of its family.

    It does if the reward clearly follows its object, and no other's: not where the probe also
    brushed against another one, nor for families that share an object. It must follow by more than
    objects at rest can explain, one of which may lie a little off its place, be rewarded for it,
    and drift.

    Args:
        probe: A trajectory.
        family: The family that was probed.
        families: All that the task may be of.
    """
    least = len(probe) * max(map(_at_rest, families)) ** 2
    return _clearly_follows(probe, family, least) and not any(
        _clearly_follows(probe, other, 0.0) for other in families if other != family
    )


def _clearly_follows(probe: Trajectory, family: str, least: float) -> bool:
    between, noise = _variation(probe, family)
    return between > max(least, _CLEARLY * noise)


def _at_rest(family: str) -> float:
    """The largest standard deviation of a reward whose object moves no more than rest tolerates."""
    kind = FAMILIES[family]
    return kind.rest_tolerance / kind.success_threshold / 2


def _variation(probe: Trajectory, family: str) -> tuple[float, float]:
    """The reward's variation with the object, and how much of it white noise would make."""
    states = FAMILIES[family].state(probe.observations).reshape(len(probe) + 1, -1)
    displacement = np.linalg.norm(states[1:] - states[0], axis=1)
    order = np.argsort(displacement, kind="stable")
    if len(probe) <= _GROUPS or np.ptp(displacement) <= FAMILIES[family].rest_tolerance:
        return 0.0, 0.0
    groups: list[NDArray[np.float64]] = np.array_split(probe.rewards[order], _GROUPS)
    mean = float(probe.rewards.mean())
    between = sum(len(group) * (float(group.mean()) - mean) ** 2 for group in groups)
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return between, (_GROUPS - 1) * within / (len(probe) - _GROUPS)


def identify(probes: Sequence[Trajectory], families: Sequence[str]) -> str:
    """The family whose probe tells most about the task.

    Args:
        probes: One trajectory a family.
        families: Their names, in that order.
    """
    rewarded = sum(bool(probe.rewards.any()) for probe in probes)

    def merit(index: int) -> tuple[float, float]:
        probe = probes[index]
        following = reward_following(probe, families[index]) if rewarded > 1 else 0.0
        return following, probe.average_return

    return families[max(range(len(probes)), key=merit)]
