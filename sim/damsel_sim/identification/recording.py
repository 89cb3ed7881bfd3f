"""What identification needs of a recorded run: joint targets and measured joints, cut into motions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damsel.errors import DamselError

__all__ = ["InvalidRecordingError", "Motion", "Recording", "motions"]

Array = NDArray[np.float64]

_PAUSE_S = 0.1
_SHORTEST_S = 0.5
# Between two targets 10 ms apart no joint moves as far; a reset of a simulation does.
_JUMP_RAD = 0.2
_SPARSEST_HZ = 20.0


class InvalidRecordingError(DamselError):
    """A recording that cannot be read, or that tells nothing of an arm's motion."""


@dataclass(frozen=True, eq=False)
class Recording:
    """The joints of a recorded run. Times are seconds of one clock, ascending.

    Attributes:
        name: for messages.
        target_times_s: (c,), when each joint target was sent.
        targets: (c, 7), radians.
        state_times_s: (s,), when the joints were measured.
        positions: (s, 7), radians.
        note: what is to be known about the recording, such as that it is truncated; or empty.
    """

    name: str
    target_times_s: Array
    targets: Array
    state_times_s: Array
    positions: Array
    note: str = ""


@dataclass(frozen=True, eq=False)
class Motion:
    """A stretch of a recording in which targets came without a pause.

    Attributes:
        start_s: when it began.
        targets: (ticks, 7), radians, evenly spaced from the start on.
        times_s: (k,), seconds since the start, when the joints were measured.
        positions: (k, 7), radians.
    """

    start_s: float
    targets: Array
    times_s: Array
    positions: Array


def motions(recording: Recording, tick_period_s: float) -> list[Motion]:
    """Cut a recording where targets pause or jump.

    Args:
        recording: the recording.
        tick_period_s: spacing of the targets of a motion; recorded ones are interpolated.

    Raises:
        InvalidRecordingError: If there is no motion of half a second in it.
    """
    times = recording.target_times_s
    if len(times) == 0 or len(recording.state_times_s) == 0:
        missing = "joint targets" if len(times) == 0 else "joint states"
        raise InvalidRecordingError(
            f"{recording.name} holds no {missing}; allowed: a run recorded with damsel-record"
        )
    jumps = np.abs(np.diff(recording.targets, axis=0)).max(axis=1, initial=0.0)
    cuts = np.flatnonzero((np.diff(times) > _PAUSE_S) | (jumps > _JUMP_RAD)) + 1
    found = [
        motion
        for part in np.split(np.arange(len(times)), cuts)
        if (motion := _motion(recording, part, tick_period_s)) is not None
    ]
    if not found:
        raise InvalidRecordingError(
            f"{recording.name} holds no {_SHORTEST_S:g} s of joint targets and joint states "
            "without a pause; allowed: a run recorded with damsel-record"
        )
    return found


def _motion(recording: Recording, part: NDArray[np.int_], tick_period_s: float) -> Motion | None:
    start_s, end_s = recording.target_times_s[part[0]], recording.target_times_s[part[-1]]
    measured = (recording.state_times_s >= start_s) & (recording.state_times_s <= end_s)
    length_s = end_s - start_s
    if length_s < _SHORTEST_S or measured.sum() < _SPARSEST_HZ * length_s / 2:
        return None
    grid = start_s + tick_period_s * np.arange(int(length_s / tick_period_s) + 1)
    targets = [np.interp(grid, recording.target_times_s[part], one) for one in
               recording.targets[part].T]
    return Motion(
        float(start_s),
        np.stack(targets, axis=1),
        recording.state_times_s[measured] - start_s,
        recording.positions[measured],
    )
