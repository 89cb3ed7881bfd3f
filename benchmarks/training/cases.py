"""What is timed: the gradient steps of each learning stage, on the shipped configuration.

Experts are stand-ins: an expert's answer is part of collecting data, not of a gradient step.
"""

from __future__ import annotations

import dataclasses
import resource
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from damsel.families import FAMILIES
from damsel.tasks import training_tasks
from damsel_training.baselines import pearl_cfg
from damsel_training.damsel import MetaLearner
from damsel_training.dataset import CollectCfg, collect_dataset
from damsel_training.pearl import Pearl
from damsel_training.run import PRESETS

__all__ = ["CASES", "Timed", "run_case"]

Array = NDArray[np.float64]

_STEPS = 10
_PRESET = "quick"


class Timed(NamedTuple):
    """Result of one case.

    Attributes:
        steps_per_second: gradient steps, one a round.
        peak_memory_mib: most memory that the case's process has held.
    """

    steps_per_second: list[float]
    peak_memory_mib: float


def _meta() -> Callable[[], object]:
    cfg = dataclasses.replace(PRESETS[_PRESET].damsel, training_steps=_STEPS)
    rng = np.random.default_rng(0)
    experts = dict.fromkeys(FAMILIES, _ahead)
    learner = MetaLearner(cfg, training_tasks(), experts, rng)
    learner.store(collect_dataset(learner.tasks, experts, CollectCfg(rollouts=1), rng))
    return learner.train


def _pearl() -> Callable[[], object]:
    cfg = dataclasses.replace(pearl_cfg(_PRESET), updates=_STEPS, first_trajectories=1)
    learner = Pearl(cfg, training_tasks(), np.random.default_rng(0))
    learner.collect()
    return learner.train


CASES: dict[str, Callable[[], Callable[[], object]]] = {
    "meta-training": _meta,
    "PEARL": _pearl,
}
"""By name, what makes a function that runs `_STEPS` gradient steps."""


def run_case(name: str, rounds: int, turn_s: float) -> Timed:
    """Time a case in this process, on one thread.

    Args:
        name: of the case.
        rounds: turns.
        turn_s: least duration of a turn, seconds.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    steps = CASES[name]()
    steps()
    rates = []
    for _ in range(rounds):
        started, made = time.perf_counter(), 0
        while made == 0 or time.perf_counter() - started < turn_s:
            steps()
            made += _STEPS
        rates.append(made / (time.perf_counter() - started))
    return Timed(rates, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _ahead(observation: Array, _goal: Array) -> Array:
    return np.tile([[0.5, 0.0, 0.0]], (len(observation), 1))
