"""Puts together what the clients hear of robot and server."""

from __future__ import annotations

from dataclasses import replace

from damsel_intera.robot import RobotState
from damsel_intera.supervisor import Supervisor
from damsel_intera.wire import State

__all__ = ["StatusWriter"]


class StatusWriter:
    """Makes `State`s that are always finite, whatever the robot says."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._valid: RobotState | None = None

    def write(self, state: RobotState | None, now_s: float) -> State | None:
        """The message for now, or None while the robot has never sent a valid state.

        Joints that are not finite are replaced by the last that were; the hold's reason tells.
        """
        if state is not None and state.valid:
            self._valid = state
        valid = self._valid
        if state is None or valid is None:
            return None
        state = replace(
            state,
            joint_positions=valid.joint_positions,
            joint_velocities=valid.joint_velocities,
            joint_efforts=valid.joint_efforts,
        )
        supervisor = self._supervisor
        return State(
            joint_positions=state.joint_positions,
            joint_velocities=state.joint_velocities,
            joint_efforts=state.joint_efforts,
            endpoint_position=state.endpoint_position,
            endpoint_frame=state.endpoint_frame,
            enabled=state.enabled,
            stopped=state.stopped,
            error=state.error,
            homed=state.homed,
            ready=state.ready,
            collision=state.collision,
            collision_told=state.collision_told_s is not None
            and now_s - state.collision_told_s <= supervisor.cfg.collision_silent_s,
            estop_button=state.estop_button,
            estop_source=state.estop_source,
            robot_stamp_s=state.robot_stamp_s,
            robot_age_s=max(0.0, now_s - valid.received_s),
            activity=supervisor.activity,
            hold_reason=supervisor.hold_reason,
            lease_number=supervisor.lease.number if supervisor.lease else 0,
            last_sequence=supervisor.last_sequence,
            refused_count=supervisor.refused_count,
            last_refusal=supervisor.last_refusal,
        )
