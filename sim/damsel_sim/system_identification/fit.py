"""Least squares of joint trajectories over the free parameters of the simulated arm.

Gauss-Newton within bounds by `mujoco.minimize`, from the best of many starts, with a Jacobian by
finite differences: all candidates are rows of one batched simulation. Huber's loss keeps outliers
from counting more than linearly. Standard errors are cluster-robust (White 1980; Liang and Zeger
1986) over blocks of half a second, because what is left over of a trajectory is not independent
from one measurement to the next. They are those of all parameters together: what another one
could make up for is not identified.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np
from mujoco import minimize
from numpy.typing import NDArray

from damsel.kinematics import JOINT_NAMES
from damsel_sim.arm_parameters import LIMITS, NOMINAL_ARM, ArmParameters
from damsel_sim.system_identification.recording import InvalidRecordingError
from damsel_sim.system_identification.replay import TICK_PERIOD_S, Replay, gap

__all__ = ["FitCfg", "FitResult", "fit"]

Array = NDArray[np.float64]

# Differences are taken over a part of these.
_SCALES = {
    "friction": 0.02,
    "damping_scale": 1.0,
    "gain_scale": 1.0,
    "delay_s": 0.05,
    "smoothing_s": 0.05,
}
_DIFFERENCE = 0.02
# Searched by their logarithms.
_MULTIPLES = ("damping_scale", "gain_scale")
# Without smoothing targets are taken as they are, which is no limit of less and less smoothing,
# because a set point that approaches them keeps the limits of acceleration.
_MOST_SMOOTHING_S = LIMITS["smoothing_s"][1]
_BOUNDS = LIMITS | {"smoothing_s": (TICK_PERIOD_S, _MOST_SMOOTHING_S)}
# An arm without friction, and one without smoothing, are at a bound and well.
_GOOD_BOUNDS = (("friction", "least"), ("smoothing_s", "least"))
_CLOCKS = (
    "joint states are stamped by the robot's clock, targets by this computer's: see to it that "
    "both agree, which damsel-preflight checks, and record again"
)
# Standard errors below these are good enough, however small the value is.
_SMALL_ERRORS = {
    "friction": 0.001,
    "damping_scale": 0.05,
    "gain_scale": 0.02,
    "delay_s": 0.002,
    "smoothing_s": 0.002,
}
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
# A joint that is off by so many times what the others are in the median, and by so much.
_UNLIKE, _UNLIKE_RAD = 5.0, 0.02
_HUBER = 2.0  # standard deviations
_NORMAL_MAD = 1.4826  # standard deviation of a normal distribution in median absolute deviations
# What the simulated arm lacks of a real one need not show in residuals. On virtual arms in slow
# motion, parameters were off by up to twice as many of the errors that residuals tell.
_UNMODELLED = 3.0


@dataclass(frozen=True)
class FitCfg:
    """Configuration of the fit.

    Attributes:
        iterations: at most.
        searches: how many of the best starts, with smoothing and without, are followed.
        tolerance: a search ends when a step is smaller than this, in typical sizes.
        least_motion_rad: a joint that moves less says nothing.
        noise_rad: least noise that is assumed of a measurement; that of an encoder with 14 bits.
        block_s: measurements closer together than this are not taken for independent.
        least_blocks: standard errors from fewer such blocks are too small to be believed.
        largest_error: largest standard error of what counts as identified, as a part of its value.
    """

    iterations: int = 40
    searches: int = 1
    tolerance: float = 1e-4
    least_motion_rad: float = 0.02
    noise_rad: float = 1e-4
    block_s: float = 0.5
    least_blocks: int = 10
    largest_error: float = 0.1


@dataclass(frozen=True, eq=False)
class FitResult:
    """What was fitted.

    Attributes:
        arm: the parameters; what was not identified is as near to nominal as the recording lets
            it be, and the others are fitted to that.
        standard_errors: by name, of what was.
        not_identified: by name, why the recording does not tell.
    """

    arm: ArmParameters
    standard_errors: Mapping[str, float]
    not_identified: Mapping[str, str]


class _Problem(NamedTuple):
    """Residuals over the parameters of these names; a point has them in typical sizes."""

    replays: Sequence[Replay]
    names: tuple[str, ...]
    fixed: ArmParameters
    cfg: FitCfg

    def point(self, values: Mapping[str, float] | ArmParameters) -> Array:
        """The point (parameters,) of an arm, or of values by name, within bounds."""
        given = vars(values) if isinstance(values, ArmParameters) else values
        return np.array(
            [_scaled(name, np.clip(given[name], *_BOUNDS[name])) for name in self.names]
        )

    @property
    def bounds(self) -> tuple[Array, Array]:
        low, high = ({name: _BOUNDS[name][side] for name in self.names} for side in (0, 1))
        return self.point(low), self.point(high)

    def arm(self, point: Array) -> ArmParameters:
        values = {
            name: float(np.clip(_unscaled(name, one), *_BOUNDS[name]))
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

    def blocks(self) -> NDArray[np.int_]:
        """To which block (m,) a residual belongs."""
        numbers: list[NDArray[np.int_]] = []
        first = 0
        for replay in self.replays:
            block = (replay.motion.times_s[replay.judged] / self.cfg.block_s).astype(int)
            numbers.append(np.repeat(first + block, replay.motion.positions.shape[1]))
            first += int(block.max(initial=0)) + 1
        return np.concatenate(numbers)


def fit(
    replays: Sequence[Replay],
    cfg: FitCfg | None = None,
    progress: Callable[[str], object] = str,
) -> FitResult:
    """Fit all free parameters; what the recording does not tell stays nominal and is named.

    Args:
        replays: the recorded motions.
        cfg: configuration.
        progress: told what is known so far, in one line.

    Raises:
        InvalidRecordingError: If the arm did not move, a joint did something else than it was
            told, no parameter can be identified, or one is as large or small as is allowed, so
            that something else must be wrong.
    """
    cfg = cfg or FitCfg()
    _check_motion(replays, cfg)
    best = _best(
        [one for smooth in (False, True) for one in _searched(replays, smooth, cfg, progress)]
    )
    best = _beyond(best, progress)
    _check_joints(replays, best.arm)
    _check_bounds(["delay_s"], best.arm)
    errors = _standard_errors(best)
    allowed = {name: _allowed_error(name, best.arm, cfg) for name in errors}
    told = tuple(name for name in errors if errors[name] <= allowed[name])
    if not told:
        raise InvalidRecordingError(
            "the recording tells none of the parameters; allowed: one in which the arm moves "
            f"freely, such as damsel-record --excite makes. If it does, {_CLOCKS}"
        )
    _check_bounds(told, best.arm)
    arm = best.arm
    if len(told) < len(errors):
        nearest = {
            name: float(
                np.clip(
                    getattr(NOMINAL_ARM, name),
                    getattr(arm, name) - errors[name],
                    getattr(arm, name) + errors[name],
                )
            )
            for name in errors
            if name not in told
        }
        problem = _Problem(replays, told, replace(arm, **nearest), cfg)
        arm = _minimise(problem, arm, best.deviation, progress).arm
        _check_bounds(told, arm)
    return FitResult(
        arm,
        {name: errors[name] for name in told},
        {
            name: f"its standard error is {errors[name]:.2g} at {getattr(best.arm, name):.3g} "
            f"(allowed: {allowed[name]:.2g})"
            for name in errors
            if name not in told
        },
    )


def _check_joints(replays: Sequence[Replay], arm: ArmParameters) -> None:
    """Refuse a recording with a joint that does something else than it was told."""
    off_rad = gap(replays, arm).joint_rms_rad
    worst, others_rad = int(np.argmax(off_rad)), float(np.median(off_rad))
    if off_rad[worst] > max(_UNLIKE * others_rad, _UNLIKE_RAD):
        raise InvalidRecordingError(
            f"{JOINT_NAMES[worst]} does not do what it is told: even the best arm is "
            f"{off_rad[worst]:.3f} rad off (rms; the others {others_rad:.3f} in the median)"
        )


def _check_bounds(names: Sequence[str], arm: ArmParameters) -> None:
    """Refuse an arm at the edge of what is allowed; whatever drove it there spoils the rest."""
    for name in names:
        value = getattr(arm, name)
        for which, bound in zip(("least", "most"), _BOUNDS[name], strict=True):
            if abs(value - bound) < _SMALL_ERRORS[name] and (name, which) not in _GOOD_BOUNDS:
                wrong = f"most likely clocks: {_CLOCKS}"
                if name != "delay_s":
                    wrong = "are the recorded joints those that the arm was told?"
                raise InvalidRecordingError(
                    f"{name} comes out as {value:.3g}, where the {which} that is allowed is "
                    f"{bound:g}, so something else is wrong; {wrong}"
                )


class _Found(NamedTuple):
    """Where a search has ended.

    Attributes:
        problem: what was searched.
        arm: the arm there.
        deviation: typical residual there, radians.
    """

    problem: _Problem
    arm: ArmParameters
    deviation: float

    def loss(self, norm: _Huber) -> float:
        return norm.value(self.problem.residuals(self.problem.point(self.arm)[:, None]))


def _searched(
    replays: Sequence[Replay], smooth: bool, cfg: FitCfg, progress: Callable[[str], object]
) -> list[_Found]:
    """Arms that smooth their targets, or arms that do not, from the best starts."""
    names = tuple(name for name in _SCALES if smooth or name != "smoothing_s")
    starts = [arm for arm in _STARTS if (arm.smoothing_s > 0) == smooth]
    problem = _Problem(replays, names, NOMINAL_ARM, cfg)
    off = problem.residuals(np.array([problem.point(one) for one in starts]).T)
    found = []
    for start in np.argsort(np.abs(off).sum(axis=0))[: cfg.searches]:
        first = _minimise(problem, starts[start], _deviation(off[:, start], cfg), progress)
        # Outliers are told by what a better arm leaves over.
        found.append(_minimise(problem, first.arm, first.deviation, progress))
    return found


def _best(found: Sequence[_Found]) -> _Found:
    """The one with the least loss, by one measure of what is an outlier."""
    norm = _Huber(min(one.deviation for one in found))
    return found[int(np.argmin([one.loss(norm) for one in found]))]


def _beyond(best: _Found, progress: Callable[[str], object]) -> _Found:
    """What is found by stepping over the ridges on which smoothing stands in for delay."""
    problem = best.problem
    for _ in range(_STRIDES):
        beside = [
            replace(
                best.arm,
                damping_scale=damping_scale,
                delay_s=float(np.clip(best.arm.delay_s + later_s, *_BOUNDS["delay_s"])),
                smoothing_s=float(np.clip(best.arm.smoothing_s - later_s, 0.0, _MOST_SMOOTHING_S)),
            )
            for damping_scale, later_s in product(_DAMPINGS, (-_STRIDE_S, 0.0, _STRIDE_S))
        ]
        norm = _Huber(best.deviation)
        losses = norm.values(problem.residuals(np.array([problem.point(one) for one in beside]).T))
        ends = [
            _minimise(problem, beside[index], best.deviation, progress)
            for index in np.argsort(losses)[: problem.cfg.searches]
        ]
        before, best = best, _best([best, *ends])
        if best is before:
            break
    return best


def _check_motion(replays: Sequence[Replay], cfg: FitCfg) -> None:
    moved = np.max(
        [
            np.ptp(replay.motion.positions[replay.judged], axis=0)
            for replay in replays
            if replay.judged.any()
        ],
        axis=0,
        initial=0.0,
    )
    if np.max(moved, initial=0.0) < cfg.least_motion_rad:
        raise InvalidRecordingError(
            f"no joint moves by more than {np.max(moved, initial=0.0):.2g} rad in free space; "
            f"allowed: {cfg.least_motion_rad:g} rad or more, such as damsel-record --excite makes"
        )
    blocks = sum(
        len(np.unique(replay.motion.times_s[replay.judged] // cfg.block_s)) for replay in replays
    )
    if blocks < cfg.least_blocks:
        raise InvalidRecordingError(
            f"the arm moves in free space for {blocks * cfg.block_s:g} s; allowed: "
            f"{cfg.least_blocks * cfg.block_s:g} s or more, such as damsel-record --excite makes"
        )


def _allowed_error(name: str, arm: ArmParameters, cfg: FitCfg) -> float:
    value: float = getattr(arm, name)
    return max(_SMALL_ERRORS[name], cfg.largest_error * value)


class _Huber(minimize.Norm):  # type: ignore[misc]  # it has no types
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
        return float(self.values(r).sum())

    def grad_hess(self, r: Array, proj: Array) -> tuple[Array, Array]:
        weighted = proj * self.weights(r)
        return weighted.T @ r, weighted.T @ proj


def _minimise(
    problem: _Problem,
    start: ArmParameters,
    deviation: float,
    progress: Callable[[str], object],
) -> _Found:
    def tell(trace: Sequence[minimize.IterLog]) -> None:
        arm = problem.arm(trace[-1].candidate.ravel())
        found = ", ".join(f"{name} {getattr(arm, name):.4g}" for name in problem.names)
        progress(f"iteration {len(trace) - 1}: loss {trace[-1].objective:.4g} with {found}")

    end, _ = minimize.least_squares(
        problem.point(start),
        problem.residuals,
        bounds=problem.bounds,
        jacobian=lambda point, _: problem.linearised(point.ravel())[1],
        norm=_Huber(deviation),
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
    return _Found(problem, problem.arm(end.ravel()), _deviation(residual, problem.cfg))


def _deviation(residual: Array, cfg: FitCfg) -> float:
    return max(_NORMAL_MAD * float(np.median(np.abs(residual))), cfg.noise_rad)


def _scaled(name: str, value: float) -> float:
    return float(np.log(value)) if name in _MULTIPLES else value / _SCALES[name]


def _unscaled(name: str, value: float) -> float:
    return float(np.exp(value)) if name in _MULTIPLES else value * _SCALES[name]


def _standard_errors(found: _Found) -> dict[str, float]:
    problem = found.problem
    residual, jacobian = problem.linearised(problem.point(found.arm))
    weights = _Huber(found.deviation).weights(residual)
    weighted = jacobian * weights[:, None]
    curvature = weighted.T @ jacobian
    # What leaves every joint where it is has a curvature of zero; its error is then huge.
    least = 1e-15 * float(np.max(np.diag(curvature)))
    inverse = np.linalg.inv(curvature + least * np.eye(len(curvature)))
    _, blocks = np.unique(problem.blocks(), return_inverse=True)
    scores = np.zeros((int(blocks.max()) + 1, len(curvature)))
    np.add.at(scores, blocks, weighted * residual[:, None])
    # With the usual correction for few blocks.
    robust = inverse @ (scores.T @ scores) @ inverse * len(scores) / (len(scores) - 1)
    variance = np.maximum(np.diag(robust), problem.cfg.noise_rad**2 * np.diag(inverse))
    slopes = {
        name: getattr(found.arm, name) if name in _MULTIPLES else _SCALES[name]
        for name in problem.names
    }
    return {
        name: float(_UNMODELLED * np.sqrt(one) * slopes[name])
        for name, one in zip(problem.names, variance, strict=True)
    }
