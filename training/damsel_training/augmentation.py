"""How a scene is seen in training: through noise, and off its place.

Noise is of another strength in every row, and none in half of them. Where all rows are noisy the
policy stalls in a simulation without noise: the mean of what the states around a contact ask for
may be to stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from damsel.observation import ACTION_DIM, OBSERVATION_DIM
from damsel_training.buffers import Steps

__all__ = ["SHIFTED_CONTEXT", "SHIFTED_OBSERVATION", "Augmentation"]

Array = NDArray[np.float64]

SHIFTED_OBSERVATION = np.tile(np.eye(2, 3), OBSERVATION_DIM // 3)
"""(2, 12): what a shift (2,) in x and y, in metres, adds to an observation."""
SHIFTED_CONTEXT = np.concatenate(
    [SHIFTED_OBSERVATION, np.zeros((2, ACTION_DIM + 1)), SHIFTED_OBSERVATION], axis=1
)
"""(2, 28): what it adds to a transition."""


class Augmentation:
    """Draws noise and shifts."""

    def __init__(self, noise_m: float, shift_m: float, rng: np.random.Generator) -> None:
        """Set up.

        Args:
            noise_m: most noise in a position, as a standard deviation in metres.
            shift_m: most shift in x and in y, in metres.
            rng: what to draw from.
        """
        self._noise_m, self._shift_m, self._rng = noise_m, shift_m, rng

    def shifts(self, rows: int) -> Array:
        """How far each row's scene is shifted in x and y, (rows, 2) in metres; half are not."""
        shift = self._rng.uniform(-self._shift_m, self._shift_m, (rows, 2))
        shift[self._rng.random(rows) < 0.5] = 0.0
        return shift

    def noise_strength(self, rows: int) -> Array:
        """Standard deviations (rows,) of observation noise, in metres."""
        strength = self._rng.uniform(0.0, self._noise_m, rows)
        return np.where(self._rng.random(rows) < 0.5, 0.0, strength)

    def noise(self, shape: tuple[int, ...]) -> Array:
        """Noise in metres of observations (M, ..., 12), of another strength in each row."""
        strength = self.noise_strength(shape[0])
        noise: Array = _by_row(strength, shape) * self._rng.standard_normal(shape, np.float32)
        return noise

    def noisy_steps(self, steps: Steps) -> Steps:
        """Steps (M, N, ...) as seen through noise, of one strength in a row."""
        before, after = np.moveaxis(
            self.noise((len(steps.before), 2, *steps.before.shape[1:])), 1, 0
        )
        return Steps(
            (steps.before + before).astype(np.float32),
            steps.action,
            (steps.after + after).astype(np.float32),
        )

    def look(self, observation: NDArray[np.floating[Any]], strength: Array) -> Array:
        """Observations (M, ..., 12) as seen through noise of given strengths (M,), in metres."""
        noise = self._rng.standard_normal(observation.shape)
        seen: Array = observation + _by_row(strength, observation.shape) * noise
        return seen


def _by_row(values: Array, shape: tuple[int, ...]) -> Array:
    return values.reshape(-1, *[1] * (len(shape) - 1))
