"""Where the virtual robot's objects are, as a camera would tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from damsel_intera.errors import WireError
from damsel_intera.packing import Reader, pack, pack_text, pack_vector

__all__ = ["ObjectPose", "ObjectPoses"]

Vector = Tuple[float, ...]

_NAME_BYTES = 64
_MOST_OBJECTS = 16


@dataclass(frozen=True)
class ObjectPose:
    """Where an object is.

    Attributes:
        name: `block`, `door_handle` or `drawer_handle`, at most 64 bytes.
        position: (3,), metres in frame `base`.
        quaternion: (4,), orientation in frame `base` as x, y, z, w.
    """

    name: str
    position: Vector
    quaternion: Vector


@dataclass(frozen=True)
class ObjectPoses:
    """Virtual Sawyer to whoever listens: what a camera would see.

    Attributes:
        poses: at most 16.
    """

    poses: tuple[ObjectPose, ...]

    def payload(self) -> bytes:
        """The bytes behind the header."""
        _check_count(len(self.poses))
        parts = [pack("B", len(self.poses))]
        for pose in self.poses:
            parts.append(pack_text("name", pose.name, _NAME_BYTES))
            parts.append(pack_vector("position", pose.position, 3))
            parts.append(pack_vector("quaternion", pose.quaternion, 4))
        return b"".join(parts)

    @classmethod
    def from_payload(cls, reader: Reader) -> ObjectPoses:
        """Read the fields in the order of `payload`."""
        count = reader.integer("B")
        _check_count(count)
        return cls(
            tuple(
                ObjectPose(reader.text(_NAME_BYTES), reader.vector(3), reader.vector(4))
                for _ in range(count)
            )
        )


def _check_count(count: int) -> None:
    if count > _MOST_OBJECTS:
        raise WireError(f"{count} objects; allowed: {_MOST_OBJECTS} or fewer")
