"""The shaped reward leads a tool into the handle and behind the block, and bounds force."""

from __future__ import annotations

import numpy as np
import pytest

from damsel import scene
from damsel.families import FAMILIES
from damsel_training.expert_reward import (
    ExpertRewardCfg,
    clearance,
    grasp_error,
    grasp_point,
    reward_terms,
)

GOALS = {"push": (0.17, 0.05), "door": (0.5,), "drawer": (0.1,)}


def _observation(tool: tuple[float, float, float]) -> np.ndarray:
    return np.concatenate(
        [
            tool,
            scene.BLOCK_START_BASE,
            scene.door_handle_position(np.array(0.0)),
            scene.DRAWER_HANDLE_START_BASE,
        ]
    )[None]


@pytest.mark.parametrize("family", list(FAMILIES))
def test_the_grasp_point_has_no_error(family: str) -> None:
    goal = np.array([GOALS[family]])
    point = grasp_point(family, _observation((0.45, 0.0, 0.04)), goal)[0]
    assert grasp_error(family, _observation(tuple(point)), goal)[0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("family", ["door", "drawer"])
def test_the_way_into_a_handle_has_no_step_up(family: str) -> None:
    """From home to the hover point, over the gap, and down: the error never rises by more than
    the tool moves, so nothing holds a tool on the way."""
    goal = np.array([GOALS[family]])
    hooked = grasp_point(family, _observation((0.45, 0.0, 0.04)), goal)[0]
    hover = np.array([hooked[0], hooked[1], scene.DRAWER_HANDLE_START_BASE[2] + 0.035])
    way = np.concatenate(
        [np.linspace((0.45, 0.0, hover[2]), hover, 60), np.linspace(hover, hooked, 40)]
    )
    errors = np.array([grasp_error(family, _observation(tuple(p)), goal)[0] for p in way])
    assert (np.diff(errors) < 1e-9).all()


@pytest.mark.parametrize("family", ["door", "drawer"])
def test_the_way_into_a_handle_and_a_hand_that_pulls_are_clear_of_the_bar(family: str) -> None:
    hooked = grasp_point(family, _observation((0.45, 0.0, 0.04)), np.array([GOALS[family]]))[0]
    hover = hooked + np.array([0.0, 0.0, 0.065])
    handle_x = hooked[0] - 0.5 * scene.DOOR_HANDLE_STANDOFF_M
    pulling = np.array([handle_x + 0.013, *hooked[1:]])
    way = [*np.linspace((0.45, 0.0, hover[2]), hover, 60), *np.linspace(hover, hooked, 40), pulling]
    gaps = [clearance(family, _observation(tuple(point)))[0] for point in way]
    assert min(gaps) >= ExpertRewardCfg().clearance_m


def test_the_gap_is_measured_between_finger_and_bar() -> None:
    x, y, z = scene.DRAWER_HANDLE_START_BASE

    def gap(dx: float, dy: float, dz: float) -> float:
        return float(clearance("drawer", _observation((x + dx, y + dy, z + dz)))[0])

    assert gap(0.0, 0.0, 0.006) == pytest.approx(0.0)
    assert gap(0.0, 0.03, 0.010) == pytest.approx(0.004)
    assert gap(-0.023, 0.0, 0.0) == gap(0.023, 0.0, 0.0) == pytest.approx(0.010)
    assert gap(0.0, 0.1, 0.0) == pytest.approx(0.025)
    assert gap(0.0, 0.0, -0.03) == np.inf


def test_the_gap_to_the_block_is_of_a_finger_that_is_not_down_yet() -> None:
    x, y, z = scene.BLOCK_START_BASE

    def gap(dx: float, dy: float, dz: float) -> float:
        return float(clearance("push", _observation((x + dx, y + dy, z + dz)))[0])

    assert gap(-0.037, 0.0, 0.0) == pytest.approx(0.0)
    assert gap(-0.045, 0.02, 0.01) == gap(0.045, 0.0, 0.01) == pytest.approx(0.008)
    assert gap(0.0, 0.0, 0.035) == pytest.approx(0.005)
    assert gap(0.0, 0.075, 0.0) == pytest.approx(0.020)
    assert gap(-0.037, 0.0, -0.001) == np.inf
    behind = grasp_point("push", _observation((0.45, 0.0, 0.04)), np.array([GOALS["push"]]))[0]
    assert clearance("push", _observation(tuple(behind)))[0] == np.inf


def test_a_gap_costs_less_the_wider_it_is_and_nothing_from_the_clearance_on() -> None:
    cfg = ExpertRewardCfg()
    x, y, z = scene.DRAWER_HANDLE_START_BASE
    tools = [(x, y, z + 0.006 + gap) for gap in (0.0, 0.5 * cfg.clearance_m, cfg.clearance_m)]
    terms = reward_terms(
        cfg,
        "drawer",
        np.concatenate([_observation(tool) for tool in tools]),
        np.repeat(np.array([GOALS["drawer"]]), 3, axis=0),
        np.zeros((3, 3)),
        np.zeros(3),
    )
    share = terms["clearance"] / -cfg.clearance_weight
    assert share == pytest.approx([1.0, 0.5, 0.0], abs=1e-9)


def test_a_tool_in_front_of_the_bar_is_not_rewarded_for_going_down() -> None:
    goal = np.array([GOALS["drawer"]])
    x, y, z = scene.DRAWER_HANDLE_START_BASE
    above = grasp_error("drawer", _observation((x - 0.03, y, z + 0.035)), goal)
    below = grasp_error("drawer", _observation((x - 0.03, y, z - 0.03)), goal)
    assert below > above


def test_a_block_is_pushed_from_behind_and_below_its_centre() -> None:
    observation = _observation((0.45, 0.0, 0.04))
    point = grasp_point("push", observation, np.array([[0.17, 0.1]]))[0]
    assert point[0] < observation[0, 3] - scene.BLOCK_HALF_SIZE_M
    assert abs(point[1] - observation[0, 4]) < 0.01
    assert point[2] < observation[0, 5]


def test_force_costs_nothing_up_to_its_limit_and_then_grows() -> None:
    cfg = ExpertRewardCfg()
    terms = reward_terms(
        cfg,
        "push",
        np.repeat(_observation((0.45, 0.0, 0.04)), 3, axis=0),
        np.repeat(np.array([GOALS["push"]]), 3, axis=0),
        np.zeros((3, 3)),
        np.array([cfg.force_limit_n, cfg.force_limit_n + 10.0, 500.0]),
    )
    assert terms["force"] == pytest.approx([0.0, -cfg.force_weight, -9 * cfg.force_weight])


def test_at_the_goal_progress_and_precision_are_at_their_best() -> None:
    observation = _observation((0.45, 0.0, 0.04))
    goal = np.array([[0.0]])
    terms = reward_terms(
        ExpertRewardCfg(), "drawer", observation, goal, np.zeros((1, 3)), np.zeros(1)
    )
    assert terms["progress"] == pytest.approx(0.0)
    assert terms["precision"] == pytest.approx(ExpertRewardCfg().precision_weight)
