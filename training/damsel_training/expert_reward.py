"""The dense shaped reward that experts learn from. The robot itself never sees it.

Named, weighted terms, arrays in and arrays out. A policy that presses and drags can solve every
task at a hundred newtons, so contact force is bounded here, and credit for moving the object is
given only to a tool that holds it as a person would: behind the block, or inside the handle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel.errors import InvalidConfigError
from damsel.families import FAMILIES
from damsel.observation import BLOCK, DOOR_HANDLE, DRAWER_HANDLE, END_EFFECTOR
from damsel.scene import BLOCK_HALF_SIZE_M, DOOR_HANDLE_STANDOFF_M, door_angle
from damsel_training.bounds import require_positive

__all__ = ["ExpertRewardCfg", "clearance", "grasp_error", "grasp_point", "reward_terms"]

Array = NDArray[np.float64]

_FINGER_RADIUS_M = 0.007
_HOOK_DEPTH_M = 0.030
_GAP_HALF_WIDTH_M = 0.014
_ENTRY_HALF_WIDTH_M = 0.004
_BAR_RADIUS_M = 0.006
_HOVER_HEIGHT_M = 0.035
_INSIDE_DEPTH_M = 0.018
_BAR_HALF_WIDTH_M = 0.05
_FINGER_OFFSET_M = 0.018
_PUSH_HEIGHT_BELOW_CENTRE_M = 0.008
_PUSH_OFFSET_M = 0.008


class _Obstacle(NamedTuple):
    """What fingers are to keep clear of on their way down, in metres from its centre.

    Attributes:
        ahead: half of its size along the way in, a finger's included.
        aside: half of its size across it, the hand's included.
        above: height of its top.
        down: depth at which the fingers have come down.
    """

    ahead: float
    aside: float
    above: float
    down: float


_BLOCK = _Obstacle(
    ahead=BLOCK_HALF_SIZE_M + _FINGER_RADIUS_M,
    aside=BLOCK_HALF_SIZE_M + _FINGER_OFFSET_M + _FINGER_RADIUS_M,
    above=BLOCK_HALF_SIZE_M,
    down=0.0,
)
_BAR = _Obstacle(
    ahead=_BAR_RADIUS_M + _FINGER_RADIUS_M,
    aside=_BAR_HALF_WIDTH_M + _FINGER_OFFSET_M + _FINGER_RADIUS_M,
    above=_BAR_RADIUS_M,
    down=_INSIDE_DEPTH_M,
)
_HANDLES = {"door": DOOR_HANDLE, "drawer": DRAWER_HANDLE}
_BLOCKS = {"push": BLOCK}


@dataclass(frozen=True)
class ExpertRewardCfg:
    """Weights of the reward's terms.

    Attributes:
        reach_weight: per metre between the tool and where it should hold the object.
        progress_weight: for the part of the goal's range that is left, from 0 to 1.
        precision_weight: for being at the goal, on the scale of the strict threshold.
        force_weight: for the square of the contact force above `force_limit_n`, in tens of
            newtons, up to 30 N above it.
        force_limit_n: force that costs nothing.
        action_weight: per squared unit of action.
        clearance_weight: for touching the block or a handle's bar on the way down, falling to
            nothing where the gap is `clearance_m`. Who cuts this corner lands on the bar once the
            arm is late, and drags the block down where rubber grips well, until it jams.
        clearance_m: gap that costs nothing, metres.
    """

    reach_weight: float = 8.0
    progress_weight: float = 2.0
    precision_weight: float = 2.0
    force_weight: float = 0.4
    force_limit_n: float = 5.0
    action_weight: float = 0.05
    clearance_weight: float = 4.0
    clearance_m: float = 0.012

    def __post_init__(self) -> None:
        """Refuse a gap that nothing could be measured in; `clearance_weight` 0 is for none."""
        require_positive(self, "clearance_m")


def grasp_point(family: str, observation: Array, goal: Array) -> Array:
    """Where the tool should be to move the family's object towards its goal, (n, 3) in metres.

    For the block this is behind it; for a handle, the middle of the gap behind its bar.

    Args:
        family: name of the family.
        observation: (n, 12).
        goal: (n, goal_dim).
    """
    if family == "push":
        return _push_point(observation[:, BLOCK], goal - FAMILIES[family].state(observation))
    point = observation[:, _HANDLES[family]].copy()
    point[:, :2] += 0.5 * DOOR_HANDLE_STANDOFF_M * _inwards(family, observation)
    point[:, 2] -= _HOOK_DEPTH_M
    return point


def grasp_error(family: str, observation: Array, goal: Array) -> Array:
    """Length (n,) in metres of the tool's way to where it can move the object.

    For the block the straight way to `grasp_point`; for a handle the way into the gap from above.
    """
    if family in _HANDLES:
        return _hook_error(
            observation[:, END_EFFECTOR],
            observation[:, _HANDLES[family]],
            _inwards(family, observation),
        )
    left = np.linalg.norm(goal - FAMILIES[family].state(observation), axis=1)
    point = grasp_point(family, observation, goal)
    # At the goal there is nothing left to push.
    to_point = np.linalg.norm(observation[:, END_EFFECTOR] - point, axis=1)
    error: Array = to_point * np.clip(left / FAMILIES[family].strict_threshold, 0.2, 1.0)
    return error


def clearance(family: str, observation: Array) -> Array:
    """Gap (n,) in metres between fingers on their way down and the block, or the handle's bar.

    Infinite for a tool that has come down far enough to push or to pull, and for a family whose
    object is neither.

    Args:
        family: name of the family.
        observation: (n, 12).
    """
    tool = observation[:, END_EFFECTOR]
    if family in _HANDLES:
        centre, obstacle = observation[:, _HANDLES[family]], _BAR
        ahead, aside = _in_handle(tool, centre, _inwards(family, observation))
    elif family in _BLOCKS:
        centre, obstacle = observation[:, _BLOCKS[family]], _BLOCK
        ahead, aside = (tool - centre)[:, 0], np.abs(tool - centre)[:, 1]
    else:
        return np.full(len(observation), np.inf)
    height = tool[:, 2] - centre[:, 2]
    beside = np.hypot(
        np.maximum(np.abs(ahead) - obstacle.ahead, 0.0), np.maximum(aside - obstacle.aside, 0.0)
    )
    gap = np.hypot(beside, np.maximum(height - obstacle.above, 0.0))
    return np.where(height < -obstacle.down, np.inf, gap)


def _inwards(family: str, observation: Array) -> Array:
    """Unit vectors (n, 2) from a handle's bar to the panel behind it."""
    if family == "drawer":
        return np.array([[1.0, 0.0]])
    if family == "door":
        angle = door_angle(observation)
        return np.stack([np.cos(angle), -np.sin(angle)], axis=1)
    raise InvalidConfigError(f"nobody has said which way into the handle of {family!r} leads")


def _push_point(block: Array, remaining: Array) -> Array:
    """Behind the block; a little off centre, against the turn that a push to the side causes."""
    distance = np.linalg.norm(remaining, axis=1)
    point = block.copy()
    point[:, 0] -= BLOCK_HALF_SIZE_M + _FINGER_RADIUS_M
    point[:, 1] -= _PUSH_OFFSET_M * remaining[:, 1] / np.maximum(distance, 0.02)
    point[:, 2] -= _PUSH_HEIGHT_BELOW_CENTRE_M
    return point


def _in_handle(tool: Array, handle: Array, inwards: Array) -> tuple[Array, Array]:
    """How far (n,) the tool is behind the bar's axis, and how far (n,) from its middle along it."""
    offset = tool[:, :2] - handle[:, :2]
    inside = np.sum(offset * inwards, axis=1)
    aside = np.abs(offset[:, 0] * -inwards[:, 1] + offset[:, 1] * inwards[:, 0])
    return inside, aside


def _hook_error(tool: Array, handle: Array, inwards: Array) -> Array:
    inside, aside = _in_handle(tool, handle, inwards)
    middle = 0.5 * DOOR_HANDLE_STANDOFF_M
    # Aim for the middle on the way in; once below the bar, anywhere in the gap will do.
    below_bar = tool[:, 2] < handle[:, 2] - _BAR_RADIUS_M
    width = np.where(below_bar, _GAP_HALF_WIDTH_M, _ENTRY_HALF_WIDTH_M)
    across = np.hypot(
        np.maximum(np.abs(inside - middle) - width, 0.0),
        np.maximum(aside - width, 0.0),
    )
    # The length of the way in: to the hover point above the gap, then down. Its two parts meet
    # without a step, so nothing holds a tool that hovers at the edge of the gap.
    outside = np.clip((across - 0.002) / 0.008, 0.0, 1.0)
    above_hover = np.abs(tool[:, 2] - handle[:, 2] - _HOVER_HEIGHT_M)
    above_hook = np.abs(tool[:, 2] - handle[:, 2] + _HOOK_DEPTH_M)
    way_down = _HOVER_HEIGHT_M + _HOOK_DEPTH_M
    error: Array = across + outside * (way_down + above_hover) + (1 - outside) * above_hook
    return error


def reward_terms(
    cfg: ExpertRewardCfg,
    family: str,
    observation: Array,
    goal: Array,
    action: Array,
    contact_force: Array,
) -> Mapping[str, Array]:
    """Weighted terms, each (n,), of the reward for arriving at an observation.

    Args:
        cfg: weights.
        family: name of the family.
        observation: (n, 12), after the action.
        goal: (n, goal_dim).
        action: (n, 3) in [-1, 1].
        contact_force: (n,), newtons, peak during the step.
    """
    kind = FAMILIES[family]
    distance = np.linalg.norm(kind.state(observation) - goal, axis=1)
    span = np.linalg.norm(np.maximum(np.abs(kind.low), np.abs(kind.high)))
    held = grasp_error(family, observation, goal)
    return {
        "reach": -cfg.reach_weight * np.minimum(held, 0.5),
        "progress": -cfg.progress_weight * distance / span,
        "precision": cfg.precision_weight * np.exp(-distance / kind.strict_threshold),
        "force": -cfg.force_weight
        * np.clip((contact_force - cfg.force_limit_n) / 10.0, 0.0, 3.0) ** 2,
        "action": -cfg.action_weight * np.sum(action**2, axis=1),
        "clearance": -cfg.clearance_weight
        * np.clip(1.0 - clearance(family, observation) / cfg.clearance_m, 0.0, 1.0),
    }
