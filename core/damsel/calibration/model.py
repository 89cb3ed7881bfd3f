"""A calibration and its YAML file.

    schema: 1
    camera_to_base:
      overhead: {translation: [0.9, 0.0, 1.1], rotation: [0.7071, 0.7071, 0.0, 0.0]}
    marker_to_object:
      block: {translation: [0.0, 0.0, -0.03], rotation: [0.0, 0.0, 0.0, 1.0]}

Rotations are quaternions x, y, z, w. A camera goes by the frame_id of its poses; the frame `base`
needs no entry. An object without an entry has its marker exactly where its position is measured:
the centre of the block, the middle of a handle's bar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from damsel.calibration.numbers import numbers
from damsel.errors import InvalidConfigError, brief
from damsel.observation import OBJECTS
from damsel.rigid import RigidTransform
from damsel.safe_yaml import read_yaml
from damsel.whole_files import write_whole

__all__ = ["OBJECT_NAMES", "Calibration", "load_calibration", "save_calibration"]

Array = NDArray[np.float64]

OBJECT_NAMES = tuple(OBJECTS)
"""What is perceived, in the order of the observation."""

_BASE = "base"
_SCHEMA = 1
_KEYS = ("schema", "camera_to_base", "marker_to_object")


@dataclass(frozen=True, eq=False)
class Calibration:
    """Rigid transforms from what a camera sees to what the robot needs.

    Attributes:
        camera_to_base: By frame_id of the poses, from that frame to `base`.
        marker_to_object: By object, the object's own frame in its marker's: where its position is
            measured, seen from the marker.
    """

    camera_to_base: Mapping[str, RigidTransform] = field(default_factory=dict)
    marker_to_object: Mapping[str, RigidTransform] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse objects that there are none of, and a `base` that is not itself."""
        for name in self.marker_to_object:
            if name not in OBJECT_NAMES:
                raise InvalidConfigError(
                    f"marker_to_object names {brief(name)}; allowed: {', '.join(OBJECT_NAMES)}"
                )
        if _BASE in self.camera_to_base:
            raise InvalidConfigError(
                "camera_to_base names the frame 'base', which is where it leads; allowed: others"
            )

    def object_position(self, name: str, frame_id: str, marker: RigidTransform) -> Array:
        """Position (3,) of an object in `base`, metres.

        Args:
            name: One of `OBJECT_NAMES`.
            frame_id: Frame in which the marker was seen.
            marker: The marker's pose in that frame.

        Raises:
            InvalidConfigError: If nothing is known of that frame.
        """
        to_object = self.marker_to_object.get(name)
        seen = marker.translation if to_object is None else marker.apply(to_object.translation)
        if frame_id == _BASE:
            return seen
        if frame_id not in self.camera_to_base:
            known = ", ".join([_BASE, *self.camera_to_base])
            raise InvalidConfigError(
                f"the pose of the {name} is in frame {brief(frame_id)}, which the calibration does "
                f"not have; allowed: {known}"
            )
        return self.camera_to_base[frame_id].apply(seen)


def load_calibration(path: Path) -> Calibration:
    """Read a calibration.

    Raises:
        InvalidConfigError: If the file cannot be read, or is anything but a calibration.
    """
    what = f"calibration {str(path)!r}"
    content = read_yaml(path, "calibration", InvalidConfigError)
    if not isinstance(content, dict) or not set(content) <= set(_KEYS):
        raise InvalidConfigError(f"{what} holds {brief(content)}; allowed: {', '.join(_KEYS)}")
    if content.get("schema") != _SCHEMA:
        raise InvalidConfigError(
            f"{what} has schema {brief(content.get('schema'))}; allowed: {_SCHEMA}"
        )
    try:
        return Calibration(
            camera_to_base=_transforms(content.get("camera_to_base")),
            marker_to_object=_transforms(content.get("marker_to_object")),
        )
    except InvalidConfigError as cause:
        raise InvalidConfigError(f"{what}: {cause}") from None


def save_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration that `load_calibration` reads back.

    Raises:
        InvalidConfigError: If the file cannot be written.
    """
    content = {
        "schema": _SCHEMA,
        "camera_to_base": _plain(calibration.camera_to_base),
        "marker_to_object": _plain(calibration.marker_to_object),
    }
    try:
        write_whole(path, yaml.safe_dump(content, sort_keys=False))
    except OSError as cause:
        raise InvalidConfigError(
            f"calibration {str(path)!r} cannot be written: {cause.strerror}"
        ) from None


def _plain(transforms: Mapping[str, RigidTransform]) -> dict[str, dict[str, list[float]]]:
    return {
        name: {
            "translation": transform.translation.tolist(),
            "rotation": transform.quaternion.tolist(),
        }
        for name, transform in transforms.items()
    }


def _transforms(entries: object) -> dict[str, RigidTransform]:
    if entries is None:
        return {}
    if not isinstance(entries, dict):
        raise InvalidConfigError(f"{brief(entries)} is not a mapping from names to transforms")
    return {str(name): _transform(str(name), entry) for name, entry in entries.items()}


def _transform(name: str, entry: object) -> RigidTransform:
    if not isinstance(entry, dict) or set(entry) != {"translation", "rotation"}:
        raise InvalidConfigError(
            f"{name} is {brief(entry)}; allowed: exactly the keys translation and rotation"
        )
    try:
        return RigidTransform.of(_numbers(entry, "translation"), _numbers(entry, "rotation"))
    except InvalidConfigError as cause:
        raise InvalidConfigError(f"{name}: {cause}") from None


def _numbers(entry: dict[str, object], key: str) -> list[float]:
    found = numbers(entry[key])
    if found is None:
        raise InvalidConfigError(
            f"{key} is {brief(entry[key])}, not a list of numbers; allowed: such as "
            "[0.1, 0.0, -0.03]"
        )
    return found
