"""A vectorised environment in which one goal-conditioned expert per family learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from damsel.control import joint_positions_for
from damsel.errors import InvalidConfigError
from damsel.families import FAMILIES, Family, for_every_family
from damsel.observation import (
    ACTION_DIM,
    BLOCK,
    DOOR_HANDLE,
    DRAWER_HANDLE,
    END_EFFECTOR,
    OBSERVATION_DIM,
)
from damsel.perception import rest_positions
from damsel.scene import HOME_JOINT_POSITIONS, WORKSPACE_HIGH_BASE, WORKSPACE_LOW_BASE
from damsel_sim.physics import TabletopPhysics
from damsel_sim.randomisation import RandomisationCfg, randomised_models
from damsel_training.bounds import require_counts, require_shares
from damsel_training.expert_reward import ExpertRewardCfg, grasp_point, reward_terms
from damsel_training.exploring_starts import ABOVE_BASE, AT_OBJECT_BASE

__all__ = ["ExpertEnv", "ExpertEnvCfg", "expert_observation", "expert_observation_dim"]

Array = NDArray[np.float64]

_CENTRE = np.concatenate([(WORKSPACE_LOW_BASE + WORKSPACE_HIGH_BASE) / 2, rest_positions()])
_START_BANK = 256

_COARSE_M = 0.1
_FINE_M = 0.02
_OBJECT = for_every_family("_OBJECT", {"push": BLOCK, "door": DOOR_HANDLE, "drawer": DRAWER_HANDLE})


@dataclass(frozen=True)
class ExpertEnvCfg:
    """Configuration.

    Attributes:
        rows: parallel copies.
        horizon: control steps of a trajectory.
        switch_probability: chance that a trajectory's goal changes on the way, so that the expert
            can also be led along way points.
        start_above_probability: chance that the tool starts anywhere above the objects.
        start_at_object_probability: chance that it starts where it can move its object at once.
        observation_noise_m: most noise in what the actor sees; each row's is drawn from 0 to this
            at the start of a trajectory, half of it constant throughout, half new every step.
        variants: scenes with randomised physics that the rows have in turn; 0 for none.
        randomisation: how they differ.
        reward: weights of the shaped reward.
    """

    rows: int = 64
    horizon: int = 100
    switch_probability: float = 0.3
    start_above_probability: float = 0.25
    start_at_object_probability: float = 0.25
    observation_noise_m: float = 0.0
    variants: int = 32
    randomisation: RandomisationCfg = field(default_factory=RandomisationCfg)
    reward: ExpertRewardCfg = field(default_factory=ExpertRewardCfg)

    def __post_init__(self) -> None:
        """Refuse what would be no environment."""
        require_counts(self, "rows", "horizon")
        require_shares(
            self, "switch_probability", "start_above_probability", "start_at_object_probability"
        )
        if self.start_above_probability + self.start_at_object_probability > 1:
            raise InvalidConfigError(
                f"start_above_probability is {self.start_above_probability:g} and "
                f"start_at_object_probability {self.start_at_object_probability:g}; allowed: at "
                "most 1 together"
            )


def expert_observation_dim(family: str) -> int:
    """Length of `expert_observation`."""
    return OBSERVATION_DIM + 4 * 3 + 4 * FAMILIES[family].goal_dim


def expert_observation(family: str, observation: Array, goal: Array) -> NDArray[np.float32]:
    """What an expert sees: the scene, its tool relative to the object, and what is left to do.

    Relative positions come at a coarse and at a fine scale: a gap of two centimetres or an error
    of five millimetres is too small for a network that sees only the whole table.

    Args:
        family: name of the family.
        observation: (n, 12), metres.
        goal: (n, goal_dim).

    Returns:
        (n, 24 + 4 goal_dim).
    """
    kind = FAMILIES[family]
    offset = observation[:, END_EFFECTOR] - observation[:, _OBJECT[family]]
    to_grasp = grasp_point(family, observation, goal) - observation[:, END_EFFECTOR]
    remaining = goal - kind.state(observation)
    direction = remaining / (np.linalg.norm(remaining, axis=1, keepdims=True) + 1e-2)
    span = np.asarray(kind.high) / 2
    return np.concatenate(
        [
            (observation - _CENTRE) / _COARSE_M,
            offset / _COARSE_M,
            np.tanh(offset / _FINE_M),
            to_grasp / _COARSE_M,
            np.tanh(to_grasp / _FINE_M),
            goal / span,
            direction,
            remaining / span,
            np.tanh(remaining / kind.strict_threshold),
        ],
        axis=1,
    ).astype(np.float32)


class ExpertEnv(VecEnv):
    """All rows run the same family with goals of their own and end together at the horizon.

    An observation is `expert_observation` through noise, followed by the same without, which is for
    the critics alone; see `damsel_training.privileged_policy`.
    """

    def __init__(self, family: str, cfg: ExpertEnvCfg, rng: np.random.Generator) -> None:
        self.family = family
        self.cfg = cfg
        self._kind = FAMILIES[family]
        self._rng = rng
        self._physics = TabletopPhysics(
            cfg.rows,
            variants=randomised_models(cfg.randomisation, cfg.variants, rng),
            arm=cfg.randomisation.arm,
        )
        self._actions = np.zeros((cfg.rows, ACTION_DIM))
        self._term_sums: dict[str, float] = {}
        self.last_terms: dict[str, float] = {}
        self._above = joint_positions_for(rng.uniform(*ABOVE_BASE, (_START_BANK, 3)))
        near = AT_OBJECT_BASE[family] + rng.uniform(-0.005, 0.005, (_START_BANK, 3))
        self._at_object = joint_positions_for(near)
        self._begin()
        super().__init__(
            cfg.rows,
            gymnasium.spaces.Box(
                -np.inf, np.inf, (2 * expert_observation_dim(family),), np.float32
            ),
            gymnasium.spaces.Box(-1.0, 1.0, (ACTION_DIM,), np.float32),
        )

    def _begin(self) -> None:
        rows = self.cfg.rows
        self._physics.reset(joint_positions=self._start_positions())
        self._step = 0
        self._noise_m = self._rng.uniform(0.0, self.cfg.observation_noise_m, rows)
        self._bias = self._rng.standard_normal((rows, OBSERVATION_DIM))
        self._goal = sample_goals(self._kind, rows, self._rng)
        self._next_goal = self._goal.copy()
        switching = self._rng.random(rows) < self.cfg.switch_probability
        self._goal[switching] *= self._rng.uniform(0.3, 1.0, (switching.sum(), 1))
        self._switch_step = np.where(
            switching, self._rng.integers(20, 70, rows), self.cfg.horizon + 1
        )

    def _start_positions(self) -> Array:
        """Joint positions (rows, 7): home, or drawn from the banks of exploring starts."""
        rows, cfg = self.cfg.rows, self.cfg
        joints = np.repeat(HOME_JOINT_POSITIONS[None], rows, axis=0)
        draw = self._rng.random(rows)
        above = draw < cfg.start_above_probability
        joints[above] = self._rng.choice(self._above, above.sum())
        at_object = draw > 1 - cfg.start_at_object_probability
        joints[at_object] = self._rng.choice(self._at_object, at_object.sum())
        return joints

    def _observe(self) -> NDArray[np.float32]:
        scale = self._noise_m[:, None]
        noise = scale * (self._bias + self._rng.standard_normal(self._bias.shape)) / np.sqrt(2)
        true = self._physics.observation()
        return np.concatenate(
            [expert_observation(self.family, one, self._goal) for one in (true + noise, true)],
            axis=1,
        )

    def reset(self) -> NDArray[np.float32]:
        """Start new trajectories in all rows."""
        self._begin()
        return self._observe()

    def step_async(self, actions: NDArray[np.float32]) -> None:
        """Keep the actions (n, 3) for `step_wait`."""
        self._actions = np.clip(actions, -1.0, 1.0).astype(np.float64)

    def step_wait(
        self,
    ) -> tuple[NDArray[np.float32], Array, NDArray[np.bool_], list[dict[str, Any]]]:
        """Run one control step; at the horizon all rows start anew."""
        step = self._physics.step(self._actions * self._physics.cfg.step_size_m)
        self._step += 1
        arriving = self._physics.observation()
        terms = reward_terms(
            self.cfg.reward,
            self.family,
            arriving,
            self._goal,
            self._actions,
            step.peak_contact_force,
        )
        for name, values in terms.items():
            self._term_sums[name] = self._term_sums.get(name, 0.0) + float(values.mean())
        reward = np.sum(list(terms.values()), axis=0)
        switch = self._step == self._switch_step
        self._goal[switch] = self._next_goal[switch]
        observation = self._observe()
        infos: list[dict[str, Any]] = [{} for _ in range(self.cfg.rows)]
        done = np.full(self.cfg.rows, self._step >= self.cfg.horizon)
        if done[0]:
            for row, info in enumerate(infos):
                info["TimeLimit.truncated"] = True
                info["terminal_observation"] = observation[row]
            self.last_terms, self._term_sums = self._term_sums, {}
            observation = self.reset()
        return observation, reward, done, infos

    def close(self) -> None:
        """Nothing to release."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute's value once a row, as Stable-Baselines3 asks for it."""
        del indices
        return [getattr(self, attr_name, None)] * self.cfg.rows

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Rows have no attributes of their own."""
        raise NotImplementedError("rows of ExpertEnv share their attributes")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Rows have no methods of their own."""
        del method_name, method_args, indices, method_kwargs
        raise NotImplementedError("rows of ExpertEnv share their methods")

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]], indices: Any = None
    ) -> list[bool]:
        """No row is wrapped."""
        del wrapper_class, indices
        return [False] * self.cfg.rows

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Goals come from the generator given to the constructor."""
        del seed
        return [None] * self.cfg.rows


def sample_goals(kind: Family, rows: int, rng: np.random.Generator) -> Array:
    """Goals (rows, goal_dim), uniform over the family's range."""
    return rng.uniform(kind.low, kind.high, (rows, kind.goal_dim))
