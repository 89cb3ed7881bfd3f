"""The experts of the training tasks: their training in jobs, their files, and what they do.

<run>/experts/<family>/<group>/agents.pt      the agents and scores of some tasks
<run>/experts/<family>/<group>/checkpoint.pt  until then
<run>/experts/experts.csv                     a line a task
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from damsel.families import FAMILIES
from damsel.observation import ACTION_DIM
from damsel.tasks import Task
from damsel_training.checkpoints import (
    delete_checkpoints,
    load_checkpoint,
    resume,
    save_checkpoint,
)
from damsel_training.errors import MissingStageError
from damsel_training.expert_env import expert_observation, expert_observation_dim
from damsel_training.expert_score import ExpertScore
from damsel_training.files import written_whole
from damsel_training.metrics import append_csv
from damsel_training.task_agents import TaskAgents
from damsel_training.task_agents_cfg import TaskAgentsCfg
from damsel_training.task_sac import Actors

__all__ = [
    "TaskExpertJob",
    "TaskExperts",
    "environment_steps",
    "task_expert_jobs",
    "train_task_experts",
    "write_table",
]

Array = NDArray[np.float64]
Report = Callable[[int, str], object]
"""Called with trajectories done and a line about how it goes."""


@dataclass(frozen=True)
class TaskExpertJob:
    """Some tasks of one family whose agents learn together.

    Attributes:
        tasks: what they are.
        cfg: hyper-parameters.
        folder: of checkpoint and result.
        seed: of networks and exploration.
    """

    tasks: tuple[Task, ...]
    cfg: TaskAgentsCfg
    folder: Path
    seed: int

    @property
    def path(self) -> Path:
        """Of the result."""
        return self.folder / "agents.pt"


class _Result(NamedTuple):
    tasks: list[Task]
    actors: Actors
    scores: list[ExpertScore]
    trajectories: int
    cpu_seconds: float


def task_expert_jobs(
    tasks: Sequence[Task], cfg: TaskAgentsCfg, folder: Path, seed: int
) -> dict[str, TaskExpertJob]:
    """Jobs by name that together train an expert for every task of one family.

    Args:
        tasks: of one family.
        cfg: hyper-parameters.
        folder: of the family.
        seed: of the run.
    """
    (family,) = {task.family for task in tasks}
    groups = -(-len(tasks) // cfg.tasks_together)
    jobs = {}
    for group in range(groups):
        own = tuple(tasks[group::groups])
        # Streams of random numbers that no other group of the family has, nor any of another seed.
        (drawn,) = np.random.SeedSequence([seed, group]).generate_state(1)
        jobs[f"{family}-{group}"] = TaskExpertJob(own, cfg, folder / str(group), int(drawn))
    return jobs


def train_task_experts(job: TaskExpertJob, report: Report) -> None:
    """Train the agents of a job, or go on from their last checkpoint; nothing if they are there."""
    if job.path.exists():
        return
    job.folder.mkdir(parents=True, exist_ok=True)
    checkpoint = job.folder / "checkpoint.pt"
    began_s = time.process_time()
    agents = TaskAgents(job.tasks, job.cfg, job.seed)
    resume(agents, checkpoint)
    spent_s = agents.cpu_seconds
    while not agents.done:
        agents.learn()
        if agents.trajectory % job.cfg.evaluate_every and not agents.done:
            continue
        agents.evaluate()
        agents.cpu_seconds = spent_s + time.process_time() - began_s
        save_checkpoint(agents.state_dict(), checkpoint)
        strict = sum(score.strict_success for score in agents.scores)
        report(agents.trajectory, f"{strict:.0f} of {len(job.tasks)} strict")
    result = {
        "tasks": [{"family": task.family, "goal": list(task.goal)} for task in job.tasks],
        "actors": agents.best.state_dict(),
        "scores": [score._asdict() for score in agents.scores],
        "trajectories": agents.trajectory,
        "cpu_seconds": agents.cpu_seconds,
    }
    with written_whole(job.path) as file:
        torch.save(result, file)
    delete_checkpoints(checkpoint)


class TaskExperts:
    """A family's experts, each for its own task."""

    def __init__(self, results: Sequence[_Result]) -> None:
        """Put the agents of several jobs side by side."""
        self.tasks = [task for result in results for task in result.tasks]
        (self.family,) = {task.family for task in self.tasks}
        self.goals = np.array([task.goal for task in self.tasks])
        self.scores = [score for result in results for score in result.scores]
        states = [result.actors.state_dict() for result in results]
        self._actors = Actors(
            len(self.tasks), expert_observation_dim(self.family), results[0].actors.width
        )
        self._actors.load_state_dict(
            {name: torch.cat([state[name] for state in states]) for name in states[0]}
        )

    @classmethod
    def load(cls, jobs: Sequence[TaskExpertJob]) -> TaskExperts:
        """Load what the jobs of a family have trained.

        Raises:
            MissingStageError: a job is not done.
        """
        return cls([_load(job) for job in jobs])

    def act(self, agents: NDArray[np.int64], observation: Array) -> Array:
        """Actions (n, 3) of the given agents (n,), for observations (n, 12)."""
        features = torch.as_tensor(expert_observation(self.family, observation, self.goals[agents]))
        # A batch an agent, as long as the longest.
        order = np.argsort(agents, kind="stable")
        counts = np.bincount(agents, minlength=len(self.tasks))
        place = np.arange(len(agents)) - np.repeat(np.cumsum(counts) - counts, counts)
        batch = torch.zeros(len(self.tasks), int(counts.max()), features.shape[-1])
        batch[agents[order], place] = features[order]
        with torch.no_grad():
            actions = self._actors.mode(batch).double().numpy()
        result = np.empty((len(agents), ACTION_DIM))
        result[order] = actions[agents[order], place]
        return result

    def __call__(self, observation: Array, goal: Array) -> Array:
        """Actions (n, 3) for observations (n, 12), each of the agent with the nearest goal.

        Args:
            observation: (n, 12).
            goal: (n, goal_dim), of training tasks.
        """
        gaps = np.linalg.norm(goal[:, None] - self.goals[None], axis=-1)
        return self.act(gaps.argmin(1), observation)


def write_table(jobs: Sequence[TaskExpertJob], path: Path) -> list[ExpertScore]:
    """Write a line a task: how its expert does on it, and what it cost; returns the scores."""
    staged = path.with_suffix(".partial")
    staged.unlink(missing_ok=True)
    scores = []
    for result in map(_load, jobs):
        for task, score in zip(result.tasks, result.scores, strict=True):
            scores.append(score)
            row: dict[str, object] = {
                "family": task.family,
                "goal": " ".join(f"{value:.4f}" for value in task.goal),
                "unit": FAMILIES[task.family].unit,
                **{name: f"{value:.4g}" for name, value in score._asdict().items()},
                "trajectories": result.trajectories,
                "cpu_seconds": f"{result.cpu_seconds / len(result.tasks):.1f}",
            }
            append_csv(staged, row)
    staged.replace(path)
    return scores


def environment_steps(jobs: Sequence[TaskExpertJob]) -> int:
    """Control steps of simulation that the agents of these jobs took, evaluations included."""
    total = 0
    for job in jobs:
        cfg, trajectories = job.cfg, _load(job).trajectories
        evaluations = -(-trajectories // cfg.evaluate_every)
        rows = trajectories * cfg.rows + evaluations * cfg.evaluation_rows
        total += rows * len(job.tasks) * cfg.env.horizon
    return total


def _load(job: TaskExpertJob) -> _Result:
    if not job.path.exists():
        raise MissingStageError(f"no experts at {job.path}; run `damsel-train experts` first")
    state: dict[str, Any] = load_checkpoint(job.path)
    tasks = [Task(task["family"], tuple(task["goal"])) for task in state["tasks"]]
    actors = Actors(len(tasks), expert_observation_dim(tasks[0].family), job.cfg.width)
    actors.load_state_dict(state["actors"])
    scores = [ExpertScore(**score) for score in state["scores"]]
    return _Result(tasks, actors, scores, state["trajectories"], state["cpu_seconds"])
