"""Messages and arrays: nothing is lost, nothing is mixed up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from hypothesis import given
from hypothesis import strategies as st
from rcl_interfaces.msg import ParameterType, ParameterValue
from rclpy.serialization import deserialize_message, serialize_message

from damsel.adaptation import TrajectoryRecord
from damsel.errors import InvalidConfigError, RobotError
from damsel.observation import OBSERVATION_LAYOUT
from damsel_msgs.msg import EndEffectorCommand
from damsel_ros import conversions
from damsel_ros.adapt_effects import Progress
from damsel_ros.backends.base import AppliedStep, JointStates
from damsel_ros.events import Applied, Observed, Rewarded, Status

STAMP = Time(sec=3, nanosec=5)
NUMBERS = st.floats(allow_nan=False, width=64)
UINT32 = st.integers(0, 2**32 - 1)


def over_the_wire(message: object) -> object:
    return deserialize_message(serialize_message(message), type(message))


@given(st.lists(NUMBERS, min_size=12, max_size=12), UINT32, UINT32)
def test_an_observation_survives_the_wire_bit_for_bit(
    numbers: list[float], trajectory: int, step: int
) -> None:
    observed = Observed(trajectory, step, np.array(numbers))
    message = over_the_wire(conversions.observed_to_message(observed, STAMP))
    back = conversions.observed_from_message(message)
    assert (back.trajectory, back.step) == (trajectory, step)
    np.testing.assert_array_equal(back.observation, observed.observation)


def test_the_points_of_an_observation_are_those_of_the_layout() -> None:
    observed = Observed(1, 2, np.arange(12.0))
    message = conversions.observed_to_message(observed, STAMP)
    for index, name in enumerate(OBSERVATION_LAYOUT):
        point, axis = name.split(".")
        assert getattr(getattr(message, point), axis) == float(index)
    assert message.header.frame_id == "base"
    assert message.header.stamp == STAMP


@given(st.lists(NUMBERS, min_size=3, max_size=3), st.sampled_from(Status), st.booleans())
def test_what_became_of_a_command_survives_the_wire(
    numbers: list[float], status: Status, clipped: bool
) -> None:
    applied = AppliedStep(np.array(numbers), clipped, 1.5)
    event = Applied(7, 8, applied, status, "because")
    back = conversions.applied_from_message(
        over_the_wire(conversions.applied_to_message(event, STAMP))
    )
    assert (back.trajectory, back.step, back.status, back.reason) == (7, 8, status, "because")
    np.testing.assert_array_equal(back.applied.displacement_base, applied.displacement_base)
    assert back.applied.clipped == clipped
    assert back.applied.peak_contact_force_n == 1.5


def test_the_values_of_a_status_are_those_of_the_message() -> None:
    assert {status: status.value for status in Status} == {
        Status.OK: EndEffectorCommand.STATUS_OK,
        Status.HELD: EndEffectorCommand.STATUS_HELD,
        Status.STOPPED: EndEffectorCommand.STATUS_STOPPED,
    }


@pytest.mark.parametrize("reason", ["", "because"])
def test_a_status_that_is_unknown_is_a_stop(reason: str) -> None:
    applied = conversions.applied_from_message(EndEffectorCommand(status=7, reason=reason))
    assert (applied.status, applied.reason) == (
        Status.STOPPED,
        f"unknown status 7 {reason}".strip(),
    )


def test_a_reward_carries_the_stamp_of_what_it_judges() -> None:
    observation = conversions.observed_to_message(Observed(4, 5, np.zeros(12)), STAMP)
    message = conversions.reward_to_message(0.25, of=observation)
    assert message.header.stamp == STAMP
    assert conversions.rewarded_from_message(message) == Rewarded(4, 5, 0.25)


def test_a_progress_becomes_a_record() -> None:
    record = TrajectoryRecord("adapt", "door", 2, np.array([1.0, 2.0]), 0.25, 0.5)
    message = conversions.progress_to_message(Progress(record, 9, 100, finished=True))
    assert (message.stage, message.family, message.iteration) == ("adapt", "door", 2)
    assert (message.trajectory, message.steps) == (9, 100)
    assert (message.return_sum, message.average_return, message.last_reward) == (25.0, 0.25, 0.5)
    assert list(message.latent) == [1.0, 2.0]


def test_joint_states_and_diagnostics() -> None:
    states = JointStates(np.array([0.1, 0.2]), np.array([0.3, 0.4]))
    message = conversions.joint_states_to_message(states, names=("a", "b"), stamp=STAMP)
    assert list(message.name) == ["a", "b"]
    assert list(message.position) == [0.1, 0.2]
    assert list(message.velocity) == [0.3, 0.4]
    array = conversions.diagnostics_to_message(
        name="damsel: robot",
        hardware="sim",
        level=DiagnosticStatus.WARN,
        summary="holding",
        values={"step": "4"},
        stamp=STAMP,
    )
    (status,) = array.status
    assert (status.name, status.level, status.message) == (
        "damsel: robot",
        DiagnosticStatus.WARN,
        "holding",
    )
    assert [(value.key, value.value) for value in status.values] == [("step", "4")]


def describing() -> list[ParameterValue]:
    double, strings = ParameterType.PARAMETER_DOUBLE, ParameterType.PARAMETER_STRING_ARRAY
    return [
        ParameterValue(type=ParameterType.PARAMETER_STRING, string_value="sim"),
        ParameterValue(type=double, double_value=20.0),
        ParameterValue(type=double, double_value=0.01),
        ParameterValue(type=strings, string_array_value=["x", "y"]),
        ParameterValue(type=strings, string_array_value=["j0"]),
    ]


def test_a_robot_describes_itself_in_parameters() -> None:
    description = conversions.description_from_parameters(describing())
    assert (description.name, description.control_rate_hz) == ("sim", 20.0)
    assert math.isclose(description.control_period_s, 0.05)
    assert description.step_size_m == 0.01
    assert description.observation_layout == ("x", "y")
    assert description.joint_names == ("j0",)


@pytest.mark.parametrize("index", range(5))
def test_a_robot_that_leaves_something_out_is_refused(index: int) -> None:
    values = describing()
    values[index] = ParameterValue()
    with pytest.raises(RobotError, match="does not give its backend, control_rate_hz"):
        conversions.description_from_parameters(values)


def test_a_pose_comes_back_as_the_transform_that_it_was_made_of() -> None:
    turn = (0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5))
    message = conversions.pose_to_message((0.5, 0.1, -0.07), turn, Time(sec=7))
    assert (message.header.frame_id, message.header.stamp.sec) == ("base", 7)
    transform = conversions.transform_from_pose(message.pose)
    np.testing.assert_allclose(transform.apply(np.array([1.0, 0.0, 0.0])), [0.5, 1.1, -0.07])


def test_a_pose_that_was_never_filled_in_is_refused() -> None:
    # A new message has w = 1; a publisher in another language may have left it at 0.
    message = conversions.pose_to_message((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0), Time())
    with pytest.raises(InvalidConfigError, match="quaternion"):
        conversions.transform_from_pose(message.pose)


def test_a_stamp_is_seconds_of_its_clock() -> None:
    assert conversions.stamp_s(Time(sec=9, nanosec=900_000_000)) == pytest.approx(9.9)
