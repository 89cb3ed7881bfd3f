"""The stages of a run with an expert a task, and who the experts of a run are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from damsel.families import FAMILIES
from damsel.tasks import Task, training_tasks
from damsel_training.dataset import ExpertPolicy
from damsel_training.distillation import DistilledExpert, distil_expert
from damsel_training.distribution import Tell, Workers, run_jobs
from damsel_training.expert_cfg import ExpertCfg
from damsel_training.expert_policy import Expert
from damsel_training.expert_score import evaluate_expert
from damsel_training.experts import environment_steps as learning_steps
from damsel_training.files import written_whole
from damsel_training.hindsight_practice import practise
from damsel_training.progress import Progress
from damsel_training.run import RunCfg, RunFolder, TaskExpertsCfg
from damsel_training.task_experts import (
    TaskExpertJob,
    TaskExperts,
    environment_steps,
    task_expert_jobs,
    train_task_experts,
    write_table,
)
from damsel_training.workers import LocalWorkers, cores

__all__ = ["distil", "expert_steps", "goal_experts", "own_experts", "task_experts"]

_DISTILLED = "distilled.pt"


def task_experts(
    cfg: TaskExpertsCfg,
    seed: int,
    folder: RunFolder,
    progress: Progress,
    families: Sequence[str] = tuple(FAMILIES),
    workers: Workers | None = None,
) -> None:
    """Train an agent for each training task of some families, on all workers or cores."""
    jobs = {
        name: job
        for family in families
        for name, job in _jobs(cfg, seed, family, folder.experts / family).items()
    }
    count = sum(len(job.tasks) for job in jobs.values())
    bar = progress.bar("task experts", count)
    at_work: dict[str, str] = {}
    trained: dict[str, int] = {}

    def show() -> None:
        bar(sum(trained.values()), "; ".join(f"{name}: {note}" for name, note in at_work.items()))

    def heard(name: str, note: str) -> None:
        at_work[name] = note
        show()

    def done(name: str, _result: None) -> None:
        at_work.pop(name, None)
        trained[name] = len(jobs[name].tasks)
        show()

    run_jobs(_train, jobs, workers or LocalWorkers(min(len(jobs), cores())), heard, done)
    # Of the other families as well, where an earlier command has trained them.
    every = [_jobs(cfg, seed, family, folder.experts / family) for family in FAMILIES]
    ended = [list(its.values()) for its in every if all(job.path.exists() for job in its.values())]
    scores = write_table([job for its in ended for job in its], folder.experts / "experts.csv")
    strict = sum(score.strict_success for score in scores)
    forces = [score.peak_force for score in scores]
    bar(
        count,
        f"{strict:.0f} of {len(scores)} strict on their own task; peak force "
        f"{np.median(forces):.0f} N (median), {max(forces):.0f} N (largest)",
    )


def _train(job: TaskExpertJob, tell: Tell) -> None:
    torch.set_num_threads(1)
    total = job.cfg.trajectories
    tell("begins")
    train_task_experts(job, lambda done, note: tell(f"trajectory {done} of {total}, {note}"))


@dataclass(frozen=True)
class _Distillation:
    family: str
    cfg: TaskExpertsCfg
    folder: Path
    seed: int


def distil(
    cfg: TaskExpertsCfg,
    seed: int,
    folder: RunFolder,
    progress: Progress,
    families: Sequence[str] = tuple(FAMILIES),
    workers: Workers | None = None,
) -> None:
    """Distil the agents of each family into a goal-conditioned expert, and score it."""
    rounds = cfg.distillation.rounds + cfg.practice.rounds
    bars = {name: progress.bar(f"distil {name}", rounds) for name in families}
    jobs = {name: _Distillation(name, cfg, folder.experts / name, seed) for name in families}
    run_jobs(
        _distil,
        jobs,
        workers or LocalWorkers(min(len(jobs), cores())),
        heard=lambda name, news: bars[name](*news),
    )


def _distil(job: _Distillation, tell: Tell) -> None:
    cfg, path = job.cfg.distillation, job.folder / _DISTILLED
    rounds = cfg.rounds + job.cfg.practice.rounds
    if path.exists():
        tell((rounds, "there already"))
        return
    torch.set_num_threads(1)
    experts = TaskExperts.load(list(_jobs(job.cfg, job.seed, job.family, job.folder).values()))
    rng = np.random.default_rng([job.seed, *job.family.encode()])
    expert = distil_expert(experts, cfg, rng, lambda done, note: tell((done, note)))
    practise(
        expert,
        job.cfg.practice,
        cfg.randomisation.arm,
        rng,
        lambda done, note: tell((cfg.rounds + done, note)),
    )
    score = evaluate_expert(expert, ExpertCfg(env=job.cfg.agents[job.family].env))
    with written_whole(path.with_suffix(".json")) as file:
        file.write(json.dumps(score._asdict(), indent=1).encode())
    expert.save(path)
    tell(
        (
            rounds,
            f"on fresh goals: success {score.success:.0%}, strict {score.strict_success:.0%}, "
            f"peak force {score.peak_force:.0f} N; disturbed {score.disturbed_success:.0%}, "
            f"{score.disturbed_force:.0f} N",
        )
    )


def goal_experts(folder: RunFolder) -> dict[str, ExpertPolicy]:
    """The run's experts for any goal, by family: distilled ones if there are, or SAC agents.

    Raises:
        MissingStageError: there are neither.
    """
    experts: dict[str, ExpertPolicy] = {}
    for family in FAMILIES:
        path = folder.experts / family / _DISTILLED
        experts[family] = (
            DistilledExpert.load(family, path)
            if path.exists()
            else Expert.load(family, folder.experts)
        )
    return experts


def own_experts(cfg: RunCfg, folder: RunFolder) -> dict[str, ExpertPolicy]:
    """The run's experts for its training tasks, by family: each task's own if there are any.

    Raises:
        MissingStageError: there are none.
    """
    if not isinstance(cfg.experts, TaskExpertsCfg):
        return goal_experts(folder)
    return {family: _load_task_experts(cfg.experts, folder, family) for family in FAMILIES}


def expert_steps(cfg: RunCfg, folder: RunFolder) -> int:
    """Control steps of simulation that a run's experts took: learning and choosing checkpoints."""
    if not isinstance(cfg.experts, TaskExpertsCfg):
        return sum(
            learning_steps(expert, folder.experts / family)
            for family, expert in cfg.experts.items()
        )
    distillation, practice = cfg.experts.distillation, cfg.experts.practice
    total = 0
    for family in FAMILIES:
        jobs = list(_jobs(cfg.experts, cfg.seed, family, folder.experts / family).values())
        total += environment_steps(jobs)
        rows = distillation.rows * len(_tasks_of(family))
        total += distillation.rounds * rows * distillation.horizon
        total += practice.rounds * practice.rows * practice.horizon
    return total


def _jobs(cfg: TaskExpertsCfg, seed: int, family: str, folder: Path) -> dict[str, TaskExpertJob]:
    return task_expert_jobs(_tasks_of(family), cfg.agents[family], folder, seed)


def _tasks_of(family: str) -> list[Task]:
    return [task for task in training_tasks() if task.family == family]


def _load_task_experts(cfg: TaskExpertsCfg, folder: RunFolder, family: str) -> TaskExperts:
    # Where files lie depends on no seed.
    return TaskExperts.load(list(_jobs(cfg, 0, family, folder.experts / family).values()))
