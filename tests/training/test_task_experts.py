"""An expert a task: agents that learn together and stay apart, jobs that go on, distillation."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from damsel.tasks import Task, training_tasks
from damsel_sim.arm_parameters import ArmParameters
from damsel_sim.physics import TabletopPhysics
from damsel_training.cli import main
from damsel_training.distillation import DistillationCfg, DistilledExpert, distil_expert
from damsel_training.distribution import Tell, run_jobs
from damsel_training.errors import InvalidDatasetError, MissingStageError
from damsel_training.expert_env import ExpertEnvCfg
from damsel_training.hindsight_practice import PracticeCfg
from damsel_training.progress import Progress
from damsel_training.run import PRESETS, RunFolder, TaskExpertsCfg
from damsel_training.task_agents import TaskAgents
from damsel_training.task_agents_cfg import TaskAgentsCfg
from damsel_training.task_expert_stages import task_experts
from damsel_training.task_experts import (
    TaskExpertJob,
    TaskExperts,
    environment_steps,
    task_expert_jobs,
    train_task_experts,
    write_table,
)
from damsel_training.task_sac import Batch, TaskSac
from damsel_training.workers import LocalWorkers

CFG = TaskAgentsCfg(
    tasks_together=2,
    rows=2,
    trajectories=3,
    evaluate_every=1,
    evaluation_rows=2,
    updates_per_step=1,
    batch_size=8,
    width=8,
    env=ExpertEnvCfg(horizon=8, variants=2),
)
DOORS = [task for task in training_tasks() if task.family == "door"]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As in a worker; many threads for such small products would only wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _batch(agents: int, size: int, seed: int) -> Batch:
    draw = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(agents, size, *shape, generator=draw) * 2 - 1

    return Batch(random(4), random(4), random(3), random(), random(4), random(4))


def _actions(sac: TaskSac) -> torch.Tensor:
    features = torch.linspace(-1, 1, 2 * 5 * 4).view(2, 5, 4)
    return sac.actors.mode(features).detach()


def test_agents_that_learn_together_do_not_influence_one_another() -> None:
    outcomes = []
    for seed in (1, 2):
        torch.manual_seed(0)
        sac = TaskSac(2, features=4, width=8, discount=0.9, target_rate=0.1)
        first, second = _batch(2, 6, seed=0), _batch(2, 6, seed=seed)
        # The first agent sees the same in both runs, the second does not.
        mixed = Batch(*(torch.stack([a[0], b[1]]) for a, b in zip(first, second, strict=True)))
        for _ in range(5):
            sac.update(mixed, learning_rate=1e-2)
        outcomes.append(_actions(sac))
    assert torch.equal(outcomes[0][0], outcomes[1][0])
    assert not torch.allclose(outcomes[0][1], outcomes[1][1])


def test_an_agent_learns_which_action_is_rewarded() -> None:
    """One step, no future: the mode goes to the best action, another one for each agent."""
    torch.manual_seed(0)
    sac = TaskSac(2, features=1, width=32, discount=0.0, target_rate=0.05)
    best = torch.tensor([[0.5, -0.5, 0.0], [-0.5, 0.0, 0.5]])
    features = torch.ones(2, 64, 1)
    for step in range(400):
        actions = torch.rand(2, 64, 3) * 2 - 1
        rewards = -10 * ((actions - best[:, None]) ** 2).sum(-1)
        batch = Batch(features, features, actions, rewards, features, features)
        sac.update(batch, learning_rate=1e-2 if step < 200 else 2e-3)
    error = (sac.actors.mode(features)[:, 0] - best).abs()
    assert error.mean(1).max() < 0.2


def test_critics_learn_from_what_was_there_and_actors_from_what_was_seen() -> None:
    critics, actions = [], []
    for seen in (-1.0, 1.0):
        torch.manual_seed(0)
        sac = TaskSac(2, features=4, width=8, discount=0.0, target_rate=0.1)
        batch = _batch(2, 6, seed=0)
        sac.update(batch._replace(seen=batch.seen + seen), learning_rate=1e-2)
        critics.append(sac.state_dict()["critics"]["weights.0"])
        actions.append(_actions(sac))
    assert torch.equal(*critics)
    assert not torch.allclose(*actions)


def test_the_density_of_squashed_actions_is_that_of_its_definition() -> None:
    torch.manual_seed(0)
    sac = TaskSac(1, features=4, width=8, discount=0.9, target_rate=0.1)
    features = torch.randn(1, 6, 4)
    actions, log_density = sac.actors.sample(features)
    mean, log_std = sac.actors(features).chunk(2, dim=-1)
    normal = torch.distributions.Normal(mean, log_std.exp())
    expected = normal.log_prob(torch.atanh(actions)) - torch.log(1 - actions**2)
    assert torch.allclose(log_density, expected.sum(-1), atol=1e-3)


def test_every_task_is_in_one_job() -> None:
    jobs = task_expert_jobs(DOORS, replace(CFG, tasks_together=10), Path("run"), seed=0)
    assert [len(job.tasks) for job in jobs.values()] == [10, 10]
    assert sorted(task.goal for job in jobs.values() for task in job.tasks) == sorted(
        task.goal for task in DOORS
    )


def test_interrupted_learning_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    def learned(resumed: bool) -> torch.Tensor:
        agents = TaskAgents(DOORS[:2], CFG, seed=0)
        agents.learn()
        if resumed:
            state = agents.state_dict()
            torch.save(state, tmp_path / "state.pt")
            torch.manual_seed(99)
            agents = TaskAgents(DOORS[:2], CFG, seed=1)
            agents.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=False))
        agents.learn()
        agents.evaluate()
        return torch.cat([p.detach().flatten() for p in agents.best.parameters()])

    assert torch.equal(learned(resumed=False), learned(resumed=True))


def _die_at_the_second_report(job: TaskExpertJob, tell: Tell) -> None:
    def report(done: int, _note: str) -> None:
        tell((os.getpid(), done))
        marker = job.folder / "died"
        if done == 2 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    train_task_experts(job, report)


@pytest.mark.slow
def test_a_killed_worker_costs_no_expert(tmp_path: Path) -> None:
    jobs = task_expert_jobs(DOORS[:4], CFG, tmp_path, seed=0)
    heard: list[tuple[str, int]] = []
    workers: set[int] = set()

    def hear(name: str, news: tuple[int, int]) -> None:
        workers.add(news[0])
        heard.append((name, news[1]))

    run_jobs(_die_at_the_second_report, jobs, LocalWorkers(1), hear)
    assert len(workers) == 3
    # Whoever takes over goes on with the third trajectory.
    assert [done for name, done in heard if name == "door-0" and done > 2] == [3]
    assert len([done for name, done in heard if name == "door-0" and done == 1]) == 1
    experts = TaskExperts.load(list(jobs.values()))
    assert len(experts.tasks) == 4


def test_experts_are_stored_scored_and_told_apart(tmp_path: Path) -> None:
    jobs = task_expert_jobs(DOORS[:3], CFG, tmp_path, seed=0)
    with pytest.raises(MissingStageError, match="run `damsel-train experts` first"):
        TaskExperts.load(list(jobs.values()))
    for job in jobs.values():
        train_task_experts(job, lambda _done, _note: None)
    stamps = [job.path.stat().st_mtime_ns for job in jobs.values()]
    for job in jobs.values():
        train_task_experts(job, lambda _done, _note: pytest.fail("it was done"))
    assert stamps == [job.path.stat().st_mtime_ns for job in jobs.values()]

    experts = TaskExperts.load(list(jobs.values()))
    observation = np.random.default_rng(0).normal(size=(5, 12))
    agents = np.array([2, 0, 2, 1, 2])
    together = experts.act(agents, observation)
    alone = [experts.act(agents[row : row + 1], observation[row : row + 1]) for row in range(5)]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-6)
    np.testing.assert_array_equal(together, experts(observation, experts.goals[agents]))

    scores = write_table(list(jobs.values()), tmp_path / "experts.csv")
    with (tmp_path / "experts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(scores) == 3
    assert {row["family"] for row in rows} == {"door"}
    trajectories = sum(int(row["trajectories"]) for row in rows)  # each followed by an evaluation
    assert environment_steps(list(jobs.values())) == (
        trajectories * (CFG.rows + CFG.evaluation_rows) * CFG.env.horizon
    )


class _Reaching(TaskExperts):
    """Agents whose action depends on the goal linearly."""

    def __init__(self, tasks: list[Task]) -> None:
        self.tasks, self.family = tasks, "door"
        self.goals = np.array([task.goal for task in tasks])

    def act(self, agents: np.ndarray, observation: np.ndarray) -> np.ndarray:
        del observation
        return np.repeat(self.goals[agents], 3, axis=1)


def test_a_distilled_expert_knows_goals_between_those_it_was_shown(tmp_path: Path) -> None:
    cfg = DistillationCfg(rounds=2, rows=1, horizon=10, training_steps=200, batch_size=64)
    expert = distil_expert(_Reaching(DOORS), cfg, np.random.default_rng(0))
    expert.save(tmp_path / "distilled.pt")
    expert = DistilledExpert.load("door", tmp_path / "distilled.pt")
    goals = np.array([[0.3], [0.5], [0.7]])
    observation = np.repeat(TabletopPhysics(1).observation(), 3, axis=0)
    np.testing.assert_allclose(expert(observation, goals), np.repeat(goals, 3, axis=1), atol=0.1)
    torch.save({"of": "something else"}, tmp_path / "distilled.pt")
    with pytest.raises(InvalidDatasetError, match=r"distilled\.pt is no distilled expert"):
        DistilledExpert.load("door", tmp_path / "distilled.pt")


@pytest.mark.slow
def test_the_paper_preset_runs_the_whole_chain_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    agents = replace(CFG, tasks_together=20, rows=1, trajectories=1, env=ExpertEnvCfg(variants=2))
    tiny = replace(
        PRESETS["smoke"],
        experts=TaskExpertsCfg(
            dict.fromkeys(("push", "door", "drawer"), agents),
            DistillationCfg(rounds=1, rows=1, training_steps=5),
            PracticeCfg(rounds=1, rows=4, training_steps=5),
        ),
    )
    monkeypatch.setitem(PRESETS, "paper", tiny)
    run = tmp_path / "run"
    command = ["all", "--preset", "paper", "--run", str(run)]
    assert main(command) == 0
    assert "task experts: 60/60" in capsys.readouterr().err
    assert len((run / "experts" / "experts.csv").read_text().splitlines()) == 61
    assert len(json.loads((run / "evaluation.json").read_text())) == 3
    assert "a SAC agent a training task" in (run / "bundle" / "bundle.yaml").read_text()
    stages = (run / "times.csv").read_text()
    assert all(name in stages for name in ("experts", "distillation", "collect", "meta"))
    made = (run / "experts" / "push" / "distilled.pt").stat().st_mtime_ns
    assert main(command) == 0
    assert (run / "experts" / "push" / "distilled.pt").stat().st_mtime_ns == made


@pytest.mark.slow
def test_the_table_of_experts_is_of_every_family_that_is_done(tmp_path: Path) -> None:
    agents = replace(CFG, tasks_together=20, rows=1, trajectories=1)
    cfg = TaskExpertsCfg(dict.fromkeys(("push", "door", "drawer"), agents))
    folder = RunFolder(tmp_path)
    for family in ("door", "push"):
        task_experts(cfg, 0, folder, Progress(), [family])
    lines = (folder.experts / "experts.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["push"] * 20 + ["door"] * 20


def test_another_arm_is_told_to_agents_and_distillation() -> None:
    arm = ArmParameters(delay_s=0.01)
    experts = PRESETS["paper"].on_arm(arm).experts
    assert isinstance(experts, TaskExpertsCfg)
    assert all(cfg.env.randomisation.arm == arm for cfg in experts.agents.values())
    assert experts.distillation.randomisation.arm == arm
