"""Evaluation of a bundle: Algorithm 2 on many tasks, beside two baselines that need no learning."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damsel.bundle import Bundle
from damsel.families import FAMILIES, Family
from damsel.results import AdaptationResult, TrajectoryResult
from damsel.tasks import Task, is_solved
from damsel_sim.adaptation import OfflineRun, adapt_offline
from damsel_sim.arm_parameters import ArmParameters
from damsel_sim.robot import SimulatedRobot
from damsel_training.distribution import Tell, Workers, run_jobs
from damsel_training.workers import LocalWorkers

__all__ = [
    "FamilySummary",
    "baselines",
    "best_constant_outcome",
    "evaluate",
    "result_of",
    "summary",
    "summary_table",
]


def result_of(run: OfflineRun, task: Task) -> AdaptationResult:
    """The record of one run."""
    trajectories = [
        TrajectoryResult(
            stage=record.stage,
            family=record.family,
            return_sum=total,
            final_distance=distance,
            latent=tuple(float(value) for value in record.latent),
        )
        for record, total, distance in zip(
            run.adaptation.records, run.returns, run.final_distances, strict=True
        )
    ]
    return AdaptationResult.of(
        task,
        str(run.adaptation.family),
        trajectories,
        steps=run.steps,
        wall_seconds=run.wall_seconds,
        peak_contact_force=run.peak_contact_force,
    )


@dataclass(frozen=True)
class _EvaluationJob:
    folder: Path  # the bundle's
    task: Task
    iterations: int
    arm: ArmParameters | None


def _evaluate_one(job: _EvaluationJob, _tell: Tell) -> AdaptationResult:
    robot = SimulatedRobot(arm=job.arm)
    run = adapt_offline(_load(job.folder), job.task, job.iterations, robot)
    return result_of(run, job.task)


_loaded: dict[Path, Bundle] = {}


def _load(path: Path) -> Bundle:
    if path not in _loaded:
        _loaded[path] = Bundle.load(path)
    return _loaded[path]


def evaluate(
    bundle_path: Path,
    tasks: Sequence[Task],
    iterations: int,
    workers: Workers | int = 1,
    progress: Callable[[int], object] = int,
    arm: ArmParameters | None = None,
) -> list[AdaptationResult]:
    """Adapt to every task; the order of results is that of the tasks, whatever the workers.

    Args:
        bundle_path: folder of the bundle.
        tasks: hidden tasks.
        iterations: K, most adaptation trajectories after the probes.
        workers: who does it, or how many processes of this machine; results do not depend on it.
        progress: told how many tasks are done.
        arm: the arm that is simulated; the nominal one by default.
    """
    jobs = {
        f"task {index}": _EvaluationJob(bundle_path, task, iterations, arm)
        for index, task in enumerate(tasks)
    }
    finished = itertools.count(1)
    if workers in (0, 1):
        results: list[AdaptationResult] = []
        for job in jobs.values():
            results.append(_evaluate_one(job, lambda _news: None))
            progress(next(finished))
        return results
    done = run_jobs(
        _evaluate_one,
        jobs,
        LocalWorkers(workers) if isinstance(workers, int) else workers,
        done=lambda _name, _result: progress(next(finished)),
    )
    return list(done.values())


class FamilySummary(NamedTuple):
    """Results of one family.

    Attributes:
        tasks: how many.
        identified: part whose family was inferred rightly.
        success: part solved by the last trajectory.
        strict_success: the same at the strict threshold.
        mean_distance: mean final distance, in the family's unit.
        mean_trajectories: mean number of adaptation trajectories used.
        peak_contact_force: newtons, largest over all tasks.
    """

    tasks: int
    identified: float
    success: float
    strict_success: float
    mean_distance: float
    mean_trajectories: float
    peak_contact_force: float


def summary(results: Sequence[AdaptationResult]) -> dict[str, FamilySummary]:
    """Summarise results by true family."""
    by_family: dict[str, list[AdaptationResult]] = {}
    for result in results:
        by_family.setdefault(result.family_true, []).append(result)
    return {
        name: FamilySummary(
            tasks=len(rows),
            identified=float(np.mean([row.family_inferred == name for row in rows])),
            success=float(np.mean([row.success for row in rows])),
            strict_success=float(np.mean([row.strict_success for row in rows])),
            mean_distance=float(np.mean([row.final_distance for row in rows])),
            mean_trajectories=float(
                np.mean([sum(t.stage == "adapt" for t in row.trajectories) for row in rows])
            ),
            peak_contact_force=max(row.peak_contact_force or 0.0 for row in rows),
        )
        for name, rows in by_family.items()
    }


def baselines(tasks: Sequence[Task], training: Sequence[Task]) -> dict[str, dict[str, float]]:
    """Success of doing nothing, and of the best constant outcome, by family.

    The constant outcome is the final state that solves most training tasks of the family, told
    the family: what a policy scores that pushes, opens or pulls to one place always.
    """
    scores: dict[str, dict[str, float]] = {}
    for name, family in FAMILIES.items():
        goals = np.array([task.goal for task in tasks if task.family == name])
        if not len(goals):
            continue
        task = Task(name, tuple(float(value) for value in goals[0]))
        best = best_constant_outcome(family, training)
        solved = np.linalg.norm(goals - best, axis=1) <= family.success_threshold
        scores[name] = {
            "nothing": float(np.mean([is_solved(float(np.linalg.norm(g)), task) for g in goals])),
            "best constant": float(solved.mean()),
        }
    return scores


def best_constant_outcome(family: Family, training: Sequence[Task]) -> NDArray[np.float64]:
    """The final state (goal_dim,) that solves most of a family's training tasks."""
    known = np.array([task.goal for task in training if task.family == family.name])
    axes = [np.linspace(low, high, 41) for low, high in zip(family.low, family.high, strict=True)]
    outcomes = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, family.goal_dim)
    solved = np.linalg.norm(outcomes[:, None] - known[None], axis=2) <= family.success_threshold
    best: NDArray[np.float64] = outcomes[int(solved.sum(axis=1).argmax())]
    return best


def summary_table(
    families: Mapping[str, FamilySummary], compared: Mapping[str, Mapping[str, float]]
) -> str:
    """The summary as aligned text."""
    head = (
        "family   tasks  identified  solved  strictly  do nothing  best constant"
        "  mean distance  trajectories  peak force"
    )
    lines = [head]
    for name, row in families.items():
        other = compared.get(name, {})
        lines.append(
            f"{name:<7}  {row.tasks:>5}  {row.identified:>10.1%}  {row.success:>6.1%}  "
            f"{row.strict_success:>8.1%}  {other.get('nothing', float('nan')):>10.1%}  "
            f"{other.get('best constant', float('nan')):>13.1%}  "
            f"{row.mean_distance:>10.4f} {FAMILIES[name].unit:<3}  "
            f"{row.mean_trajectories:>11.2f}  {row.peak_contact_force:>8.1f} N"
        )
    return "\n".join(lines)
