"""What a recorded run tells of the free parameters of the simulated arm, and what it does not.

Standard errors are cluster-robust (White 1980; Liang and Zeger 1986) over blocks of half a second,
because what is left over of a trajectory is not independent from one measurement to the next. They
are those of all parameters together: what another one could make up for is not identified.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from damsel.kinematics import JOINT_NAMES
from damsel_sim.arm_parameters import NOMINAL_ARM, ArmParameters
from damsel_sim.system_identification.recording import InvalidRecordingError
from damsel_sim.system_identification.replay import Replay, gap
from damsel_sim.system_identification.search import (
    BOUNDS,
    MULTIPLES,
    SCALES,
    Found,
    Huber,
    Problem,
    SearchCfg,
    minimise,
    search,
)

__all__ = ["FitCfg", "FitResult", "fit"]

Array = NDArray[np.float64]

# An arm without friction, and one without smoothing, are at a bound and well.
_GOODBOUNDS = (("friction", "least"), ("smoothing_s", "least"))
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
# A joint that is off by so many times what the others are in the median, and by so much.
_UNLIKE, _UNLIKE_RAD = 5.0, 0.02
# What the simulated arm lacks of a real one need not show in residuals. On virtual arms in slow
# motion, parameters were off by up to twice as many of the errors that residuals tell.
_UNMODELLED = 3.0


@dataclass(frozen=True)
class FitCfg:
    """Configuration of the fit.

    Attributes:
        search: how the best arm is looked for.
        least_motion_rad: a joint that moves less says nothing.
        block_s: measurements closer together than this are not taken for independent.
        least_blocks: standard errors from fewer such blocks are too small to be believed.
        largest_error: largest standard error of what counts as identified, as a part of its value.
    """

    search: SearchCfg = field(default_factory=SearchCfg)
    least_motion_rad: float = 0.02
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


def fit(
    replays: Sequence[Replay],
    cfg: FitCfg | None = None,
    progress: Callable[[str], object] = str,
) -> FitResult:
    """Fit all free parameters; what the recording does not tell stays near nominal and is named.

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
    best = search(replays, cfg.search, progress)
    _check_joints(replays, best.arm)
    _check_bounds(["delay_s"], best.arm)
    errors = _standard_errors(best, cfg.block_s)
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
        problem = Problem(replays, told, replace(arm, **nearest), cfg.search)
        arm = minimise(problem, arm, best.deviation, progress).arm
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
        for which, bound in zip(("least", "most"), BOUNDS[name], strict=True):
            if abs(value - bound) < _SMALL_ERRORS[name] and (name, which) not in _GOODBOUNDS:
                wrong = f"most likely clocks: {_CLOCKS}"
                if name != "delay_s":
                    wrong = "are the recorded joints those that the arm was told?"
                raise InvalidRecordingError(
                    f"{name} comes out as {value:.3g}, where the {which} that is allowed is "
                    f"{bound:g}, so something else is wrong; {wrong}"
                )


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


def _standard_errors(found: Found, block_s: float) -> dict[str, float]:
    problem = found.problem
    residual, jacobian = problem.linearised(problem.point(found.arm))
    weights = Huber(found.deviation).weights(residual)
    weighted = jacobian * weights[:, None]
    curvature = weighted.T @ jacobian
    # What leaves every joint where it is has a curvature of zero; its error is then huge.
    least = 1e-15 * float(np.max(np.diag(curvature)))
    inverse = np.linalg.inv(curvature + least * np.eye(len(curvature)))
    _, blocks = np.unique(problem.blocks(block_s), return_inverse=True)
    scores = np.zeros((int(blocks.max()) + 1, len(curvature)))
    np.add.at(scores, blocks, weighted * residual[:, None])
    # With the usual correction for few blocks.
    robust = inverse @ (scores.T @ scores) @ inverse * len(scores) / (len(scores) - 1)
    variance = np.maximum(np.diag(robust), problem.cfg.noise_rad**2 * np.diag(inverse))
    slopes = {
        name: getattr(found.arm, name) if name in MULTIPLES else SCALES[name]
        for name in problem.names
    }
    return {
        name: float(_UNMODELLED * np.sqrt(one) * slopes[name])
        for name, one in zip(problem.names, variance, strict=True)
    }
