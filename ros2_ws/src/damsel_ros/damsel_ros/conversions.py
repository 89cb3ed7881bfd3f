"""Between messages and the arrays of the core; pure functions, one a message and direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, Vector3
from numpy.typing import NDArray
from rcl_interfaces.msg import ParameterType, ParameterValue
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from damsel.errors import RobotError
from damsel.observation import END_EFFECTOR, OBJECTS, OBSERVATION_DIM
from damsel.rigid import RigidTransform
from damsel_msgs.msg import EndEffectorCommand, Observation, Reward, TrajectoryRecord
from damsel_ros.adapt_effects import Progress
from damsel_ros.backends.base import AppliedStep, JointStates, RobotDescription
from damsel_ros.events import Applied, Observed, Rewarded, Status

__all__ = [
    "ADAPTING",
    "ADAPT_DIAGNOSTICS",
    "DESCRIBING_PARAMETERS",
    "FRAME_BASE",
    "ROBOT_DIAGNOSTICS",
    "applied_from_message",
    "applied_to_message",
    "command_to_message",
    "description_from_parameters",
    "diagnostics_to_message",
    "displacement_from_message",
    "joint_command_to_message",
    "joint_states_to_message",
    "observed_from_message",
    "observed_to_message",
    "pose_to_message",
    "progress_to_message",
    "reward_to_message",
    "rewarded_from_message",
    "stamp_s",
    "time_of",
    "transform_from_pose",
]

ADAPT_DIAGNOSTICS = "damsel: adapt"
"""Name under which the adapt node speaks on `/diagnostics`; an operator takes it as a heartbeat."""

ADAPTING = "adapting"
"""What the adapt node says there while an adaptation runs; its name is the `hardware_id`."""

ROBOT_DIAGNOSTICS = "damsel: robot"
"""Name under which the robot node speaks there."""

FRAME_BASE = "base"
"""Frame of every position and displacement (REP-103: metres, right-handed)."""

_DESCRIBING_TYPES = {
    "backend": ParameterType.PARAMETER_STRING,
    "control_rate_hz": ParameterType.PARAMETER_DOUBLE,
    "step_size_m": ParameterType.PARAMETER_DOUBLE,
    "observation_layout": ParameterType.PARAMETER_STRING_ARRAY,
    "joint_names": ParameterType.PARAMETER_STRING_ARRAY,
}

DESCRIBING_PARAMETERS = tuple(_DESCRIBING_TYPES)
"""Parameters in which the robot node says what it observes and accepts."""

_POINTS = {"end_effector": END_EFFECTOR, **OBJECTS}


def observed_to_message(observed: Observed, stamp: Time) -> Observation:
    """Return the message of an observation."""
    message = Observation(
        header=Header(stamp=stamp, frame_id=FRAME_BASE),
        trajectory=observed.trajectory,
        step=observed.step,
    )
    for name, where in _POINTS.items():
        x, y, z = observed.observation[where].tolist()
        setattr(message, name, Point(x=x, y=y, z=z))
    return message


def observed_from_message(message: Observation) -> Observed:
    """Return the observation that a message carries."""
    observation = np.full(OBSERVATION_DIM, np.nan)
    for name, where in _POINTS.items():
        point = getattr(message, name)
        observation[where] = point.x, point.y, point.z
    return Observed(message.trajectory, message.step, observation)


def command_to_message(
    displacement_base: NDArray[np.float64], *, trajectory: int, step: int, stamp: Time
) -> EndEffectorCommand:
    """Return the command of a displacement (3,) in metres, frame `base`."""
    x, y, z = displacement_base.tolist()
    return EndEffectorCommand(
        header=Header(stamp=stamp, frame_id=FRAME_BASE),
        trajectory=trajectory,
        step=step,
        displacement=Vector3(x=x, y=y, z=z),
    )


def displacement_from_message(message: EndEffectorCommand) -> NDArray[np.float64]:
    """Return the displacement (3,) in metres, frame `base`."""
    displacement = message.displacement
    return np.array([displacement.x, displacement.y, displacement.z])


def applied_to_message(event: Applied, stamp: Time) -> EndEffectorCommand:
    """Return the message that says what became of the command of a step."""
    message = command_to_message(
        event.applied.displacement_base,
        trajectory=event.trajectory,
        step=event.step,
        stamp=stamp,
    )
    message.status = event.status.value
    message.reason = event.reason
    message.clipped = event.applied.clipped
    message.peak_contact_force = event.applied.peak_contact_force_n
    return message


def applied_from_message(message: EndEffectorCommand) -> Applied:
    """Return what became of a command; a status that this version does not know means a stop."""
    applied = AppliedStep(
        displacement_base=displacement_from_message(message),
        clipped=message.clipped,
        peak_contact_force_n=message.peak_contact_force,
    )
    try:
        status, reason = Status(message.status), message.reason
    except ValueError:
        status, reason = Status.STOPPED, f"unknown status {message.status} {message.reason}".strip()
    return Applied(message.trajectory, message.step, applied, status, reason)


def reward_to_message(value: float, of: Observation) -> Reward:
    """Return the reward of an observation; its stamp is that of the observation."""
    return Reward(
        header=Header(stamp=of.header.stamp), trajectory=of.trajectory, step=of.step, value=value
    )


def rewarded_from_message(message: Reward) -> Rewarded:
    """Return the reward that a message carries."""
    return Rewarded(message.trajectory, message.step, message.value)


def progress_to_message(progress: Progress) -> TrajectoryRecord:
    """Return the record of a trajectory as far as it has come."""
    record = progress.record
    return TrajectoryRecord(
        stage=record.stage,
        family=record.family,
        iteration=record.iteration,
        trajectory=progress.trajectory,
        steps=progress.steps,
        return_sum=record.average_return * progress.steps,
        average_return=record.average_return,
        last_reward=record.last_reward,
        latent=record.latent.tolist(),
    )


def description_from_parameters(values: Sequence[ParameterValue]) -> RobotDescription:
    """Return what a robot node says of itself in `DESCRIBING_PARAMETERS`.

    Args:
        values: The values of these parameters, in that order.

    Raises:
        RobotError: If one is missing or has the wrong type.
    """
    if [value.type for value in values] != list(_DESCRIBING_TYPES.values()):
        raise RobotError(f"the robot node does not give its {', '.join(DESCRIBING_PARAMETERS)}")
    backend, control_rate_hz, step_size_m, observation_layout, joint_names = values
    return RobotDescription(
        name=backend.string_value,
        control_rate_hz=control_rate_hz.double_value,
        step_size_m=step_size_m.double_value,
        observation_layout=tuple(observation_layout.string_array_value),
        joint_names=tuple(joint_names.string_array_value),
    )


def joint_states_to_message(
    states: JointStates, *, names: Sequence[str], stamp: Time
) -> JointState:
    """Return the joint states (rad, rad/s) under the joints' names."""
    return JointState(
        header=Header(stamp=stamp),
        name=list(names),
        position=states.positions.tolist(),
        velocity=states.velocities.tolist(),
    )


def joint_command_to_message(
    targets: NDArray[np.float64], *, names: Sequence[str], stamp: Time
) -> JointState:
    """Return the joint targets (rad) under the joints' names; nothing was measured."""
    return JointState(header=Header(stamp=stamp), name=list(names), position=targets.tolist())


def diagnostics_to_message(
    *, name: str, hardware: str, level: bytes, summary: str, values: Mapping[str, str], stamp: Time
) -> DiagnosticArray:
    """Return a diagnostic of one component.

    Args:
        name: Name of the component, such as `damsel: robot`.
        hardware: What it speaks of.
        level: `DiagnosticStatus.OK`, `WARN` or `ERROR`.
        summary: One line.
        values: Further values by name.
        stamp: When they were taken.
    """
    status = DiagnosticStatus(
        level=level,
        name=name,
        message=summary,
        hardware_id=hardware,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )
    return DiagnosticArray(header=Header(stamp=stamp), status=[status])


def transform_from_pose(pose: Pose) -> RigidTransform:
    """Return the transform of a pose, metres.

    Raises:
        InvalidConfigError: If it is not finite or its quaternion was never filled in.
    """
    at, turn = pose.position, pose.orientation
    return RigidTransform.of((at.x, at.y, at.z), (turn.x, turn.y, turn.z, turn.w))


def pose_to_message(
    position_base: Sequence[float], quaternion: Sequence[float], stamp: Time
) -> PoseStamped:
    """Return the message of a pose in `base`: metres, and x, y, z, w."""
    at, turn = (list(map(float, numbers)) for numbers in (position_base, quaternion))
    message = PoseStamped(header=Header(stamp=stamp, frame_id=FRAME_BASE))
    message.pose.position = Point(x=at[0], y=at[1], z=at[2])
    message.pose.orientation = Quaternion(x=turn[0], y=turn[1], z=turn[2], w=turn[3])
    return message


def stamp_s(stamp: Time) -> float:
    """Return a stamp in seconds of the clock that made it."""
    return float(stamp.sec) + 1e-9 * float(stamp.nanosec)


def time_of(seconds: float) -> Time:
    """Return the stamp of a time in seconds since the epoch."""
    nanoseconds = round(1e9 * seconds)
    return Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
