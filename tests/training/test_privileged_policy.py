"""What the actor sees and what the critics are told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stable_baselines3 import SAC

from damsel_training.expert_env import (
    ExpertEnv,
    ExpertEnvCfg,
    expert_observation,
    expert_observation_dim,
)
from damsel_training.privileged_policy import PrivilegedPolicy

LENGTH = expert_observation_dim("push")


def environment(noise_m: float) -> ExpertEnv:
    cfg = ExpertEnvCfg(rows=4, variants=0, observation_noise_m=noise_m)
    return ExpertEnv("push", cfg, np.random.default_rng(0))


def test_the_critics_are_told_the_truth_and_the_actor_sees_through_noise() -> None:
    env = environment(0.01)
    seen, told = np.split(env.reset(), 2, axis=1)
    truth = expert_observation("push", env._physics.observation(), env._goal)
    assert np.array_equal(told, truth)
    assert np.abs(seen - told)[:, :12].std() > 0.01  # in units of 10 cm


def test_without_noise_both_are_the_same() -> None:
    seen, told = np.split(environment(0.0).reset(), 2, axis=1)
    assert np.array_equal(seen, told)


@pytest.mark.parametrize("half", [0, 1])
def test_each_depends_on_its_half_alone(half: int) -> None:
    model = SAC(PrivilegedPolicy, environment(0.0), seed=0, device="cpu")
    actor, critic, target = model.actor, model.critic, model.critic_target
    observation = torch.zeros(1, 2 * LENGTH)
    other = observation.clone()
    other[:, half * LENGTH : (half + 1) * LENGTH] = 1.0
    action = torch.zeros(1, 3)
    with torch.no_grad():
        acts_alike = torch.equal(
            actor(observation, deterministic=True), actor(other, deterministic=True)
        )
        judge_alike = [
            torch.equal(one(observation, action)[0], one(other, action)[0])
            for one in (critic, target)
        ]
    assert acts_alike == (half == 1)
    assert judge_alike == [half == 0] * 2
