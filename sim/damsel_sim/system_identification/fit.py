"""Least squares of joint trajectories over the free parameters of the simulated arm.

Levenberg-Marquardt with a Jacobian by finite differences: all candidates of an iteration, the
differences and the trial steps under several dampings, are rows of one batched simulation. Huber
weights keep outliers from counting more than linearly. Standard errors are cluster-robust (White
1980; Liang and Zeger 1986) over blocks of half a second, because what is left over of a trajectory
is not independent from one measurement to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel_sim.arm_parameters import LIMITS, NOMINAL_ARM, ArmParameters
from damsel_sim.system_identification.recording import InvalidRecordingError
from damsel_sim.system_identification.replay import TICK_PERIOD_S, Replay

__all__ = ["FitCfg", "FitResult", "fit"]

Array = NDArray[np.float64]

# Typical sizes; differences are taken over a part of them.
_SCALES = {
    "friction": 0.02,
    "damping_scale": 1.0,
    "gain_scale": 1.0,
    "delay_s": 0.05,
    "smoothing_s": 0.05,
}
_DIFFERENCE = 0.02
# Without smoothing targets are taken as they are, which is no limit of less and less smoothing,
# because a set point that approaches them keeps the limits of acceleration.
_BOUNDS = LIMITS | {"smoothing_s": (TICK_PERIOD_S, LIMITS["smoothing_s"][1])}
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
# Delay and smoothing can stand in for one another, so the search begins at the best of these with
# and at the best without smoothing.
_STARTS = tuple(
    ArmParameters(friction=0.005, delay_s=delay_s, smoothing_s=smoothing_s)
    for delay_s in (0.0, 0.03, 0.06, 0.1, 0.15)
    for smoothing_s in (0.0, 0.02, 0.05)
)
_HUBER = 2.0  # standard deviations
_NORMAL_MAD = 1.4826  # standard deviation of a normal distribution in median absolute deviations
_DAMPINGS = (1e-2, 1.0, 1e2)
_MOST_DAMPING = 1e8


@dataclass(frozen=True)
class FitCfg:
    """Configuration of the fit.

    Attributes:
        iterations: at most.
        search_tolerance: the search with and without smoothing ends when a step lowers the loss
            by less than this part of it.
        tolerance: the same of the fit that begins at the better of the two.
        least_motion_rad: a joint that moves less says nothing.
        noise_rad: least noise that is assumed of a measurement; that of an encoder with 14 bits.
        block_s: measurements closer together than this are not taken for independent.
        least_blocks: standard errors from fewer such blocks are too small to be believed.
        largest_error: largest standard error of what counts as identified, as a part of its value.
    """

    iterations: int = 40
    search_tolerance: float = 0.02
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
        arm: the parameters; what was not identified is nominal.
        standard_errors: by name, of what was.
        not_identified: by name, why the recording does not tell.
    """

    arm: ArmParameters
    standard_errors: Mapping[str, float]
    not_identified: Mapping[str, str]


class _Problem(NamedTuple):
    replays: Sequence[Replay]
    names: tuple[str, ...]
    fixed: ArmParameters
    cfg: FitCfg

    @property
    def scale(self) -> Array:
        return np.array([_SCALES[name] for name in self.names])

    @property
    def low(self) -> Array:
        return np.array([_BOUNDS[name][0] for name in self.names])

    @property
    def high(self) -> Array:
        return np.array([_BOUNDS[name][1] for name in self.names])

    def values_of(self, arm: ArmParameters) -> Array:
        values = np.array([getattr(arm, name) for name in self.names])
        clipped: Array = np.clip(values, self.low, self.high)
        return clipped

    def arm(self, values: Array) -> ArmParameters:
        return replace(self.fixed, **dict(zip(self.names, map(float, values), strict=True)))

    def residuals(self, values: Array) -> Array:
        """Simulated less measured joints (n, m), radians, of candidates (n, parameters)."""
        arms = [self.arm(one) for one in values]
        return np.concatenate(
            [
                (replay.positions(arms) - replay.motion.positions)[:, replay.judged].reshape(
                    len(arms), -1
                )
                for replay in self.replays
            ],
            axis=1,
        )

    def linearised(self, values: Array) -> tuple[Array, Array]:
        """Residuals (m,) and their Jacobian (m, parameters) in units of `scale`."""
        step = _DIFFERENCE * self.scale
        step = np.where(values + step > self.high, -step, step)
        found = self.residuals(values + np.vstack([np.zeros_like(step), np.diag(step)]))
        jacobian = (found[1:] - found[0]) / (step / self.scale)[:, None]
        return found[0], jacobian.T

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
        InvalidRecordingError: If the arm did not move, no parameter can be identified, or one is
            as large or small as is allowed, so that something else must be wrong.
    """
    cfg = cfg or FitCfg()
    _check_motion(replays, cfg)
    names, arm = min(
        (_searched(replays, smooth, cfg, progress) for smooth in (False, True)),
        key=lambda found: found.loss,
    )[:2]
    arm = _minimise(_Problem(replays, names, arm, cfg), arm, progress).arm
    not_identified: dict[str, str] = {}
    while names:
        _check_bounds([name for name in names if name == "delay_s"], arm)
        problem = _Problem(replays, names, arm, cfg)
        errors = _standard_errors(problem, arm)
        worst = max(errors, key=lambda name: errors[name] / _allowed_error(name, arm, cfg))
        allowed = _allowed_error(worst, arm, cfg)
        if errors[worst] <= allowed:
            _check_bounds(names, arm)
            return FitResult(arm, errors, not_identified)
        not_identified[worst] = (
            f"its standard error is {errors[worst]:.2g} at {getattr(arm, worst):.3g} "
            f"(allowed: {allowed:.2g})"
        )
        # The others are fitted anew without it.
        arm = replace(arm, **{worst: getattr(NOMINAL_ARM, worst)})
        names = tuple(name for name in names if name != worst)
        arm = _minimise(_Problem(replays, names, arm, cfg), arm, progress).arm
    raise InvalidRecordingError(
        "the recording tells none of the parameters; allowed: one in which the arm moves freely, "
        f"such as damsel-record --excite makes. If it does, {_CLOCKS}"
    )


def _check_bounds(names: Sequence[str], arm: ArmParameters) -> None:
    """Refuse an arm at the edge of what is allowed; whatever drove it there spoils the rest."""
    for name in names:
        value = getattr(arm, name)
        for which, bound in zip(("least", "most"), _BOUNDS[name], strict=True):
            if abs(value - bound) < _SMALL_ERRORS[name] and (name, which) not in _GOOD_BOUNDS:
                raise InvalidRecordingError(
                    f"{name} comes out as {value:.3g}, where the {which} that is allowed is "
                    f"{bound:g}, so something else is wrong; most likely clocks: {_CLOCKS}"
                )


class _Found(NamedTuple):
    names: tuple[str, ...]
    arm: ArmParameters
    loss: float


def _searched(
    replays: Sequence[Replay], smooth: bool, cfg: FitCfg, progress: Callable[[str], object]
) -> _Found:
    """The best arm that smooths its targets, or the best that does not."""
    names = tuple(name for name in _SCALES if smooth or name != "smoothing_s")
    starts = [arm for arm in _STARTS if (arm.smoothing_s > 0) == smooth]
    problem = _Problem(replays, names, NOMINAL_ARM, cfg)
    losses = (problem.residuals(np.array([problem.values_of(one) for one in starts])) ** 2).sum(
        axis=1
    )
    return _minimise(problem, starts[int(np.argmin(losses))], progress, cfg.search_tolerance)


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


def _minimise(
    problem: _Problem,
    start: ArmParameters,
    progress: Callable[[str], object],
    tolerance: float | None = None,
) -> _Found:
    values, damping = problem.values_of(start), 1e-2
    tolerance = problem.cfg.tolerance if tolerance is None else tolerance
    for iteration in range(problem.cfg.iterations):
        residual, jacobian = problem.linearised(values)
        weights = _huber_weights(residual)
        rms_rad = float(np.sqrt((residual**2).mean()))
        found = ", ".join(f"{n} {v:.4g}" for n, v in zip(problem.names, values, strict=True))
        progress(f"iteration {iteration}: {1000 * rms_rad:.3f} mrad left with {found}")
        weighted = jacobian * weights[:, None]
        curvature, slope = weighted.T @ jacobian, weighted.T @ residual
        loss = float(weights @ residual**2)
        while damping < _MOST_DAMPING:
            dampings = [damping * factor for factor in _DAMPINGS]
            steps = [
                np.linalg.lstsq(curvature + one * np.diag(np.diag(curvature)), -slope, rcond=None)[
                    0
                ]
                for one in dampings
            ]
            trials = np.clip(values + np.array(steps) * problem.scale, problem.low, problem.high)
            losses = (problem.residuals(trials) ** 2) @ weights
            best = int(np.argmin(losses))
            if losses[best] < loss:
                break
            damping *= _DAMPINGS[-1] / _DAMPINGS[0]
        else:
            break
        values, damping = trials[best], max(dampings[best], 1e-9)
        if losses[best] > (1 - tolerance) * loss:
            break
    loss = float((problem.residuals(values[None])[0] ** 2).sum())
    return _Found(problem.names, problem.arm(values), loss)


def _huber_weights(residual: Array) -> Array:
    deviation = _NORMAL_MAD * float(np.median(np.abs(residual))) + 1e-12
    weights: Array = np.minimum(1.0, _HUBER * deviation / np.maximum(np.abs(residual), 1e-12))
    return weights


def _standard_errors(problem: _Problem, arm: ArmParameters) -> dict[str, float]:
    residual, jacobian = problem.linearised(problem.values_of(arm))
    weights = _huber_weights(residual)
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
    return dict(zip(problem.names, map(float, np.sqrt(variance) * problem.scale), strict=True))
