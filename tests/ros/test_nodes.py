"""The nodes one by one: parameters, lifecycle, services."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.publisher import Publisher
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from damsel_msgs.msg import EndEffectorCommand
from damsel_msgs.srv import GetOutcome, Reset, SetTask
from damsel_ros.conversions import FRAME_BASE
from damsel_ros.processes import NodeProcess
from damsel_ros.qos import COMMAND
from tests.ros.watcher import Watcher

Start = Callable[..., dict[str, NodeProcess]]

BAD_PARAMETERS = [
    ("robot", "command_timeout_s", "99.0", "a number with a decimal point in [0.05, 10]"),
    ("robot", "command_timeout_s", ".nan", "a number with a decimal point in [0.05, 10]"),
    ("robot", "command_timeout_s", "1", "a number with a decimal point in [0.05, 10]"),
    ("robot", "joint_state_rate_hz", "often", "a number with a decimal point in [1, 200]"),
    ("robot", "mode", "fast", "lockstep or realtime"),
    ("robot", "backend", "panda", "sim or sawyer"),
    ("robot", "backend", "sawyer", "mode is lockstep with backend sawyer; allowed: realtime"),
    ("robot", "control_rate_hz", "40.0", "unknown parameter 'control_rate_hz'"),
    ("robot", "comand_timeout_s", "1.0", "unknown parameter 'comand_timeout_s'"),
    ("task", "family", "lift", "push, door, drawer"),
    ("task", "goal", "0.5", "a list of numbers with a decimal point, such as [0.5]"),
    ("task", "goal", "[]", "a list of numbers with a decimal point, such as [0.5]"),
    ("task", "family", "[]", "allowed: a text"),
    ("task", "quiet_s", "-1.0", "a number with a decimal point in [0, 60]"),
    ("adapt", "bundle", "no/such/folder", "no/such/folder"),
    ("adapt", "max_repeats", "11", "a whole number in [0, 10]"),
    ("adapt", "silence_timeout_s", "0.0", "a number with a decimal point in [0.1, 60]"),
]


@pytest.mark.parametrize(("node", "name", "value", "says"), BAD_PARAMETERS)
def test_a_bad_parameter_is_one_line_and_exit_code_2(
    node: str, name: str, value: str, says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"damsel_ros.{node}_node", "--ros-args", "-p", f"{name}:={value}"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={**os.environ, "ROS_DOMAIN_ID": "101"},
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"{node}: error: ")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_a_parameter_file_that_cannot_be_read_is_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("robot: [", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "damsel_ros.robot_node", "--ros-args", "--params-file", "bad.yaml"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "robot: error: ROS arguments not understood" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("node", ["robot", "task", "adapt"])
def test_a_terminal_that_is_closed_ends_a_node_in_order(
    start: Start, watcher: Watcher, node: str
) -> None:
    process = start(nodes=(node,))[node]
    watcher.wait_until(lambda: f"damsel: {node}" in watcher.diagnostics, 15.0)
    process.signal(signal.SIGHUP)
    assert process.wait(5.0)
    assert process.cause_of_death == "exit code 0"


class Client:
    """Calls services through a watcher's node."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def __call__(self, kind: Any, name: str, **fields: Any) -> Any:
        client = self._watcher.node.create_client(kind, name)
        self._watcher.wait_until(client.service_is_ready, 15.0)
        future = client.call_async(kind.Request(**fields))
        self._watcher.wait_until(future.done, 5.0)
        return future.result()


@pytest.fixture
def call(watcher: Watcher) -> Client:
    return Client(watcher)


def change(call: Client, transition: int) -> bool:
    return bool(
        call(ChangeState, "robot/change_state", transition=Transition(id=transition)).success
    )


def state(call: Client) -> int:
    return int(call(GetState, "robot/get_state").current_state.id)


def test_the_robot_node_moves_only_while_it_is_active(
    start: Start, watcher: Watcher, call: Client
) -> None:
    start()
    assert state(call) == State.PRIMARY_STATE_ACTIVE
    assert call(Reset, "reset").success
    assert change(call, Transition.TRANSITION_DEACTIVATE)
    answer = call(Reset, "reset")
    assert not answer.success
    assert answer.message == "the robot node is not active; configure and activate it first"
    assert watcher.applied[-1][1].reason == "the robot node was deactivated"
    assert change(call, Transition.TRANSITION_CLEANUP)
    assert change(call, Transition.TRANSITION_CONFIGURE)
    assert change(call, Transition.TRANSITION_ACTIVATE)
    assert call(Reset, "reset").success


def commander(watcher: Watcher) -> Publisher:
    """A publisher of commands that the robot node hears."""
    command = watcher.node.create_publisher(EndEffectorCommand, "command", COMMAND)
    watcher.wait_until(lambda: command.get_subscription_count() > 0, 5.0)
    return command


def test_hold_ends_a_trajectory_until_the_next_reset(
    start: Start, watcher: Watcher, call: Client
) -> None:
    start()
    trajectory = call(Reset, "reset").trajectory
    command = commander(watcher)
    assert call(Trigger, "hold").success
    header = Header(frame_id=FRAME_BASE)
    command.publish(EndEffectorCommand(header=header, trajectory=trajectory, step=0))
    watcher.wait_until(lambda: bool(watcher.applied), 5.0)
    assert [message.status for _, message in watcher.applied] == [EndEffectorCommand.STATUS_STOPPED]
    assert call(Reset, "reset").trajectory == trajectory + 1


def test_a_command_for_an_old_trajectory_does_not_move_the_arm(
    start: Start, watcher: Watcher, call: Client
) -> None:
    start()
    old = call(Reset, "reset").trajectory
    new = call(Reset, "reset").trajectory
    command = commander(watcher)
    message = EndEffectorCommand(header=Header(frame_id=FRAME_BASE), step=0)
    message.displacement.x = 0.01
    message.trajectory = old
    command.publish(message)
    message.trajectory = new
    command.publish(message)
    watcher.wait_until(lambda: bool(watcher.applied), 5.0)
    watcher.wait_until(lambda: watcher.health("robot").startswith("holding"), 5.0)
    carried_out = [m for _, m in watcher.applied if m.status == EndEffectorCommand.STATUS_OK]
    assert [(m.trajectory, m.step) for m in carried_out] == [(new, 0)]


def test_a_command_in_another_frame_moves_nothing_and_ends_the_trajectory(
    start: Start, watcher: Watcher, call: Client
) -> None:
    start()
    trajectory = call(Reset, "reset").trajectory
    command = commander(watcher)
    message = EndEffectorCommand(header=Header(frame_id="camera"), trajectory=trajectory, step=0)
    message.displacement.x = 0.01
    command.publish(message)
    watcher.wait_until(lambda: bool(watcher.applied), 5.0)
    (stopped,) = [message for _, message in watcher.applied]
    assert stopped.status == EndEffectorCommand.STATUS_STOPPED
    assert stopped.reason == "a command in frame 'camera'; allowed: base"


def test_the_hidden_task_is_checked_and_the_earlier_one_stays(start: Start, call: Client) -> None:
    start()
    assert call(SetTask, "set_task", family="door", goal=[0.5]).success
    refused = call(SetTask, "set_task", family="door", goal=[3.0])
    assert not refused.success
    assert "angle in (0, 0.785398] rad" in refused.message
    unknown = call(GetOutcome, "task/get_outcome", trajectory=1, step=2)
    assert not unknown.known
    assert unknown.message == "step 2 of trajectory 1 was not judged, or is forgotten"


def test_parameters_are_described_and_read_only(start: Start, call: Client) -> None:
    start()
    names = ["mode", "command_timeout_s", "control_rate_hz"]
    described = call(DescribeParameters, "robot/describe_parameters", names=names).descriptors
    assert all(one.description and one.read_only for one in described)
    assert described[0].additional_constraints == "one of: lockstep, realtime"
    assert described[1].floating_point_range[0].to_value == 10.0
    change_it = Parameter(name="mode", value=ParameterValue(type=4, string_value="realtime"))
    (result,) = call(SetParameters, "robot/set_parameters", parameters=[change_it]).results
    assert not result.successful
