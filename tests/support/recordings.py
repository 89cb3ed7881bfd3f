"""Recordings of a virtual arm that differs from the nominal one, made without ROS."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from damsel.control import ControllerCfg, EndEffectorController
from damsel.excitation import ExcitationCfg, excitation_displacement
from damsel.kinematics import end_effector_position
from damsel_intera.virtual.arm import TICK_S, ArmPhysics, VirtualArm
from damsel_intera.virtual.commands import JointCommand, Mode
from damsel_sim.system_identification.recording import Recording

# Of a 14-bit encoder.
QUANTUM_RAD = 2 * np.pi / 2**14


def recorded_excitation(
    physics: ArmPhysics,
    seconds: float,
    rng: np.random.Generator,
    *,
    jitter_s: float = 0.001,
    quantum_rad: float = QUANTUM_RAD,
    displacement_at: Callable[[float], np.ndarray] | None = None,
) -> Recording:
    """A motion on a virtual arm, heard with quantised joints and unsteady stamps.

    It is the excitation, or what `displacement_at` asks for at times in seconds, (3,) metres.

    Delays come into effect at ticks of 10 ms, as those of the virtual arm do.
    """
    cfg, controller_cfg = ExcitationCfg(duration_s=seconds), ControllerCfg()
    arm, controller = VirtualArm(physics), EndEffectorController(controller_cfg)
    arm.set_point.speed_ratio = 1.0
    controller.reset(arm.joint_positions[None])
    start = end_effector_position(arm.joint_positions[None])[0]
    sent, targets, measured, positions = [], [], [], []
    steps = controller_cfg.ticks_per_step
    for tick in range(round(seconds / TICK_S)):
        now_s = TICK_S * tick
        if tick % steps == 0:
            joints = arm.joint_positions[None]
            moved = end_effector_position(joints)[0] - start
            period_s = controller_cfg.control_period_s
            if displacement_at is None:
                displacement = excitation_displacement(cfg, tick // steps, period_s, moved)
            else:
                displacement = displacement_at(now_s)
            controller.begin(displacement[None], joints)
        target = controller.tick(tick % steps)[0][0]
        arm.take(JointCommand(Mode.POSITION, target.copy(), now_s))
        arm.tick(now_s)
        sent.append(now_s)
        targets.append(target)
        measured.append(now_s + TICK_S)
        positions.append(arm.joint_positions)

    def unsteady(times: list[float]) -> np.ndarray:
        return np.array(times) + rng.uniform(0.0, jitter_s, len(times))

    return Recording(
        "a virtual arm",
        unsteady(sent),
        np.array(targets),
        unsteady(measured),
        np.round(np.array(positions) / quantum_rad) * quantum_rad,
    )
