"""Batched roll-outs of a policy in simulation, one row a trajectory."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel_sim.physics import TabletopPhysics

__all__ = ["Rollouts", "roll_out"]

Array = NDArray[np.float64]


class Rollouts(NamedTuple):
    """Trajectories of T steps in n rows.

    Attributes:
        observations: (n, T + 1, 12), metres.
        actions: (n, T, 3) in [-1, 1], as applied after the safety layer.
        labels: (n, T, 3), what the policy asked for before noise.
        peak_contact_force: (n,), newtons.
    """

    observations: Array
    actions: Array
    labels: Array
    peak_contact_force: Array


def roll_out(
    physics: TabletopPhysics,
    act: Callable[[Array], Array],
    horizon: int,
    noise: Array | None = None,
    rng: np.random.Generator | None = None,
    watch: Callable[[Array, Array, Array], object] | None = None,
    starts: Array | None = None,
) -> Rollouts:
    """Run every row from the start for `horizon` steps.

    Args:
        physics: the scene; it is reset.
        act: maps observations (n, 12) to actions (n, 3) in [-1, 1].
        horizon: control steps.
        noise: (n,), standard deviation of the noise added to each row's executed actions.
        rng: source of the noise.
        watch: told of every step: observations before, actions as applied, observations after.
        starts: (n, 7), radians, joint positions to start from instead of home.
    """
    physics.reset(joint_positions=starts)
    step_size = physics.cfg.step_size_m
    observation = physics.observation()
    observations, actions, labels = [observation], [], []
    peak = np.zeros(physics.rows)
    for _ in range(horizon):
        label = act(observation)
        action = label
        if noise is not None and rng is not None:
            action = action + noise[:, None] * rng.standard_normal(action.shape)
        step = physics.step(np.clip(action, -1.0, 1.0) * step_size)
        observation = physics.observation()
        observations.append(observation)
        actions.append(step.applied / step_size)
        labels.append(label)
        if watch is not None:
            watch(observations[-2], actions[-1], observation)
        peak = np.maximum(peak, step.peak_contact_force)
    return Rollouts(
        np.stack(observations, axis=1), np.stack(actions, axis=1), np.stack(labels, axis=1), peak
    )
