"""The adaptation run as a state machine: what it asks for, and how it ends when something fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from damsel.adaptation import Adaptation
from damsel_ros.adapt_effects import (
    AskRobot,
    BeginTrajectory,
    Command,
    Disturbed,
    Effect,
    Ended,
    Hold,
    Outcome,
    Progress,
)
from damsel_ros.adapt_run import AdaptRun
from damsel_ros.backends.base import AppliedStep
from damsel_ros.events import Applied, Observed, Rewarded, Status
from damsel_ros.run_limits import RunLimits
from tests.ros.doubles import DESCRIPTION, DoubleBundle
from tests.support.observations import observation_of

LIMITS = RunLimits(
    discovery_timeout_s=5.0,
    silence_timeout_s=2.0,
    reset_timeout_s=3.0,
    max_repeats=1,
    feedback_period_s=1000.0,
)
TICK_S = 0.1


class World:
    """Robot and task nodes played by hand, at a time that the test sets."""

    def __init__(self, iterations: int = 1, bundle: DoubleBundle | None = None) -> None:
        self.bundle = bundle or DoubleBundle()
        self.adaptation = Adaptation(self.bundle, iterations)
        self.now_s = self.ticked_s = 0.0
        self.run = AdaptRun(
            self.adaptation,
            bundle=self.bundle,
            limits=LIMITS,
            now_s=0.0,
        )
        self.trajectory = 100

    def begin(self) -> list[Effect]:
        """Let the run find its peers and ask for the first reset."""
        assert self.run.tick(self.now_s) == [AskRobot()]
        return self.run.robot_described(DESCRIPTION, self.now_s)

    def reset(self) -> list[Effect]:
        self.trajectory += 1
        return self.run.trajectory_began(self.trajectory, self.now_s)

    def pass_time(self, until_s: float, missing: Sequence[str] = ()) -> list[Effect]:
        """Tick as a node does; what the last tick has brought, as none before it brought anything.

        The time of what arrives afterwards is left as it is.
        """
        for tick in range(int(self.ticked_s / TICK_S) + 1, round(until_s / TICK_S)):
            assert self.run.tick(tick * TICK_S, missing) == []
        self.ticked_s = until_s
        return self.run.tick(until_s, missing)

    def observe(self, step: int, push: tuple[float, float] = (0.0, 0.0)) -> list[Effect]:
        observation = observation_of(end_effector=(float(step), 0.0, 0.0), push=push)
        return self.run.receive(Observed(self.trajectory, step, observation), self.now_s)

    def apply(
        self, step: int, status: Status = Status.OK, reason: str = "", x: float = 0.005
    ) -> list[Effect]:
        applied = AppliedStep(np.array([x, 0.0, 0.0]), clipped=False, peak_contact_force_n=0.0)
        event = Applied(self.trajectory, step, applied, status, reason)
        return self.run.receive(event, self.now_s)

    def reward(self, step: int, value: float = 0.0) -> list[Effect]:
        return self.run.receive(Rewarded(self.trajectory, step, value), self.now_s)

    def roll(self, value: float = 0.0) -> list[Effect]:
        """Roll out one whole trajectory and return the effects of its last message."""
        self.reset()
        effects = self.observe(0)
        for step in range(self.bundle.horizon):
            assert [type(effect) for effect in effects] == [Command]
            effects = self.apply(step) + self.observe(step + 1) + self.reward(step + 1, value)
        return effects


def types(effects: list[Effect]) -> list[type]:
    return [type(effect) for effect in effects]


def ending(effects: list[Effect]) -> Ended:
    hold, ended = effects[-2:]
    assert isinstance(hold, Hold)
    assert isinstance(ended, Ended)
    return ended


def test_probes_every_family_then_adapts_and_succeeds() -> None:
    world = World(iterations=1)
    (begin,) = world.begin()
    assert isinstance(begin, BeginTrajectory)
    assert (begin.request.stage, begin.request.family) == ("probe", "push")
    for value, following in ((0.0, "door"), (0.2, "drawer"), (0.1, "door")):
        progress, begin = world.roll(value)
        assert isinstance(progress, Progress)
        assert progress.finished
        assert progress.steps == 3
        assert isinstance(begin, BeginTrajectory)
        assert begin.request.family == following
    assert begin.request.stage == "adapt"
    effects = world.roll(0.3)
    assert types(effects) == [Progress, Hold, Ended]
    assert ending(effects).outcome is Outcome.SUCCEEDED
    assert [one.record.stage for one in world.run.finished] == ["probe"] * 3 + ["adapt"]


def test_a_command_is_the_action_in_metres_and_answers_its_observation() -> None:
    world = World()
    world.begin()
    world.reset()
    (command,) = world.observe(0)
    assert isinstance(command, Command)
    assert (command.trajectory, command.step) == (101, 0)
    np.testing.assert_allclose(command.displacement_base, [0.01, 0.0, 0.0])


def test_the_context_holds_what_was_applied_not_what_was_asked() -> None:
    world = World()
    received = []
    receive = world.adaptation.receive
    world.adaptation.receive = lambda trajectory: (  # type: ignore[method-assign]
        received.append(trajectory),
        receive(trajectory),
    )
    world.begin()
    world.roll(0.5)
    np.testing.assert_allclose(received[0].actions, [[0.5, 0.0, 0.0]] * 3)
    np.testing.assert_allclose(received[0].rewards, [0.5] * 3)
    np.testing.assert_allclose(received[0].observations[:, 0], [0.0, 1.0, 2.0, 3.0])


def test_a_probe_waits_for_the_reward_of_the_observation_it_answers() -> None:
    world = World()
    world.begin()
    world.reset()
    world.observe(0)
    world.apply(0)
    assert world.observe(1) == []
    assert types(world.reward(1)) == [Command]


def test_a_command_waits_for_all_of_the_step_before() -> None:
    world = World()
    world.begin()
    for _ in range(3):
        world.roll()
    world.reset()
    world.observe(0)
    assert world.observe(1) == []
    assert world.reward(1) == []
    assert types(world.apply(0)) == [Command]


def test_a_probe_that_told_enough_is_cut_short() -> None:
    world = World()
    world.begin()
    world.reset()
    world.observe(0)
    for step, pushed in ((0, 0.051), (1, 0.06)):
        world.apply(step)
        world.observe(step + 1, push=(pushed, 0.0))
        effects = world.reward(step + 1, 0.0)
    assert types(effects) == [Progress, BeginTrajectory]
    assert world.run.finished[0].steps == 2


def test_messages_of_another_trajectory_are_dropped() -> None:
    world = World()
    world.begin()
    world.reset()
    world.trajectory -= 1
    assert world.observe(0) == []
    world.trajectory += 1
    assert types(world.observe(0)) == [Command]


def test_topics_may_be_faster_than_the_answer_of_the_reset() -> None:
    world = World()
    world.begin()
    world.trajectory += 1
    assert world.observe(0) == []
    assert types(world.run.trajectory_began(world.trajectory, 0.0)) == [Command]


def test_a_disturbed_trajectory_is_made_again_and_leaves_no_trace() -> None:
    world = World()
    world.begin()
    world.reset()
    world.observe(0)
    disturbed, begin = world.apply(0, Status.HELD, "no command for step 0")
    assert disturbed == Disturbed("no command for step 0")
    assert isinstance(begin, BeginTrajectory)
    assert begin.request.family == "push"
    assert not world.adaptation.records
    world.roll()
    assert len(world.adaptation.records) == 1


def test_too_many_disturbances_in_a_row_end_the_run() -> None:
    world = World()
    world.begin()
    for _ in range(2):
        world.reset()
        world.observe(0)
        effects = world.apply(0, Status.HELD, "no command for step 0")
    assert ending(effects) == Ended(
        Outcome.ABORTED,
        "a trajectory was disturbed 2 times in a row, the last time: no command for step 0",
    )


def test_a_hold_after_the_last_step_disturbs_nothing() -> None:
    world = World()
    world.begin()
    world.reset()
    world.observe(0)
    for step in range(3):
        world.apply(step)
        world.observe(step + 1)
        if step < 2:
            world.reward(step + 1)
    assert world.apply(3, Status.HELD, "no command for step 3") == []
    assert types(world.reward(3)) == [Progress, BeginTrajectory]


def test_a_stopped_robot_ends_the_run_with_its_reason() -> None:
    world = World()
    world.begin()
    world.reset()
    world.observe(0)
    ended = ending(world.apply(0, Status.STOPPED, "emergency stop"))
    assert ended == Ended(Outcome.ABORTED, "the robot node stopped the arm: emergency stop")


def test_a_stop_between_two_trajectories_ends_the_run_too() -> None:
    world = World()
    world.begin()
    assert types(world.roll()) == [Progress, BeginTrajectory]
    world.trajectory -= 1
    assert world.apply(2, Status.STOPPED, "of an earlier trajectory") == []
    world.trajectory += 1
    ended = ending(world.apply(3, Status.STOPPED, "somebody asked the robot node to hold"))
    reason = "the robot node stopped the arm: somebody asked the robot node to hold"
    assert ended == Ended(Outcome.ABORTED, reason)


@pytest.mark.parametrize("own", [101, 0xFFFFFFFF])
def test_a_reset_by_somebody_else_ends_the_run_at_once(own: int) -> None:
    world = World()
    world.begin()
    world.trajectory = own - 1
    world.reset()
    world.observe(0)
    world.trajectory = own - 1
    assert world.observe(0) == []  # late, of a trajectory before
    world.trajectory = own % 0xFFFFFFFF + 1
    ended = ending(world.observe(0))
    reason = "somebody else has reset the robot in the middle of a trajectory"
    assert ended == Ended(Outcome.ABORTED, reason)


def test_cancelling_holds_the_arm_and_nothing_is_commanded_afterwards() -> None:
    world = World()
    world.begin()
    world.reset()
    world.observe(0)
    assert ending(world.run.cancel()).outcome is Outcome.CANCELED
    world.apply(0)
    assert world.observe(1) == []
    assert world.reward(1) == []
    assert world.run.tick(100.0) == []
    assert world.run.cancel() == []


@pytest.mark.parametrize(
    ("moment", "patience_s", "message"),
    [
        ("connecting", 5.0, "nobody is there within 5 s"),
        ("asking", 2.0, "the robot node went silent: no answer about its control rate within 2 s"),
        ("resetting", 3.0, "the robot node went silent: no answer from service reset within 3 s"),
        ("began", 2.0, "the robot node went silent: no observation of step 0 within 2 s"),
        ("commanded", 2.0, "the robot node went silent: no observation of step 1 within 2 s"),
        (
            "observed",
            2.0,
            "the task node went silent: no reward of step 1 (is a task set?) within 2 s",
        ),
        (
            "rewarded",
            2.0,
            "the robot node went silent: nothing on applied after step 0 within 2 s",
        ),
    ],
)
def test_every_silence_ends_the_run_and_names_who_went_silent(
    moment: str, patience_s: float, message: str
) -> None:
    bundle = DoubleBundle()
    bundle.horizon = 1
    world = World(bundle=bundle)
    moments = {
        "connecting": lambda: None,
        "asking": lambda: world.run.tick(0.0),
        "resetting": lambda: world.run.robot_described(DESCRIPTION, 0.0),
        "began": world.reset,
        "commanded": lambda: world.observe(0),
        "observed": lambda: world.observe(1),
        "rewarded": lambda: world.reward(1),
    }
    for name, happens in moments.items():
        happens()
        if name == moment:
            break
    missing = ["nobody is there"] if moment == "connecting" else []
    assert world.pass_time(patience_s, missing) == []
    assert ending(world.pass_time(patience_s + 0.01, missing)) == Ended(Outcome.ABORTED, message)


def test_a_node_that_was_killed_is_waited_for_until_it_is_forgotten() -> None:
    """DDS takes up to 20 s to miss it, longer than any other patience."""
    world = World()
    for tick in range(1, 200):
        assert world.run.tick(tick * TICK_S, (), "2 robot nodes") == []
    assert world.run.tick(20.0) == [AskRobot()]


def test_a_node_that_there_is_twice_for_long_is_not_waited_for() -> None:
    world = World()
    for tick in range(1, 250):
        assert world.run.tick(tick * TICK_S, (), "2 robot nodes") == []
    assert ending(world.run.tick(25.0, (), "2 robot nodes")).message == "2 robot nodes"


@pytest.mark.parametrize("moment", ["resetting", "rolling"])
def test_a_node_that_there_is_twice_ends_the_run_at_once(moment: str) -> None:
    world = World()
    world.begin()
    if moment == "rolling":
        world.reset()
    effects = world.run.tick(0.1, (), "2 robot nodes")
    assert types(effects) == [Hold, Ended]
    assert ending(effects) == Ended(Outcome.ABORTED, "2 robot nodes")
    assert world.run.tick(0.2, (), "2 robot nodes") == []


def test_a_run_that_stood_still_itself_does_not_say_so_of_others() -> None:
    world = World()
    world.begin()
    world.reset()
    world.observe(0)
    assert world.run.tick(0.1) == []
    assert world.run.tick(10.0, ["the robot node is not there"]) == []
    # And goes on with what they said meanwhile.
    assert types(world.apply(0) + world.observe(1) + world.reward(1)) == [Command]


def test_having_stood_still_lends_nobody_more_patience() -> None:
    world = World()
    world.begin()
    world.reset()
    assert world.run.tick(0.1) == []
    world.now_s = world.ticked_s = 10.0
    assert types(world.observe(0)) == [Command]  # read before the tick that comes late, too
    assert world.run.tick(10.0) == []
    assert world.pass_time(12.0) == []
    assert "no observation of step 1" in ending(world.pass_time(12.01)).message


def test_a_robot_that_dies_in_a_reset_is_not_waited_for_as_long_as_a_person() -> None:
    world = World()
    world.begin()
    gone = ["the robot node is not there"]
    assert world.pass_time(0.2, gone) == []
    assert world.pass_time(0.5) == []  # seen again
    assert world.pass_time(2.5, gone) == []  # as long as a message may take
    message = "in the middle of a reset the robot node is not there"
    assert ending(world.pass_time(2.51, gone)) == Ended(Outcome.ABORTED, message)


def test_a_robot_that_complains_of_silence_does_not_hide_a_silent_task_node() -> None:
    world = World()
    world.begin()
    world.reset()
    world.observe(0)
    world.apply(0)
    world.observe(1)
    assert world.apply(1, Status.HELD, "no command for 0.5 s") == []
    assert world.pass_time(2.0) == []
    assert ending(world.pass_time(2.01)).message.startswith("the task node went silent")


def test_a_robot_that_the_bundle_does_not_fit_is_refused_before_anything_moves() -> None:
    bundle = DoubleBundle()
    bundle.control_rate_hz = 10.0
    world = World(bundle=bundle)
    assert ending(world.begin()) == Ended(
        Outcome.ABORTED,
        "bundle 'double' was made for a control rate of 10 Hz, but the robot's is 20 Hz",
    )


def test_a_failing_reset_ends_the_run() -> None:
    world = World()
    world.begin()
    assert ending(world.run.robot_failed("not active")).message == "the robot node: not active"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_end_the_run(bad: float) -> None:
    world = World()
    world.begin()
    world.reset()
    world.observe(0)
    assert ending(world.reward(1, bad)).message == "the task node's reward of step 1 is not finite"
    world = World()
    world.begin()
    world.reset()
    event = Observed(world.trajectory, 0, np.full(12, bad))
    ended = ending(world.run.receive(event, 0.0))
    assert ended.message == "the robot node's observation of step 0 is not finite"


def test_progress_is_reported_while_a_trajectory_is_made() -> None:
    world = World()
    world.run._limits = replace(LIMITS, feedback_period_s=0.1)
    world.begin()
    world.reset()
    world.now_s = 0.2
    command, progress = world.observe(0)
    assert isinstance(command, Command)
    assert isinstance(progress, Progress)
    assert not progress.finished
    assert progress.steps == 0
