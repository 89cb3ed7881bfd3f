"""Algorithm 2 offline: the same `Adaptation` object as in the ROS 2 node, on a simulated robot."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel.adaptation import Adaptation
from damsel.bundle import Bundle
from damsel.observation import OBSERVATION_LAYOUT, Trajectory, transition
from damsel.tasks import Task, distance, reward
from damsel_sim.robot import SimulatedRobot

__all__ = ["OfflineRun", "adapt_offline"]


class OfflineRun(NamedTuple):
    """What one adaptation did.

    Attributes:
        adaptation: the finished Algorithm 2, with its records.
        returns: sum of rewards, one a trajectory.
        final_distances: one a trajectory, in the family's unit.
        steps: control steps in all.
        peak_contact_force: newtons.
        wall_seconds: how long it took.
        states: physics states of each trajectory, (T + 1, nstate), if they were asked for.
    """

    adaptation: Adaptation
    returns: list[float]
    final_distances: list[float]
    steps: int
    peak_contact_force: float
    wall_seconds: float
    states: list[NDArray[np.float64]]


def adapt_offline(
    bundle: Bundle,
    task: Task,
    iterations: int,
    robot: SimulatedRobot | None = None,
    keep_states: bool = False,
) -> OfflineRun:
    """Let the bundle find out the task on a simulated robot.

    The goal is used for rewards and for the record only.

    Args:
        bundle: encoder and policy.
        task: the hidden task.
        iterations: K, most adaptation trajectories after the probes.
        robot: the arm; a new one by default.
        keep_states: whether to return the physics states, for pictures.
    """
    started = time.perf_counter()
    robot = robot or SimulatedRobot()
    bundle.check_robot(
        control_rate_hz=1 / robot.cfg.control_period_s,
        step_size_m=robot.cfg.step_size_m,
        observation_layout=OBSERVATION_LAYOUT,
    )
    adaptation = Adaptation(bundle, iterations)
    returns: list[float] = []
    distances: list[float] = []
    kept: list[NDArray[np.float64]] = []
    steps, peak = 0, 0.0
    while adaptation.request is not None:
        observation = robot.reset()
        observations, actions, rewards = [observation], [], []
        states = [robot.physics.state[0].copy()]
        for _ in range(bundle.horizon):
            action = adaptation.act(observation)
            result = robot.step(action * bundle.step_size_m)
            observation = result.observation
            observations.append(observation)
            actions.append(result.applied / bundle.step_size_m)
            rewards.append(float(reward(observation, task)))
            peak = max(peak, result.peak_contact_force)
            if keep_states:
                states.append(robot.physics.state[0].copy())
            adaptation.extend(transition(observations[-2], actions[-1], rewards[-1], observation))
            if adaptation.probe_told_enough:
                break
        steps += len(actions)
        returns.append(float(np.sum(rewards)))
        distances.append(float(distance(observation, task)))
        kept.append(np.stack(states))
        adaptation.receive(
            Trajectory(np.stack(observations), np.stack(actions), np.asarray(rewards))
        )
    return OfflineRun(
        adaptation,
        returns,
        distances,
        steps,
        peak,
        time.perf_counter() - started,
        kept if keep_states else [],
    )
