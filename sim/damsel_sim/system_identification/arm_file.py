"""Fitted parameters as a file: what `damsel-fit` writes and training and replay read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import yaml

from damsel.errors import InvalidConfigError, brief
from damsel.safe_yaml import read_yaml
from damsel.whole_files import write_whole
from damsel_sim.arm_parameters import ArmParameters

__all__ = ["load_arm", "save_arm"]

_SCHEMA = "damsel/arm/1"
_NAMES = tuple(field.name for field in fields(ArmParameters))


def load_arm(path: Path) -> ArmParameters:
    """Read an arm's parameters; what the file does not name is nominal.

    Raises:
        InvalidConfigError: If the file cannot be read, or is anything but such a file.
    """
    what = f"arm parameters {str(path)!r}"
    content = read_yaml(path, "arm parameters", InvalidConfigError)
    if not isinstance(content, dict) or content.get("schema") != _SCHEMA:
        raise InvalidConfigError(f"{what} hold {brief(content)}; allowed: schema {_SCHEMA}")
    arm = content.get("arm")
    if not isinstance(arm, dict) or not set(arm) <= set(_NAMES):
        raise InvalidConfigError(f"{what}: arm is {brief(arm)}; allowed: {', '.join(_NAMES)}")
    for name, value in arm.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidConfigError(f"{what}: {name} is {brief(value)}; allowed: a number")
    try:
        return ArmParameters(**{name: float(value) for name, value in arm.items()})
    except (InvalidConfigError, OverflowError) as cause:
        raise InvalidConfigError(f"{what}: {cause}") from None


def save_arm(path: Path, arm: ArmParameters, record: Mapping[str, Any]) -> None:
    """Write an arm's parameters so that `load_arm` reads them back.

    Args:
        path: the file.
        arm: the parameters.
        record: plain data about where they come from, for people.

    Raises:
        InvalidConfigError: If the file cannot be written.
    """
    content = {"schema": _SCHEMA, "arm": asdict(arm), **record}
    try:
        write_whole(path, yaml.safe_dump(content, sort_keys=False))
    except OSError as cause:
        raise InvalidConfigError(
            f"arm parameters {str(path)!r} cannot be written: {cause.strerror}"
        ) from None
