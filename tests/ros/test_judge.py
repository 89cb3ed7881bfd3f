"""The hidden task: rewards, outcomes for the record, and when the task may change."""

from __future__ import annotations

import numpy as np
import pytest

from damsel.errors import InvalidTaskError
from damsel.observation import BLOCK
from damsel.scene import BLOCK_START_BASE
from damsel.tasks import Task, distance, reward
from damsel_ros.adapt_run import MAX_ITERATIONS
from damsel_ros.events import Observed
from damsel_ros.judge import Judge
from damsel_ros.run_limits import LIMIT_PARAMETERS


def pushed(x: float) -> np.ndarray:
    observation = np.zeros(12)
    observation[BLOCK] = BLOCK_START_BASE + np.array([x, 0.0, 0.0])
    return observation


def test_without_a_task_there_is_no_reward() -> None:
    assert Judge(quiet_s=0.5).reward(Observed(1, 0, pushed(0.0)), 0.0) is None


def test_reward_and_outcome_are_those_of_the_core() -> None:
    judge = Judge(quiet_s=0.5)
    judge.set_task("push", [0.15, 0.0], 0.0)
    task = Task("push", (0.15, 0.0))
    value = judge.reward(Observed(1, 7, pushed(0.12)), 0.0)
    assert value == float(reward(pushed(0.12), task))
    assert 0.5 < value < 1.0
    outcome = judge.outcome(1, 7)
    assert outcome is not None
    assert outcome.distance == float(distance(pushed(0.12), task))
    assert outcome.success
    assert not outcome.strict_success


def test_outcomes_are_kept_by_trajectory_and_step() -> None:
    judge = Judge(quiet_s=0.5)
    judge.set_task("push", [0.15, 0.0], 0.0)
    judge.reward(Observed(1, 0, pushed(0.0)), 0.0)
    judge.reward(Observed(1, 1, pushed(0.15)), 0.0)
    assert judge.outcome(1, 0).distance == pytest.approx(0.15)
    assert judge.outcome(1, 1).distance == pytest.approx(0.0)
    assert judge.outcome(1, 2) is None
    assert judge.outcome(2, 0) is None


def test_old_trajectories_are_forgotten_but_none_of_the_longest_run() -> None:
    judge = Judge(quiet_s=0.5)
    judge.set_task("push", [0.15, 0.0], 0.0)
    max_repeats = next(one for one in LIMIT_PARAMETERS if one.name == "max_repeats")
    longest = (MAX_ITERATIONS + 3) * (1 + int(max_repeats.high))
    for trajectory in range(longest):
        judge.reward(Observed(trajectory, 0, pushed(0.0)), 0.0)
    assert judge.outcome(0, 0) is not None
    for trajectory in range(longest, 2 * longest):
        judge.reward(Observed(trajectory, 0, pushed(0.0)), 0.0)
    assert judge.outcome(0, 0) is None


def test_an_outcome_says_by_which_task_it_was_judged() -> None:
    judge = Judge(quiet_s=0.5)
    judge.set_task("push", [0.15, 0.0], 0.0)
    judge.reward(Observed(1, 0, pushed(0.0)), 0.0)
    judge.set_task("door", [0.3], 1.0)
    judge.reward(Observed(2, 0, pushed(0.0)), 1.0)
    assert [judge.outcome(one, 0).task for one in (1, 2)] == [
        Task("push", (0.15, 0.0)),
        Task("door", (0.3,)),
    ]


def test_a_task_is_not_replaced_in_the_minutes_of_a_reset() -> None:
    judge = Judge(quiet_s=0.5)
    judge.set_task("push", [0.15, 0.0], 0.0)
    for second in range(120):
        judge.note_run(True, float(second))
    with pytest.raises(InvalidTaskError, match=r"^an adaptation is running; .* when it has ended$"):
        judge.set_task("door", [0.3], 120.0)
    assert judge.task == Task("push", (0.15, 0.0))


@pytest.mark.parametrize("end", ["told", "silent"])
def test_a_task_is_replaced_when_the_run_is_over_or_its_node_silent(end: str) -> None:
    judge = Judge(quiet_s=0.5)
    judge.set_task("push", [0.15, 0.0], 0.0)
    judge.note_run(True, 1.0)
    if end == "told":
        judge.note_run(False, 1.1)
    judge.set_task("door", [0.3], 1.2 if end == "told" else 6.0)
    assert judge.task == Task("door", (0.3,))


def test_a_task_is_not_replaced_while_the_robot_moves() -> None:
    judge = Judge(quiet_s=0.5)
    judge.set_task("push", [0.15, 0.0], 0.0)
    judge.reward(Observed(1, 0, pushed(0.0)), 10.0)
    with pytest.raises(InvalidTaskError, match=r"^the robot moved 0\.20 s ago; .* 0\.5 s$"):
        judge.set_task("door", [0.3], 10.2)
    assert judge.task == Task("push", (0.15, 0.0))
    judge.set_task("door", [0.3], 10.5)
    assert judge.task == Task("door", (0.3,))


def test_a_task_that_does_not_exist_leaves_the_earlier_one() -> None:
    judge = Judge(quiet_s=0.5)
    judge.set_task("push", [0.15, 0.0], 0.0)
    with pytest.raises(InvalidTaskError, match="goal"):
        judge.set_task("push", [9.0, 0.0], 0.0)
    assert judge.task == Task("push", (0.15, 0.0))
