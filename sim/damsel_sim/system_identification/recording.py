"""What identification needs of a recorded run: joint targets and measured joints, in motions."""

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
_SPARSEST_HZ = 15.0


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
        state_lag_s: how much later after their stamps measured joints came to the recorder than
            targets, the quickest of each: some milliseconds of the way, and how far the robot's
            clock is behind that of the targets. NaN if unknown.
    """

    name: str
    target_times_s: Array
    targets: Array
    state_times_s: Array
    positions: Array
    note: str = ""
    state_lag_s: float = float("nan")


@dataclass(frozen=True, eq=False)
class Motion:
    """A stretch of a recording in which targets came without a pause.

    Attributes:
        target_times_s: (c,), seconds since the first, when each target was sent.
        targets: (c, 7), radians; between two of them an arm moves evenly.
        times_s: (k,), seconds since the first target, when the joints were measured.
        positions: (k, 7), radians.
    """

    target_times_s: Array
    targets: Array
    times_s: Array
    positions: Array


def motions(recording: Recording) -> list[Motion]:
    """Cut a recording where targets pause or jump.

    Args:
        recording: the recording.

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
        if (motion := _motion(recording, part)) is not None
    ]
    if not found:
        raise InvalidRecordingError(
            f"{recording.name} holds no {_SHORTEST_S:g} s of joint targets and joint states "
            "without a pause at the same time; allowed: a run recorded with damsel-record, while "
            "the robot's clock and this computer's agreed"
        )
    return found


def _motion(recording: Recording, part: NDArray[np.int_]) -> Motion | None:
    times = recording.target_times_s[part]
    measured = (recording.state_times_s >= times[0]) & (recording.state_times_s <= times[-1])
    length_s = times[-1] - times[0]
    if length_s < _SHORTEST_S or measured.sum() < _SPARSEST_HZ * length_s:
        return None
    held_times_s, targets = _held(times - times[0], recording.targets[part])
    return Motion(
        held_times_s,
        targets,
        recording.state_times_s[measured] - times[0],
        recording.positions[measured],
    )


def _held(times_s: Array, targets: Array) -> tuple[Array, Array]:
    """Repeat a target whose successor was late: an arm stays with the last that it was given."""
    spacing_s = float(np.median(np.diff(times_s)))
    before = np.flatnonzero(np.diff(times_s) > 1.5 * spacing_s)
    return (
        np.insert(times_s, before + 1, times_s[before + 1] - spacing_s),
        np.insert(targets, before + 1, targets[before], axis=0),
    )
