"""Configuration of the physical Sawyer, and the parameters of the robot node that set it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from damsel.errors import InvalidConfigError
from damsel.perception import PerceptionCfg
from damsel.return_motion import ReturnCfg
from damsel_intera.errors import InteraError
from damsel_intera.transport import Addresses
from damsel_ros.backends.state_guard import GuardCfg

__all__ = ["SawyerCfg", "sawyer_cfg_of"]


@dataclass(frozen=True)
class SawyerCfg:
    """Everything about a physical Sawyer that is not the same for every arm.

    Attributes:
        addresses: Where the Intera server is.
        key: File with the client's key; empty to speak in the clear.
        name: Who we are, for whoever else wants control.
        guard: What counts as a fault of the arm.
        perception: When an object's pose is believed.
        return_motion: The way back to the start.
        slow_velocity_fraction: Part of the joints' velocity limits used on the way back.
        slow_acceleration_fraction: Part of their acceleration limits used on it.
        placement_tolerance_m: How far from its start an object may be when a trajectory begins.
        confirm_timeout_s: How long a person has to put the objects back.
        realtime_priority: Of the thread that commands the arm, where permitted; 0 for none.
    """

    addresses: Addresses = field(default_factory=Addresses)
    key: str = ""
    name: str = "damsel robot node"
    guard: GuardCfg = field(default_factory=GuardCfg)
    perception: PerceptionCfg = field(default_factory=PerceptionCfg)
    return_motion: ReturnCfg = field(default_factory=ReturnCfg)
    slow_velocity_fraction: float = 0.2
    slow_acceleration_fraction: float = 0.3
    placement_tolerance_m: float = 0.005
    confirm_timeout_s: float = 600.0
    realtime_priority: int = 20


def sawyer_cfg_of(values: Mapping[str, Any]) -> SawyerCfg:
    """Return the configuration that the values of `SAWYER_PARAMETERS` say.

    Raises:
        InvalidConfigError: If the values do not go together.
    """
    of = {name.removeprefix("sawyer."): value for name, value in values.items()}
    try:
        addresses = Addresses(
            of["server_host"], of["state_port"], of["command_port"], of["operator_port"]
        )
    except InteraError as error:
        raise InvalidConfigError(str(error)) from None
    return SawyerCfg(
        addresses=addresses,
        key=of["key"],
        guard=GuardCfg(
            state_timeout_s=of["state_timeout_s"], tracking_limit_rad=of["tracking_limit_rad"]
        ),
        perception=PerceptionCfg(stale_s=of["pose_timeout_s"], jump_m=of["pose_jump_m"]),
        return_motion=ReturnCfg(
            safe_height_base_m=of["return_height_m"], speed_m_s=of["return_speed_m_s"]
        ),
        slow_velocity_fraction=of["return_velocity_fraction"],
        placement_tolerance_m=of["placement_tolerance_m"],
        confirm_timeout_s=of["confirm_timeout_s"],
        realtime_priority=of["realtime_priority"],
    )
