"""All that a training by Stable-Baselines3's SAC depends on, so that it can go on bit for bit.

Its own `save` leaves out the replay buffer and every generator of random numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3 import SAC

__all__ = ["SacState"]

_REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


class SacState:
    """State of a SAC training at the beginning of new trajectories."""

    def __init__(self, model: SAC, env_rng: np.random.Generator) -> None:
        """Set up.

        Args:
            model: that learns, with a learned entropy coefficient.
            env_rng: generator of its environment, whose state is drawn anew by a reset.
        """
        self._model, self._env_rng = model, env_rng

    @property
    def steps(self) -> int:
        """Environment steps made, all rows together."""
        return self._model.num_timesteps

    @property
    def actor(self) -> torch.nn.Module:
        """The policy that learns."""
        return self._model.policy.actor

    def is_finite(self) -> bool:
        """Whether all weights are."""
        return all(
            bool(torch.isfinite(each).all())
            for each in (*self._model.policy.parameters(), self._log_entropy_coefficient)
        )

    def begin_trajectories(self) -> None:
        """Let all rows begin new trajectories."""
        assert self._model.env is not None
        observations = self._model.env.reset()
        assert isinstance(observations, np.ndarray)
        self._model._last_obs = observations

    def state_dict(self) -> dict[str, Any]:
        """To be taken just before `begin_trajectories`; see `load_state_dict`."""
        buffer = self._model.replay_buffer
        assert buffer is not None
        filled = buffer.size()
        return {
            "parameters": self._model.get_parameters(),
            "log_entropy_coefficient": self._log_entropy_coefficient.detach(),
            "steps": self.steps,
            "updates": self._model._n_updates,
            "replay": {name: torch.from_numpy(getattr(buffer, name)[:filled]) for name in _REPLAY},
            "replay_position": buffer.pos,
            "torch_rng": torch.get_rng_state(),
            "numpy_rng": np.random.get_state(legacy=False),  # noqa: NPY002 - the buffer draws by it
            "action_rng": self._model.action_space.np_random.bit_generator.state,
            "env_rng": self._env_rng.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly as the training that `state` was taken from would have.

        `SAC.learn` itself lets the rows begin new trajectories.
        """
        model, buffer = self._model, self._model.replay_buffer
        assert buffer is not None
        model.set_parameters(state["parameters"], device="cpu")
        with torch.no_grad():
            self._log_entropy_coefficient.copy_(state["log_entropy_coefficient"])
        model.num_timesteps, model._n_updates = state["steps"], state["updates"]
        for name, values in state["replay"].items():
            getattr(buffer, name)[: len(values)] = values.numpy()
        buffer.pos = state["replay_position"]
        buffer.full = len(state["replay"]["rewards"]) == buffer.buffer_size
        torch.set_rng_state(state["torch_rng"])
        np.random.set_state(state["numpy_rng"])  # noqa: NPY002
        model.action_space.np_random.bit_generator.state = state["action_rng"]
        self._env_rng.bit_generator.state = state["env_rng"]

    @property
    def _log_entropy_coefficient(self) -> torch.Tensor:
        assert self._model.log_ent_coef is not None
        return self._model.log_ent_coef
