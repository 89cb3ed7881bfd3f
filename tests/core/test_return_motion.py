from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from damsel.control import ControllerCfg, EndEffectorController, joint_positions_for
from damsel.errors import InvalidConfigError, RobotError
from damsel.kinematics import SAWYER, end_effector_position
from damsel.return_motion import ReturnCfg, ReturnMotion, refusal, return_waypoints
from damsel.safety import SafetyCfg
from damsel.scene import HOME_JOINT_POSITIONS, WORKSPACE_HIGH_BASE, WORKSPACE_LOW_BASE
from tests.support.limits import assert_safe

Array = NDArray[np.float64]

SLOW = ControllerCfg(safety=SafetyCfg(velocity_fraction=0.2, acceleration_fraction=0.3))
CFG = ReturnCfg()
HOME = end_effector_position(HOME_JOINT_POSITIONS[None])[0]
# The vendor's neutral pose: the tool points down, turned by a right angle.
NEUTRAL = np.array([0.0, -1.18, 0.0, 2.18, 0.0, 0.57, 3.3161])


def within(low: Array, high: Array) -> st.SearchStrategy[Array]:
    return st.builds(
        lambda parts: low + np.array(parts) * (high - low),
        st.lists(st.floats(0, 1), min_size=3, max_size=3),
    )


inside = within(WORKSPACE_LOW_BASE + 0.004, WORKSPACE_HIGH_BASE - 0.004)
around = within(WORKSPACE_LOW_BASE - CFG.outside_m, WORKSPACE_HIGH_BASE + CFG.outside_m)


def back(joints: Array, follow: float = 1.0) -> tuple[Array, Array]:
    """Commanded and measured joints (T, 7) of a return; `follow` is how fast joints obey."""
    controller = EndEffectorController(SLOW)
    controller.reset(joints[None])
    motion = ReturnMotion(CFG, controller, joints)
    return carry_out(motion, controller, joints, follow)


def carry_out(
    motion: ReturnMotion, controller: EndEffectorController, joints: Array, follow: float
) -> tuple[Array, Array]:
    commanded, measured = [], [joints]
    while not motion.begin_step(measured[-1]):
        for tick in range(SLOW.ticks_per_step):
            command = controller.tick(tick)[0][0]
            commanded.append(command)
            measured.append(measured[-1] + follow * (command - measured[-1]))
    return np.array(commanded), np.array(measured)


@settings(max_examples=25, deadline=None)
@given(position=inside, follow=st.floats(0.3, 1.0))
def test_the_way_back_is_safe_from_everywhere(position: Array, follow: float) -> None:
    start = joint_positions_for(position[None])[0]
    commanded, measured = back(start, follow)
    assert_safe(start[None], commanded[:, None], SLOW.safety)
    assert np.abs(measured[-1] - HOME_JOINT_POSITIONS).max() < 0.01
    tip = end_effector_position(np.concatenate([start[None], commanded]))
    from_start = np.linalg.norm((tip - tip[0])[:, :2], axis=1)
    from_home = np.linalg.norm((tip - HOME)[:, :2], axis=1)
    on_the_way = (from_start > 0.012) & (from_home > 0.012)
    assert (tip[on_the_way, 2] > CFG.safe_height_base_m - 0.008).all()
    # Up means up: the arm does not first go lower than it was.
    assert tip[:, 2].min() > min(tip[0, 2], HOME[2]) - 0.004
    speed = np.linalg.norm(np.diff(tip, axis=0), axis=1) / SLOW.safety.tick_period_s
    # Inverse kinematics that catches up may double it for a moment.
    assert speed.max() < 2.5 * CFG.speed_m_s


@settings(max_examples=25, deadline=None)
@given(
    position=around,
    posture=st.lists(st.floats(-0.2, 0.2), min_size=7, max_size=7),
    follow=st.floats(0.3, 1.0),
)
@example(position=np.array([0.6, 0.1, 0.175]), posture=[0.0] * 7, follow=1.0)
@example(position=np.array([0.81, 0.43, 0.17]), posture=[0.0] * 7, follow=1.0)
def test_wherever_a_way_back_begins_it_arrives(
    position: Array, posture: list[float], follow: float
) -> None:
    start = joint_positions_for(position[None])[0] + posture
    assume(((SAWYER.position_low < start) & (start < SAWYER.position_high)).all())
    assume(not refusal(start, CFG))
    _, measured = back(start, follow)
    assert np.abs(measured[-1] - HOME_JOINT_POSITIONS).max() < 0.01


def test_from_the_vendors_neutral_pose_the_tool_is_turned_in_the_air() -> None:
    commanded, measured = back(NEUTRAL)
    assert np.abs(measured[-1] - HOME_JOINT_POSITIONS).max() < 0.01
    assert end_effector_position(commanded)[:, 2].min() > HOME[2] - 0.004


def test_an_arm_at_its_start_does_not_go_up_for_nothing_but_ends_there() -> None:
    _, measured = back(HOME_JOINT_POSITIONS)
    np.testing.assert_allclose(measured[-1], HOME_JOINT_POSITIONS, atol=0.01)


def test_waypoints_never_lead_down_before_the_start() -> None:
    limits = (WORKSPACE_LOW_BASE, WORKSPACE_HIGH_BASE)
    high = return_waypoints(np.array([0.6, 0.1, 0.14]), CFG, limits)
    np.testing.assert_allclose(high, [[0.6, 0.1, 0.14], [*HOME[:2], 0.14], HOME])
    low = return_waypoints(np.array([0.6, 0.1, -0.05]), CFG, limits)
    np.testing.assert_allclose(low[0], [0.6, 0.1, CFG.safe_height_base_m])


def test_an_arm_above_its_box_is_led_into_it() -> None:
    limits = (WORKSPACE_LOW_BASE, WORKSPACE_HIGH_BASE)
    points = return_waypoints(np.array([0.82, 0.1, 0.17]), CFG, limits)
    np.testing.assert_allclose(points, [[0.80, 0.1, 0.15], [*HOME[:2], 0.15], HOME])


def turned(joint: int, by_rad: float, at: Array = HOME_JOINT_POSITIONS) -> Array:
    joints = at.copy()
    joints[joint] += by_rad
    return joints


HIGH = joint_positions_for(np.array([[0.6, 0.1, 0.1]]))[0]
LOW = joint_positions_for(np.array([[0.6, 0.1, -0.05]]))[0]


@pytest.mark.parametrize(
    ("joints", "says"),
    [
        (turned(5, 0.45, HIGH), "the tool is tilted by 0.45 rad"),
        (turned(1, -1.0), "outside its workspace"),
        (turned(6, 0.6, LOW), "turned by 0.60 rad among the objects"),
        (turned(6, 2.8), "turned by 2.80 rad; allowed"),
    ],
)
def test_no_way_is_begun_that_is_not_known_to_be_free(joints: Array, says: str) -> None:
    controller = EndEffectorController(SLOW)
    controller.reset(joints[None])
    with pytest.raises(RobotError, match=says):
        ReturnMotion(CFG, controller, joints)


def test_an_arm_that_something_holds_back_gives_up() -> None:
    controller = EndEffectorController(SLOW)
    controller.reset(LOW[None])
    motion = ReturnMotion(CFG, controller, LOW)
    with pytest.raises(RobotError, match=r"way back \(up\): at \(.*\) m for \(.*\) m, turned by"):
        carry_out(motion, controller, LOW, follow=0.0)
    # It leads the measured arm by no more than what it leads in any other motion.
    led = end_effector_position(controller.commanded_positions)[0]
    assert np.abs(led - end_effector_position(LOW[None])[0]).max() < 0.012


def test_a_wound_up_wrist_is_not_unwound_without_being_asked() -> None:
    wound = turned(6, 2 * np.pi if HOME_JOINT_POSITIONS[6] < 0 else -2 * np.pi)
    controller = EndEffectorController(SLOW)
    controller.reset(wound[None])
    motion = ReturnMotion(CFG, controller, wound)
    with pytest.raises(RobotError, match=r"right_j6 is 6\.\d+ rad from its start"):
        carry_out(motion, controller, wound, follow=1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"safe_height_base_m": 0.0},
        {"speed_m_s": 1.0},
        {"joint_speed_rad_s": 0.0},
        {"patience": 0.5},
    ],
)
def test_a_way_that_cannot_be_meant_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidConfigError, match=f"{next(iter(wrong))} is .*; allowed"):
        ReturnCfg(**wrong)
