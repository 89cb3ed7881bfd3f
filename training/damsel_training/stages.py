"""The stages of a run; see `damsel_training.run` for its folder."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from damsel.families import FAMILIES
from damsel.tasks import training_tasks
from damsel_training.checkpoints import resume, save_checkpoint
from damsel_training.damsel import MetaLearner
from damsel_training.dataset import ExpertDataset, collect_dataset
from damsel_training.distribution import Tell, Workers, run_jobs
from damsel_training.errors import DivergedError, MissingStageError
from damsel_training.expert_cfg import ExpertCfg
from damsel_training.experts import train_expert
from damsel_training.export import export_bundle
from damsel_training.metrics import Board, append_csv, rewind_csv
from damsel_training.progress import Progress
from damsel_training.run import RunCfg, RunFolder, TaskExpertsCfg, plain
from damsel_training.task_expert_stages import goal_experts, own_experts, task_experts
from damsel_training.workers import LocalWorkers, cores

__all__ = ["check_trained", "collect", "experts", "export", "meta"]


@dataclass(frozen=True)
class _ExpertJob:
    family: str
    cfg: ExpertCfg
    folder: Path
    seed: int


def experts(
    cfg: RunCfg,
    folder: RunFolder,
    progress: Progress,
    families: Sequence[str] = tuple(FAMILIES),
    workers: Workers | None = None,
) -> None:
    """Train the experts of some families, as many at a time as there are workers or cores."""
    if isinstance(cfg.experts, TaskExpertsCfg):
        task_experts(cfg.experts, cfg.seed, folder, progress, families, workers)
        return
    cfgs = cfg.experts
    bars = {name: progress.bar(f"expert {name}", cfgs[name].steps) for name in families}
    # The longest first, so that the others fill the gaps.
    order = sorted(families, key=lambda name: -cfgs[name].steps)
    seeds = cfg.expert_seeds
    jobs = {
        name: _ExpertJob(name, cfgs[name], folder.experts / name, seeds.get(name, cfg.seed))
        for name in order
    }
    run_jobs(
        _train_expert,
        jobs,
        workers or LocalWorkers(min(len(families), cores())),
        heard=lambda name, news: bars[name](*news),
    )


def _train_expert(job: _ExpertJob, tell: Tell) -> None:
    torch.set_num_threads(1)
    score = train_expert(
        job.family,
        job.cfg,
        job.folder.parent,
        job.seed,
        lambda done, total, note: tell((min(done, total), note)),
    )
    steps = job.cfg.steps
    tell(
        (
            steps,
            f"best: success {score.success:.0%}, strict {score.strict_success:.0%}, "
            f"peak force {score.peak_force:.0f} N",
        )
    )


def collect(cfg: RunCfg, folder: RunFolder, progress: Progress) -> None:
    """Store roll-outs of the experts (lines 1-2 of Algorithm 1)."""
    bar = progress.bar("collect", cfg.collect.rollouts)
    if folder.dataset.exists():
        bar(cfg.collect.rollouts, "there already")
        return
    dataset = collect_dataset(
        training_tasks(),
        own_experts(cfg, folder),
        cfg.collect,
        cfg.rng("collect"),
        lambda done: bar(done, ""),
        goal_experts(folder),
    )
    dataset.save(folder.dataset)


def meta(
    cfg: RunCfg,
    folder: RunFolder,
    progress: Progress,
    learner_class: type[MetaLearner] = MetaLearner,
) -> None:
    """Meta-train (lines 3-24 of Algorithm 1)."""
    bar = progress.bar("meta-train", cfg.damsel.iterations)
    if "OMP_NUM_THREADS" not in os.environ:  # which torch has followed already
        torch.set_num_threads(cores())
    torch.manual_seed(cfg.seed)
    folder.meta.mkdir(exist_ok=True)
    learner = learner_class(cfg.damsel, training_tasks(), goal_experts(folder), cfg.rng("meta"))
    table = folder.meta / "metrics.csv"
    if not resume(learner, folder.meta / "checkpoint.pt"):
        if not folder.dataset.exists():
            raise MissingStageError(
                f"no data set at {folder.dataset}; run `damsel-train collect` first"
            )
        learner.store(ExpertDataset.load(folder.dataset, len(learner.tasks), cfg.damsel.horizon))
    rewind_csv(table, "iteration", learner.iteration)
    bar(learner.iteration, "")
    with Board(folder.meta / "tensorboard", learner.iteration) as board:
        while learner.iteration < cfg.damsel.iterations:
            metrics = _iterate(learner, folder)
            board.write(learner.iteration, metrics)
            append_csv(table, {"iteration": float(learner.iteration)} | metrics)
            save_checkpoint(learner.state_dict(), folder.meta / "checkpoint.pt")
            last = max(cfg.damsel.collect_rounds - 1, 1)
            distances = ", ".join(
                f"{name} {metrics[f'final_distance_{last}/{name}']:.3f} {family.unit}"
                for name, family in FAMILIES.items()
            )
            bar(learner.iteration, f"imitation {metrics['loss/bc']:.3f}; distance {distances}")


def _iterate(learner: MetaLearner, folder: RunFolder) -> dict[str, float]:
    # A copy: the state's tensors are the learner's own, which training goes on to change.
    before = copy.deepcopy(learner.state_dict())
    try:
        losses = learner.train()
    except DivergedError as error:
        dump = folder.meta / "diverged.pt"
        save_checkpoint(before, dump)
        raise DivergedError(f"{error}; {dump} holds the state that replays it") from None
    return {f"loss/{name}": value for name, value in losses.items()} | learner.collect()


def check_trained(iteration: int, cfg: RunCfg, path: Path, command: str) -> None:
    """Refuse a meta-training that is not at its end.

    Args:
        iteration: how many it has done.
        cfg: how many it should do.
        path: its checkpoint.
        command: of `damsel-train`, that goes on with it.

    Raises:
        MissingStageError: it is not.
    """
    if iteration != cfg.damsel.iterations:
        raise MissingStageError(
            f"{path} is at iteration {iteration} of {cfg.damsel.iterations}; "
            f"run `damsel-train {command}` to finish it"
        )


def export(cfg: RunCfg, folder: RunFolder, command: str, output: Path | None = None) -> Path:
    """Write the bundle of the finished meta-training; returns its folder.

    Raises:
        MissingStageError: there is none, or it is not finished.
    """
    path = folder.meta / "checkpoint.pt"
    learner = MetaLearner(cfg.damsel, training_tasks(), {}, cfg.rng("export"))
    if not resume(learner, path):
        raise MissingStageError(f"no checkpoint at {path}; run `damsel-train meta` first")
    check_trained(learner.iteration, cfg, path, "meta")
    target = output or folder.bundle
    export_bundle(
        target,
        learner.encoder,
        learner.policy,
        learner.components,
        cfg.damsel,
        {
            "commit": folder.commit,
            "command": command,
            "seeds": {"run": cfg.seed}
            | {f"{family} expert": seed for family, seed in cfg.expert_seeds.items()},
            "experts": cfg.expert_kind,
            "configuration": plain(cfg),
        },
    )
    return target
