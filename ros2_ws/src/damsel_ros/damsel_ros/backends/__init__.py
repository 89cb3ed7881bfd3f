"""The arms that the robot node can own, by name.

A backend's module is imported only when it is asked for: `damsel_ros` needs `damsel_sim` for the
simulated arm alone, and ZeroMQ for the physical one alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from damsel.calibration import Calibration, load_calibration
from damsel.errors import InvalidConfigError, brief
from damsel_ros.backends.base import Robot

__all__ = ["BACKEND_NAMES", "make_robot"]

BACKEND_NAMES = ("sim", "sawyer")
"""Every backend that the `backend` parameter and `--robot` know."""


def make_robot(name: str, values: Mapping[str, Any] | None = None) -> Robot:
    """Return the robot of a backend, not yet connected.

    Args:
        name: One of `BACKEND_NAMES`.
        values: Parameters of the robot node, those of `SAWYER_PARAMETERS` among them; their
            defaults if None.

    Raises:
        InvalidConfigError: If there is no such backend, or it cannot be had here.
    """
    if name == "sim":
        from damsel_ros.backends.sim import SimBackend

        return SimBackend()
    if name == "sawyer":
        return _make_sawyer(values)
    raise InvalidConfigError(f"unknown robot {brief(name)}; allowed: {', '.join(BACKEND_NAMES)}")


def _make_sawyer(values: Mapping[str, Any] | None) -> Robot:
    try:
        from damsel_ros.backends.sawyer import SawyerBackend
        from damsel_ros.backends.sawyer_cfg import SawyerCfg, sawyer_cfg_of
    except ModuleNotFoundError as error:
        raise InvalidConfigError(
            f"robot sawyer needs {error.name}, which is not installed; allowed: sim, or first "
            "pip install pyzmq"
        ) from None
    if values is None:
        return SawyerBackend(SawyerCfg(), Calibration())
    path = values["sawyer.calibration"]
    calibration = load_calibration(Path(path)) if path else Calibration()
    of_sawyer = {key: value for key, value in values.items() if key.startswith("sawyer.")}
    return SawyerBackend(sawyer_cfg_of(of_sawyer), calibration)
