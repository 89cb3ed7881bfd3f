"""What goes wrong on the whole path, in mid-trajectory, and what the arm does."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from damsel.errors import RobotError
from damsel_intera.virtual.rehearsal import missing_ros1
from damsel_msgs.msg import EndEffectorCommand
from tests.ros.rehearsal_stage import (
    Clocks,
    EarlyStrike,
    EnoughError,
    Stage,
    Strike,
    until,
)
from tests.support.fault_table import FaultRow, FaultTable

pytestmark = [pytest.mark.ros1, pytest.mark.slow, pytest.mark.flaky(reruns=1)]

PATIENCE_S = 0.1
HORIZON = 100
ATTEMPTS = 3


@pytest.fixture(scope="module", name="shared_stage")
def stage_of_all_tests(
    tmp_path_factory: pytest.TempPathFactory, circling_bundle: Path
) -> Iterator[Stage]:
    if missing := missing_ros1():
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("stage")
    # With wrong clocks all along: none of this depends on what o'clock anybody thinks it is.
    clocks = Clocks.make(folder, ahead_s=(18_000.0, -10_800.0, 0.0))
    with Stage(folder, circling_bundle, patience_s=PATIENCE_S, clocks=clocks) as stage:
        yield stage


@pytest.fixture
def stage(shared_stage: Stage) -> Stage:
    """A run about to begin: everything is there, well, and enabled."""
    shared_stage.repair()
    return shared_stage


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong in mid-trajectory.

    Attributes:
        strike: Makes it happen.
        message: What the operator is told in the end.
        within_s: In what time the arm is at rest.
        arm: What it does.
    """

    strike: Callable[[Stage], object]
    message: str
    within_s: float = 0.3
    arm: str = "at rest"


def cut(stage: Stage, duration_s: float) -> None:
    stage.gate.cut()
    if duration_s:
        threading.Timer(duration_s, stage.gate.mend).start()


def stand_still(stage: Stage, name: str, duration_s: float) -> None:
    """Have a process stand still for a while, as on a machine that swaps."""
    pid = stage.nodes[name].pid if name in stage.nodes else stage.rehearsal.processes[name].pid
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(duration_s, os.kill, (pid, signal.SIGCONT)).start()


def cut_dds(stage: Stage, duration_s: float) -> None:
    """Lose all that the nodes say to one another and to the operator."""
    if stage.dds is None:
        pytest.skip("no C compiler, so no packet can be lost")
    stage.dds.set(1.0)
    if duration_s:
        threading.Timer(duration_s, stage.dds.set, (0.0,)).start()


def press_estop_without_a_master(stage: Stage) -> None:
    stage.rehearsal.kill("master")
    assert not stage.rehearsal.master_listens()
    stage.rehearsal.inject("press_estop")


KILLED_ROBOT = (
    "the robot does not take commands|the robot publishes no joint states|"
    "the robot's own states are late or missing"
)

FAULTS = {
    "emergency stop pressed": Fault(
        lambda stage: stage.rehearsal.inject("press_estop"), "the emergency stop is pressed"
    ),
    "emergency stop pressed, the ROS 1 master killed": Fault(
        press_estop_without_a_master, "the emergency stop is pressed"
    ),
    "collision felt": Fault(
        lambda stage: stage.rehearsal.inject("collide", 0.2), "the robot felt a collision"
    ),
    "robot no longer says whether it feels a collision": Fault(
        lambda stage: stage.rehearsal.inject("numb"),
        "the robot no longer says whether it feels a collision",
        # It may be silent for a second.
        within_s=1.4,
    ),
    "robot reports an error": Fault(
        lambda stage: stage.rehearsal.inject("fail"), "the robot reports an error"
    ),
    "robot falls silent": Fault(
        lambda stage: stage.rehearsal.inject("silence"),
        "the robot publishes no joint states|the robot's own states are late or missing",
        # Noticed at 100 ms; then it comes to rest.
        within_s=0.45,
    ),
    "robot does not listen to commands any more": Fault(
        lambda stage: stage.rehearsal.inject("deafen"),
        "the robot does not take commands",
        within_s=0.45,
    ),
    "robot's states are not finite": Fault(
        lambda stage: stage.rehearsal.inject("state_fault", {"invalid": 1}),
        "the robot's own states are not finite|the robot publishes no joint states",
    ),
    "robot's states are 300 ms late": Fault(
        lambda stage: stage.rehearsal.inject("state_fault", {"delay_s": 0.3}),
        r"state of the arm is 0\.\d+ s old|the robot's own states are late or missing",
        within_s=0.45,
    ),
    "robot's clock set back by an hour": Fault(
        lambda stage: stage.rehearsal.inject("state_fault", {"clock_s": -3600}),
        r"state of the arm is \d+\.\d+ s old|the robot's own states are late or missing",
    ),
    "network gone for 500 ms": Fault(
        lambda stage: cut(stage, 0.5),
        r"state of the arm is 0\.\d+ s old|no fresh command within the watchdog's time",
    ),
    "network gone for good": Fault(
        lambda stage: cut(stage, 0.0), r"state of the arm is 0\.\d+ s old .*: no state has come"
    ),
    "Intera server killed": Fault(
        lambda stage: stage.rehearsal.kill("server"),
        r"state of the arm is 0\.\d+ s old .*: no state has come",
        # The robot's own command timeout is what is left: it keeps to its last target.
        within_s=0.5,
    ),
    "robot's driver killed": Fault(
        lambda stage: stage.rehearsal.kill("robot"),
        KILLED_ROBOT,
    ),
    "Intera server stands still for 500 ms": Fault(
        lambda stage: stand_still(stage, "server", 0.5),
        r"state of the arm is 0\.\d+ s old .*: no state has come",
        within_s=0.5,
    ),
    "ROS 2 robot node stands still for 500 ms": Fault(
        lambda stage: stand_still(stage, "robot", 0.5),
        r"no fresh command within the watchdog's time|state of the arm is \d+\.\d+ s old",
        within_s=0.4,
    ),
    "task node stands still for 3 s": Fault(
        lambda stage: stand_still(stage, "task", 3.0), "the task node went silent"
    ),
    "DDS between the nodes gone for 2.5 s": Fault(
        lambda stage: cut_dds(stage, 2.5), "the (robot|task) node went silent"
    ),
    "DDS between the nodes gone for good": Fault(
        lambda stage: cut_dds(stage, 0.0), "the adapt node went silent"
    ),
    "object bridge killed": Fault(
        # Nobody's trajectory can be made again without objects: nobody can confirm the reset.
        lambda stage: stage.nodes["object_bridge"].signal(signal.SIGKILL),
        r"nobody confirmed within 3 s .*: no pose of the block for \d+\.\d+ s",
        # Noticed after 200 ms; the arm then goes back to its start, slowly.
        within_s=float("inf"),
    ),
    "ROS 2 robot node killed": Fault(
        lambda stage: stage.nodes["robot"].signal(signal.SIGKILL), "the robot node went silent"
    ),
    "adapt node killed": Fault(
        lambda stage: stage.nodes["adapt"].signal(signal.SIGKILL),
        "the adapt node went silent",
        # The step that was commanded last is still carried out, and the arm is told to stay.
        within_s=0.8,
    ),
    "task node killed": Fault(
        lambda stage: stage.nodes["task"].signal(signal.SIGKILL),
        "the task node went silent",
        within_s=0.8,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_holds_the_arm_and_ends_the_run_with_its_cause(
    stage: Stage, name: str, fault_table: FaultTable
) -> None:
    fault = FAULTS[name]
    struck_s, told = run_into(stage, fault)
    assert re.search(fault.message, told), told
    assert stage.moved_at(struck_s)
    time.sleep(0.5)
    if name == "object bridge killed":
        held_s, arm = told_to_hold(stage, "no pose of the block")[0] - struck_s, TOLD_TO_HOLD
        assert held_s < 0.4
    else:
        held_s, arm = stage.held_after(struck_s), fault.arm
        # And nothing moves again by itself.
        assert stage.held_after(time.monotonic() - 0.2) <= 0.2
    assert held_s < fault.within_s
    # No transition of the disturbed trajectory is in any context.
    assert all(context.transitions == 0 for _, context in stage.watcher.contexts)
    fault_table.add(
        FaultRow(
            fault=name,
            path="rehearsal",
            # A simulated arm is gone with its driver; a real one would hold by its own timeout.
            arm=arm if "robot" in stage.rehearsal.processes else "gone with its driver",
            within_ms=1000 * held_s,
            message=told,
            run="ends",
        )
    )


KILLED_ON_THE_WAY_BACK = {
    "Intera server killed on the way back": Fault(
        lambda stage: stage.rehearsal.kill("server"),
        r"state of the arm is 0\.\d+ s old .*: no state has come",
        within_s=0.5,
    ),
    "robot's driver killed on the way back": Fault(
        lambda stage: stage.rehearsal.kill("robot"),
        KILLED_ROBOT,
        arm="gone with its driver",
    ),
    "object bridge killed on the way back": Fault(
        lambda stage: stage.nodes["object_bridge"].signal(signal.SIGKILL),
        r"nobody confirmed within 3 s .*: no pose of the block for \d+\.\d+ s",
        within_s=5.0,
        arm="goes back to its start, slowly; then holds",
    ),
    "task node killed on the way back": Fault(
        lambda stage: stage.nodes["task"].signal(signal.SIGKILL),
        "the task node",
        within_s=8.0,
        arm="goes back to its start, slowly; holds after the first step",
    ),
    "ROS 2 robot node killed on the way back": Fault(
        lambda stage: stage.nodes["robot"].signal(signal.SIGKILL), "the robot node"
    ),
    "adapt node killed on the way back": Fault(
        lambda stage: stage.nodes["adapt"].signal(signal.SIGKILL),
        "the adapt node went silent",
        # The robot node finishes what it was asked for: it cannot know that nobody waits for it.
        within_s=5.0,
        arm="goes back to its start, slowly; then holds",
    ),
}


@pytest.mark.parametrize("name", KILLED_ON_THE_WAY_BACK)
def test_a_fault_on_the_way_back_does_the_same(
    stage: Stage, name: str, fault_table: FaultTable
) -> None:
    fault = KILLED_ON_THE_WAY_BACK[name]
    struck_s, told = run_into(stage, fault, EarlyStrike)
    assert re.search(fault.message, told), told
    time.sleep(0.5)
    held_s = stage.held_after(struck_s)
    assert stage.held_after(time.monotonic() - 0.2) <= 0.2
    assert held_s < fault.within_s
    assert all(context.transitions == 0 for _, context in stage.watcher.contexts)
    fault_table.add(FaultRow(name, "rehearsal", fault.arm, 1000 * held_s, told, "ends"))


def run_into(
    stage: Stage, fault: Fault, when: type[Strike] | type[EarlyStrike] = Strike
) -> tuple[float, str]:
    """Adapt until the fault has ended it; when it struck, and what the operator was told.

    A busy machine can hold the arm before anything was done to it, which is no fault of ours.
    """
    for _ in range(ATTEMPTS):
        strike = when(stage, fault.strike)
        with pytest.raises(RobotError) as error:
            stage.operator.adapt(1, strike)
        if strike.struck_s is not None:
            return strike.struck_s, str(error.value)
        if "gets no further" in str(error.value):
            # Seen once in seven runs, cause unknown: whatever the arm is caught in, the next
            # tests are to begin without it.
            warnings.warn(f"arm put back to its start: {error.value}", stacklevel=2)
            stage.rehearsal.kill("robot")
        stage.repair()
    raise AssertionError(f"no run came as far as the fault: {error.value}")


TOLD_TO_HOLD = "told to hold; then goes back to its start"


def told_to_hold(stage: Stage, reason: str) -> tuple[float, str]:
    """When the arm was first told to hold for such a reason, and what was said."""
    return next(
        (at, message.reason)
        for at, message in stage.watcher.applied
        if message.status == message.STATUS_HELD and reason in message.reason
    )


def lose_objects(stage: Stage) -> None:
    camera = stage.nodes["object_bridge"]
    camera.signal(signal.SIGSTOP)
    threading.Timer(1.5, lambda: camera.signal(signal.SIGCONT)).start()


def set_camera_clock_back(stage: Stage) -> None:
    if stage.clocks is None:
        pytest.skip("no C compiler, so no clock can be set")
    stage.clocks.camera.set(-18_000.0)


AFTER_LOSS = "told to hold; then goes back to its start, slowly"
UNTIL_NEXT_RESET = "at rest; then goes back to its start, slowly"

PASSING = {
    "object poses gone for 1.5 s": Fault(
        lose_objects, "no pose of the block for 0.2", 0.4, AFTER_LOSS
    ),
    "camera's clock set back by two hours": Fault(
        set_camera_clock_back,
        "or the clock that stamps them was set back",
        0.4,
        AFTER_LOSS,
    ),
    "adapt node stands still for 500 ms": Fault(
        lambda stage: stand_still(stage, "adapt", 0.5), "no command for step", 0.4, UNTIL_NEXT_RESET
    ),
    "task node stands still for 500 ms": Fault(
        lambda stage: stand_still(stage, "task", 0.5), "no command for step", 0.4, UNTIL_NEXT_RESET
    ),
    "DDS between the nodes gone for 500 ms": Fault(
        # Heard when the messages come through again.
        lambda stage: cut_dds(stage, 0.5),
        "no command for step",
        1.5,
        UNTIL_NEXT_RESET,
    ),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_holds_the_arm_and_has_the_trajectory_made_again(
    stage: Stage, name: str, fault_table: FaultTable
) -> None:
    fault = PASSING[name]
    striking = Strike(stage, fault.strike)
    with pytest.raises(EnoughError):
        stage.operator.adapt(1, until(striking, lambda _, finished: finished))
    assert stage.operator.stop()
    assert striking.struck_s is not None
    assert stage.moved_at(striking.struck_s)
    noticed_s, reason = told_to_hold(stage, fault.message)
    assert noticed_s - striking.struck_s < fault.within_s
    # The trajectory that was thrown away, and the one in its place, which alone is in the context.
    assert len({message.trajectory for _, message in stage.watcher.observations}) >= 2
    assert {context.transitions for _, context in stage.watcher.contexts} <= {0, HORIZON}
    run = "throws the trajectory away and makes it again"
    noticed_ms = 1000 * (noticed_s - striking.struck_s)
    fault_table.add(FaultRow(name, "rehearsal", fault.arm, noticed_ms, reason, run))


def test_a_network_that_is_gone_for_50_ms_is_no_fault(
    stage: Stage, fault_table: FaultTable
) -> None:
    striking = Strike(stage, lambda stage: cut(stage, 0.05))
    with pytest.raises(EnoughError):
        stage.operator.adapt(1, until(striking, lambda record, _: record.steps > 30))
    assert stage.operator.stop()
    assert striking.struck_s is not None
    assert stage.moved_at(striking.struck_s)
    applied = [message.status for _, message in stage.watcher.applied]
    assert applied.count(EndEffectorCommand.STATUS_OK) > 25
    assert EndEffectorCommand.STATUS_HELD not in applied[:25]
    fault_table.add(FaultRow("network gone for 50 ms", "rehearsal", "moves on", 0.0, "", "goes on"))
