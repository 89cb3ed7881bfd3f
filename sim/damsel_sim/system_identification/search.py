"""The search for the arm that explains a recording: least squares, from the best of many starts.

Gauss-Newton within bounds by `mujoco.minimize`, with a Jacobian by finite differences: all
candidates are rows of one batched simulation. Huber's loss keeps outliers from counting more than
linearly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np
from mujoco import minimize
from numpy.typing import NDArray

from damsel_sim.arm_parameters import LIMITS, NOMINAL_ARM, ArmParameters
from damsel_sim.system_identification.replay import TICK_PERIOD_S, Replay

__all__ = [
    "BOUNDS",
    "MULTIPLES",
    "SCALES",
    "Found",
    "Huber",
    "Problem",
    "SearchCfg",
    "minimise",
    "search",
]

Array = NDArray[np.float64]

# Differences are taken over a part of these.
SCALES = {
    "friction": 0.02,
    "damping_scale": 1.0,
    "gain_scale": 1.0,
    "delay_s": 0.05,
    "smoothing_s": 0.05,
}
_DIFFERENCE = 0.02
# Searched by their logarithms.
MULTIPLES = ("damping_scale", "gain_scale")
# Without smoothing targets are taken as they are, which is no limit of less and less smoothing,
# because a set point that approaches them keeps the limits of acceleration.
_MOST_SMOOTHING_S = LIMITS["smoothing_s"][1]
BOUNDS = LIMITS | {"smoothing_s": (TICK_PERIOD_S, _MOST_SMOOTHING_S)}
_DAMPINGS = (0.4, 1.0, 2.5)
# Delay and smoothing can stand in for one another, and so can damping and gains, so the search
# begins at the best of these with and at the best without smoothing.
_STARTS = tuple(
    ArmParameters(
        friction=0.005,
        damping_scale=damping_scale,
        gain_scale=gain_scale,
        delay_s=delay_s,
        smoothing_s=smoothing_s,
    )
    for damping_scale, gain_scale, delay_s, smoothing_s in product(
        _DAMPINGS, (0.6, 1.0, 1.6), (0.0, 0.03, 0.06, 0.1, 0.15), (0.0, 0.02, 0.05)
    )
)
_STRIDE_S, _STRIDES = 0.01, 4
_HUBER = 2.0  # standard deviations
_NORMAL_MAD = 1.4826  # standard deviation of a normal distribution in median absolute deviations


@dataclass(frozen=True)
class SearchCfg:
    """Configuration of the search.

    Attributes:
        iterations: at most.
        tolerance: a search ends when a step is smaller than this, in typical sizes.
        noise_rad: least noise that is assumed of a measurement; that of an encoder with 14 bits.
    """

    iterations: int = 40
    tolerance: float = 1e-4
    noise_rad: float = 1e-4


class Problem(NamedTuple):
    """Residuals over the parameters of these names; a point has them in typical sizes."""

    replays: Sequence[Replay]
    names: tuple[str, ...]
    fixed: ArmParameters
    cfg: SearchCfg

    def point(self, values: Mapping[str, float] | ArmParameters) -> Array:
        """The point (parameters,) of an arm, or of values by name, within bounds."""
        given = vars(values) if isinstance(values, ArmParameters) else values
        return np.array([_scaled(name, np.clip(given[name], *BOUNDS[name])) for name in self.names])

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Lowest and highest point."""
        low, high = ({name: BOUNDS[name][side] for name in self.names} for side in (0, 1))
        return self.point(low), self.point(high)

    def arm(self, point: Array) -> ArmParameters:
        """The arm at a point (parameters,)."""
        values = {
            name: float(np.clip(_unscaled(name, one), *BOUNDS[name]))
            for name, one in zip(self.names, point, strict=True)
        }
        return replace(self.fixed, **values)

    def residuals(self, points: Array) -> Array:
        """Simulated less measured joints (m, n), radians, at points (parameters, n)."""
        arms = [self.arm(one) for one in points.T]
        return np.concatenate(
            [
                (replay.positions(arms) - replay.motion.positions)[:, replay.judged].reshape(
                    len(arms), -1
                )
                for replay in self.replays
            ],
            axis=1,
        ).T

    def linearised(self, point: Array) -> tuple[Array, Array]:
        """Residuals (m,) and their Jacobian (m, parameters)."""
        step = np.where(point + _DIFFERENCE > self.bounds[1], -_DIFFERENCE, _DIFFERENCE)
        points = point[:, None] + np.column_stack([np.zeros_like(step), np.diag(step)])
        found = self.residuals(points)
        return found[:, 0], (found[:, 1:] - found[:, :1]) / step

    def blocks(self, block_s: float) -> NDArray[np.int_]:
        """To which block (m,) of this many seconds a residual belongs."""
        numbers: list[NDArray[np.int_]] = []
        first = 0
        for replay in self.replays:
            block = (replay.motion.times_s[replay.judged] / block_s).astype(int)
            numbers.append(np.repeat(first + block, replay.motion.positions.shape[1]))
            first += int(block.max(initial=0)) + 1
        return np.concatenate(numbers)


def search(
    replays: Sequence[Replay], cfg: SearchCfg, progress: Callable[[str], object] = str
) -> Found:
    """Find the arm that explains recorded motions best.

    Args:
        replays: the recorded motions.
        cfg: configuration.
        progress: told what is known so far, in one line.
    """
    ends = [_from_best_start(replays, smooth, cfg, progress) for smooth in (False, True)]
    return _beyond(_best(ends), progress)


class Found(NamedTuple):
    """Where a search has ended.

    Attributes:
        problem: what was searched.
        arm: the arm there.
        deviation: typical residual there, radians.
    """

    problem: Problem
    arm: ArmParameters
    deviation: float

    def loss(self, norm: Huber) -> float:
        """How much the arm leaves over, by this norm."""
        return norm.value(self.problem.residuals(self.problem.point(self.arm)[:, None]))


def _from_best_start(
    replays: Sequence[Replay], smooth: bool, cfg: SearchCfg, progress: Callable[[str], object]
) -> Found:
    """An arm that smooths its targets, or one that does not."""
    names = tuple(name for name in SCALES if smooth or name != "smoothing_s")
    starts = [arm for arm in _STARTS if (arm.smoothing_s > 0) == smooth]
    problem = Problem(replays, names, NOMINAL_ARM, cfg)
    off = problem.residuals(np.array([problem.point(one) for one in starts]).T)
    start = int(np.argmin(np.abs(off).sum(axis=0)))
    first = minimise(problem, starts[start], _deviation(off[:, start], cfg), progress)
    # Outliers are told by what a better arm leaves over.
    return minimise(problem, first.arm, first.deviation, progress)


def _best(found: Sequence[Found]) -> Found:
    """The one with the least loss, by one measure of what is an outlier."""
    norm = Huber(min(one.deviation for one in found))
    return found[int(np.argmin([one.loss(norm) for one in found]))]


def _beyond(best: Found, progress: Callable[[str], object]) -> Found:
    """What is found by stepping over the ridges on which smoothing stands in for delay."""
    problem = best.problem
    for _ in range(_STRIDES):
        beside = [
            replace(
                best.arm,
                damping_scale=damping_scale,
                delay_s=float(np.clip(best.arm.delay_s + later_s, *BOUNDS["delay_s"])),
                smoothing_s=float(np.clip(best.arm.smoothing_s - later_s, 0.0, _MOST_SMOOTHING_S)),
            )
            for damping_scale, later_s in product(_DAMPINGS, (-_STRIDE_S, 0.0, _STRIDE_S))
        ]
        norm = Huber(best.deviation)
        losses = norm.values(problem.residuals(np.array([problem.point(one) for one in beside]).T))
        start = beside[int(np.argmin(losses))]
        before, best = best, _best([best, minimise(problem, start, best.deviation, progress)])
        if best is before:
            break
    return best


class Huber(minimize.Norm):  # type: ignore[misc]  # it has no types
    """Quadratic up to some standard deviations, linear beyond."""

    def __init__(self, deviation: float) -> None:
        self._bend = _HUBER * deviation

    def weights(self, residual: Array) -> Array:
        """Weight of each residual in a weighted sum of squares with the same slope."""
        weights: Array = np.minimum(1.0, self._bend / np.maximum(np.abs(residual), 1e-12))
        return weights

    def values(self, residuals: Array) -> Array:
        """The losses (n,) of residuals (m, n)."""
        size = np.abs(residuals)
        inner = np.minimum(size, self._bend)
        losses: Array = (inner * (size - 0.5 * inner)).sum(axis=0)
        return losses

    def value(self, r: Array) -> float:
        """The loss of residuals (m, 1); for `mujoco.minimize`."""
        return float(self.values(r).sum())

    def grad_hess(self, r: Array, proj: Array) -> tuple[Array, Array]:
        """Slope and curvature through a Jacobian (m, parameters); for `mujoco.minimize`."""
        weighted = proj * self.weights(r)
        return weighted.T @ r, weighted.T @ proj


def minimise(
    problem: Problem,
    start: ArmParameters,
    deviation: float,
    progress: Callable[[str], object],
) -> Found:
    """The best arm downhill from a start; `deviation` is what residuals typically are, radians."""

    def tell(trace: Sequence[minimize.IterLog]) -> None:
        arm = problem.arm(trace[-1].candidate.ravel())
        found = ", ".join(f"{name} {getattr(arm, name):.4g}" for name in problem.names)
        progress(f"iteration {len(trace) - 1}: loss {trace[-1].objective:.4g} with {found}")

    end, _ = minimize.least_squares(
        problem.point(start),
        problem.residuals,
        bounds=problem.bounds,
        jacobian=lambda point, _: problem.linearised(point.ravel())[1],
        norm=Huber(deviation),
        x_scale="jac",
        mu_min=1e-3,
        mu_factor=5.0,
        xtol=problem.cfg.tolerance,
        gtol=0.0,
        max_iter=problem.cfg.iterations,
        verbose=minimize.Verbosity.SILENT,
        iter_callback=tell,
    )
    residual = problem.residuals(end.reshape(-1, 1))
    return Found(problem, problem.arm(end.ravel()), _deviation(residual, problem.cfg))


def _deviation(residual: Array, cfg: SearchCfg) -> float:
    return max(_NORMAL_MAD * float(np.median(np.abs(residual))), cfg.noise_rad)


def _scaled(name: str, value: float) -> float:
    return float(np.log(value)) if name in MULTIPLES else value / SCALES[name]


def _unscaled(name: str, value: float) -> float:
    return float(np.exp(value)) if name in MULTIPLES else value * SCALES[name]
