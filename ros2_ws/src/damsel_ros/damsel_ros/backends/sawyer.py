"""The physical Sawyer, through the Intera server next to it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from damsel.calibration import Calibration
from damsel.control import ControllerCfg
from damsel.errors import RobotError
from damsel.kinematics import JOINT_NAMES, end_effector_position
from damsel.observation import OBSERVATION_LAYOUT
from damsel.rigid import RigidTransform
from damsel_ros.backends.arm_link import ArmLink, Wish
from damsel_ros.backends.arm_motion import ArmMotion
from damsel_ros.backends.attended_reset import AttendedReset
from damsel_ros.backends.base import AppliedStep, JointStates, JointTick, RobotDescription
from damsel_ros.backends.marker_poses import MarkerPoses
from damsel_ros.backends.sawyer_cfg import SawyerCfg
from damsel_ros.backends.server_talk import connect_client
from damsel_ros.backends.standstill import Standstill
from damsel_ros.backends.state_guard import StateGuard

__all__ = ["SawyerBackend"]

Array = NDArray[np.float64]

_NOT_CONNECTED = "the Sawyer is not connected"


class SawyerBackend:
    """An `AttendedRobot`: the controller and the safety layer of training on a real arm."""

    def __init__(self, cfg: SawyerCfg, calibration: Calibration) -> None:
        """Make a backend that is not connected.

        Args:
            cfg: Where the server is, and every limit.
            calibration: Where cameras stand and markers stick.
        """
        self._cfg = cfg
        self._controller_cfg = ControllerCfg()
        self._description = RobotDescription(
            name="sawyer",
            control_rate_hz=1.0 / self._controller_cfg.control_period_s,
            step_size_m=self._controller_cfg.step_size_m,
            observation_layout=OBSERVATION_LAYOUT,
            joint_names=JOINT_NAMES,
        )
        self._poses = MarkerPoses(cfg.perception, calibration)
        self._standstill = Standstill()
        self._open_link: ArmLink | None = None
        self._open_reset: AttendedReset | None = None

    @property
    def description(self) -> RobotDescription:
        """What this robot observes and accepts."""
        return self._description

    def connect(self) -> None:
        """Greet the Intera server and hear the arm; nothing moves."""
        cfg = self._cfg
        client = connect_client(cfg.addresses, cfg.name, cfg.key)
        motion = ArmMotion(
            self._controller_cfg,
            cfg.return_motion,
            slow_velocity_fraction=cfg.slow_velocity_fraction,
            slow_acceleration_fraction=cfg.slow_acceleration_fraction,
        )
        try:
            link = ArmLink(
                client,
                motion,
                StateGuard(cfg.guard),
                self._standstill,
                period_s=self._controller_cfg.safety.tick_period_s,
                priority=cfg.realtime_priority,
            )
        except RobotError:
            client.close()
            raise
        # Connecting may take its time.
        self._standstill.forget()
        self._open_link = link
        self._open_reset = AttendedReset(
            link,
            self._poses,
            self._standstill,
            placement_tolerance_m=cfg.placement_tolerance_m,
            confirm_timeout_s=cfg.confirm_timeout_s,
        )

    def close(self) -> None:
        """Bring the arm to rest, give control back and disconnect."""
        link, self._open_link, self._open_reset = self._open_link, None, None
        if link is not None:
            link.close()

    def reset(self) -> None:
        """Begin the way back to the start; a person then puts the objects back."""
        self._reset.begin()

    def pending_reset(self) -> str:
        """Return what the reset waits for, in one line; empty when it is done."""
        return self._reset.poll(time.monotonic())

    def observe(self) -> Array:
        """Return the observation (12,) as of now: positions in frame `base`, metres.

        Raises:
            PerceptionError: If an object's position cannot be told.
            RobotError: If the arm has a fault.
        """
        link = self._link
        problem = link.fault or link.problem()
        if problem:
            raise RobotError(problem)
        end_effector = end_effector_position(link.measured()[0][None])[0]
        return np.concatenate([end_effector, self._poses.positions(time.monotonic())])

    def step(self, displacement_base: Array) -> AppliedStep:
        """Begin one control step and say at once what is applied."""
        if self._link.fault:
            raise RobotError(self._link.fault)
        applied, clipped = self._link.begin_step(displacement_base)
        return AppliedStep(applied, clipped, peak_contact_force_n=float("nan"))

    def hold(self) -> None:
        """Bring the arm to rest where it is and let go of it."""
        if self._open_reset is not None:
            self._open_reset.cancel()
        self._link.brake()

    def joint_states(self) -> JointStates:
        """Return the newest joint states."""
        return JointStates(*self._link.measured())

    def joint_ticks(self) -> Sequence[JointTick]:
        """Return the ticks since the last call; measurements carry the robot's own stamps."""
        return self._link.joint_ticks()

    def diagnostics(self) -> Mapping[str, str]:
        """Return how arm, link and perception are."""
        values = self._link.diagnostics()
        values["reset"] = self._reset.stage.value
        values["objects"] = self._poses.problem(time.monotonic()) or "seen"
        return values

    # An attended robot

    def beat(self) -> None:
        """Say that whoever asks for things does not stand still."""
        self._standstill.beat()

    @property
    def fault(self) -> str:
        """Why the arm must not move until it is enabled anew; empty if it may."""
        if self._open_link is None:
            return _NOT_CONNECTED
        return self._open_link.fault or self._open_link.problem()

    @property
    def prompt(self) -> str:
        """What a person is asked to do now; empty for nothing."""
        return "" if self._open_reset is None else self._open_reset.prompt

    def enable(self) -> None:
        """Begin to enable the arm, clearing faults and every earlier target."""
        self._reset.cancel()
        self._link.brake()
        stood_still = self._standstill.problem()
        if stood_still:
            raise RobotError(stood_still)
        self._link.wish(Wish.ENABLE)

    def pending_enable(self) -> str:
        """Return what enabling still waits for, in one line; empty when the arm is enabled."""
        if self._link.busy:
            return "the robot is being enabled"
        failure = self._link.wish_error or self._link.fault
        if failure:
            raise RobotError(failure)
        return ""

    def confirm_reset(self) -> None:
        """Take somebody's word that the objects are back, and look."""
        self._reset.confirm(time.monotonic())

    def see_object(self, name: str, frame_id: str, marker: RigidTransform, stamp_s: float) -> None:
        """Take the pose of an object's marker in a frame, stamped by the camera's own clock."""
        self._poses.see_marker(name, frame_id, marker, stamp_s, time.monotonic())

    def refuse_object(self, name: str, cause: str) -> None:
        """Keep why a pose of an object's marker cannot be one."""
        self._poses.refuse(name, cause)

    @property
    def _link(self) -> ArmLink:
        if self._open_link is None:
            raise RobotError(_NOT_CONNECTED)
        return self._open_link

    @property
    def _reset(self) -> AttendedReset:
        if self._open_reset is None:
            raise RobotError(_NOT_CONNECTED)
        return self._open_reset
