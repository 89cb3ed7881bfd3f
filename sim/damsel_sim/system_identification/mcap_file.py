"""Reading a recorded run from MCAP; needs no ROS."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel.errors import InvalidConfigError, brief
from damsel.kinematics import JOINT_NAMES, NUM_JOINTS
from damsel_sim.system_identification.recording import InvalidRecordingError, Recording

__all__ = ["JOINT_COMMAND", "JOINT_STATES", "read_recording"]

Array = NDArray[np.float64]

JOINT_COMMAND = "joint_command"
"""Last part of the name of the topic that joint targets are on; ours is in `/damsel`."""

JOINT_STATES = "joint_states"
"""The same, of measured joints; ours is in no namespace."""

_OURS = {JOINT_COMMAND: f"/damsel/{JOINT_COMMAND}", JOINT_STATES: f"/{JOINT_STATES}"}
_JOINT_STATE = "sensor_msgs/msg/JointState"
_LARGEST_RECORD_BYTES = 1 << 26


class _Sample(NamedTuple):
    time_s: float
    positions: list[float]
    late_s: float  # how long after its stamp the recorder had it


class _Samples:
    """What a recording has by topic.

    Attributes:
        by_topic: of the arm's joints.
        names: of the joints in the last message about others, by topic.
    """

    def __init__(self) -> None:
        self.by_topic: dict[str, list[_Sample]] = {}
        self.names: dict[str, list[str]] = {}

    def add(self, topic: str, message: Any, received_s: float) -> None:
        """Take a message on a topic of one of our names."""
        if topic.rsplit("/", 1)[-1] not in _OURS:
            return
        sample = _sample(message, received_s)
        if sample is not None:
            self.by_topic.setdefault(topic, []).append(sample)
        elif message.name:
            self.names[topic] = list(message.name)

    def of(self, kind: str, recording: str) -> list[_Sample]:
        """The samples on the one topic of this kind, ours before others."""
        topics = [topic for topic in self.by_topic if topic.rsplit("/", 1)[-1] == kind]
        if _OURS[kind] in topics:
            topics = [_OURS[kind]]
        if len(topics) > 1:
            raise InvalidRecordingError(
                f"{recording} holds {kind} on {', '.join(sorted(topics))}; allowed: one of them, "
                f"or {_OURS[kind]} among them"
            )
        if topics:
            return self.by_topic[topics[0]]
        for topic, names in self.names.items():
            if topic.rsplit("/", 1)[-1] == kind:
                raise InvalidRecordingError(
                    f"{recording}: {topic} is of joints {brief(names)}; allowed: "
                    f"{', '.join(JOINT_NAMES)} with numbers"
                )
        return []


def read_recording(path: Path) -> Recording:
    """Read the joints of a recorded run.

    A recording that was cut short, as when its recorder was killed, is read as far as it goes.

    Raises:
        InvalidRecordingError: If the file cannot be read, is no MCAP, or has nothing to tell.
        InvalidConfigError: If the packages that read MCAP are not installed.
    """
    name = f"recording {str(path)!r}"
    samples = _Samples()
    try:
        if not path.is_file():
            reason = "is not a regular file" if path.exists() else "does not exist"
            raise InvalidRecordingError(f"{name} {reason}")
        damage = _read(path, samples)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidRecordingError(f"{name} cannot be read: {reason}") from None
    if damage and not samples.by_topic:
        raise InvalidRecordingError(f"{name} is no MCAP file that can be read: {damage}")
    states, targets = (samples.of(kind, name) for kind in (JOINT_STATES, JOINT_COMMAND))
    return Recording(
        name,
        *_sorted(targets),
        *_sorted(states),
        note=f"{name} is cut short or damaged ({damage}); what comes before is used"
        if damage
        else "",
        state_lag_s=_least_late(states) - _least_late(targets),
    )


def _least_late(samples: list[_Sample]) -> float:
    return min((one.late_s for one in samples), default=np.nan)


def _sorted(samples: list[_Sample]) -> tuple[Array, Array]:
    """Times (n,) without repetition and positions (n, 7)."""
    if not samples:
        return np.zeros(0), np.zeros((0, NUM_JOINTS))
    times, first = np.unique([one.time_s for one in samples], return_index=True)
    return times, np.array([samples[index].positions for index in first])


def _read(path: Path, samples: _Samples) -> str:
    """Add all samples; returns why reading ended early, or nothing."""
    try:
        import zstandard
        from mcap.exceptions import McapError
        from mcap_ros2.decoder import DecoderFactory
    except ModuleNotFoundError as error:
        raise InvalidConfigError(
            f"recordings need the package {error.name}; `make setup` installs all of the extra "
            "`recording`"
        ) from None
    damaged = (
        *(McapError, struct.error, ValueError, RuntimeError, KeyError, zstandard.ZstdError),
        *(OverflowError, MemoryError),  # a length that is none
    )
    with path.open("rb") as stream:
        try:
            for topic, decode, data, received_s in _messages(stream, DecoderFactory()):
                samples.add(topic, decode(data), received_s)
        except damaged as error:
            return " ".join(str(error).split()) or "it ends in the middle"
    return ""


def _messages(
    stream: Any, decoders: Any
) -> Iterator[tuple[str, Callable[[bytes], Any], bytes, float]]:
    """Topic, decoder, bytes and time of receipt of each sensor_msgs/JointState."""
    from mcap.records import Channel, Message, Schema
    from mcap.stream_reader import StreamReader

    reader = StreamReader(stream, validate_crcs=True, record_size_limit=_LARGEST_RECORD_BYTES)
    schemas: dict[int, Schema] = {}
    channels: dict[int, tuple[str, Callable[[bytes], Any]]] = {}
    for record in reader.records:
        if isinstance(record, Schema):
            schemas[record.id] = record
        elif isinstance(record, Channel):
            schema = schemas.get(record.schema_id)
            decode = decoders.decoder_for(record.message_encoding, schema)
            if schema is not None and schema.name == _JOINT_STATE and decode is not None:
                channels[record.id] = record.topic, decode
        elif isinstance(record, Message) and record.channel_id in channels:
            yield *channels[record.channel_id], record.data, 1e-9 * record.log_time


def _sample(message: Any, received_s: float) -> _Sample | None:
    """The arm's joints, in our order; None for a message about others or without numbers."""
    values = dict(zip(message.name, message.position, strict=False))
    positions = [float(values.get(name, np.nan)) for name in JOINT_NAMES]
    if not np.isfinite(positions).all():
        return None
    stamp = message.header.stamp
    stamp_s = stamp.sec + 1e-9 * stamp.nanosec
    return _Sample(stamp_s, positions, received_s - stamp_s)
