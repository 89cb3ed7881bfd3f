"""A run: its configuration, its folder, and the stages that lead from nothing to a bundle.

    <run>/run.yaml          the resolved configuration
    <run>/commit            the code that began it
    <run>/experts/<family>  best.pt, scores.json, tensorboard/; checkpoint.pt until done.json
    <run>/experts           with an expert a task: see `damsel_training.task_experts`
    <run>/dataset.npz       roll-outs of the experts
    <run>/meta              checkpoint.pt and the one before, metrics.csv, tensorboard/
    <run>/bundle            the model bundle
    <run>/evaluation.json   one record a task

What trains does nothing if its result is there, and goes on from its last checkpoint if it was
interrupted; the bundle is exported and evaluated anew.
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml

from damsel.errors import InvalidConfigError, brief
from damsel.families import FAMILIES
from damsel.safe_yaml import read_yaml
from damsel_sim.arm_parameters import ArmParameters
from damsel_sim.randomisation import RandomisationCfg
from damsel_training.damsel_cfg import DamselCfg
from damsel_training.dataset import CollectCfg
from damsel_training.distillation import DistillationCfg
from damsel_training.errors import MissingStageError, RunInUseError
from damsel_training.expert_cfg import ExpertCfg
from damsel_training.expert_env import ExpertEnvCfg
from damsel_training.files import written_whole
from damsel_training.hindsight_practice import PracticeCfg
from damsel_training.task_agents_cfg import TaskAgentsCfg

__all__ = ["PRESETS", "RunCfg", "RunFolder", "TaskExpertsCfg", "plain"]


_WithEnv = TypeVar("_WithEnv", ExpertCfg, TaskAgentsCfg)


@dataclass(frozen=True)
class TaskExpertsCfg:
    """An agent for each training task, as in the paper, and an expert for all goals from them.

    Attributes:
        agents: by family.
        distillation: into one goal-conditioned expert a family.
        practice: of that expert, on its own trajectories.
    """

    agents: Mapping[str, TaskAgentsCfg] = field(
        default_factory=lambda: {name: TaskAgentsCfg() for name in FAMILIES}
    )
    distillation: DistillationCfg = field(default_factory=DistillationCfg)
    practice: PracticeCfg = field(default_factory=PracticeCfg)


@dataclass(frozen=True)
class RunCfg:
    """Everything that a run depends on.

    Attributes:
        preset: the name it was asked for under.
        seed: of every stage, but of experts that have one of their own.
        experts: one goal-conditioned agent a family, by family; or one agent a training task.
        collect: the data set.
        damsel: meta-training.
        arm: the arm that is simulated, as fitted to recordings; None for the nominal one. Set it
            with `on_arm`, which tells every stage.
    """

    preset: str
    seed: int = 0
    experts: Mapping[str, ExpertCfg] | TaskExpertsCfg = field(
        default_factory=lambda: {name: ExpertCfg() for name in FAMILIES}
    )
    collect: CollectCfg = field(default_factory=CollectCfg)
    damsel: DamselCfg = field(default_factory=DamselCfg)
    arm: ArmParameters | None = None

    @property
    def expert_kind(self) -> str:
        """Who the experts are, in words."""
        if isinstance(self.experts, TaskExpertsCfg):
            return "a SAC agent a training task, distilled into a goal-conditioned expert a family"
        return "a goal-conditioned SAC agent a family"

    @property
    def expert_seeds(self) -> dict[str, int]:
        """Seeds of the experts whose seed is not the run's, by family."""
        if isinstance(self.experts, TaskExpertsCfg):
            return {}
        return {name: cfg.seed for name, cfg in self.experts.items() if cfg.seed is not None}

    def rng(self, stage: str) -> np.random.Generator:
        """The generator of a stage."""
        return np.random.default_rng([self.seed, *stage.encode()])

    def on_arm(self, arm: ArmParameters) -> RunCfg:
        """The same run on another arm, which physics are randomised around."""

        def around(cfg: RandomisationCfg) -> RandomisationCfg:
            return replace(cfg, arm=arm)

        def envs(
            cfgs: Mapping[str, _WithEnv],
        ) -> dict[str, _WithEnv]:
            return {
                name: replace(
                    cfg, env=replace(cfg.env, randomisation=around(cfg.env.randomisation))
                )
                for name, cfg in cfgs.items()
            }

        experts: Mapping[str, ExpertCfg] | TaskExpertsCfg
        if isinstance(self.experts, TaskExpertsCfg):
            distillation = self.experts.distillation
            experts = replace(
                self.experts,
                agents=envs(self.experts.agents),
                distillation=replace(
                    distillation, randomisation=around(distillation.randomisation)
                ),
            )
        else:
            experts = envs(self.experts)
        damsel = replace(self.damsel, randomisation=around(self.damsel.randomisation))
        collect = replace(self.collect, arm=arm)
        return replace(self, experts=experts, collect=collect, damsel=damsel, arm=arm)


_SMOKE_EXPERT = ExpertCfg(steps=6_400, evaluate_every=3_200, evaluation_goals=8)

_NOISY = ExpertEnvCfg(observation_noise_m=0.008)

PRESETS: dict[str, RunCfg] = {
    # A few seconds a stage: shows that the chain holds, learns nothing.
    "smoke": RunCfg(
        "smoke",
        experts=dict.fromkeys(FAMILIES, _SMOKE_EXPERT),
        collect=CollectCfg(rollouts=2),
        damsel=DamselCfg(iterations=2, training_steps=20, collect_rounds=2, kept_states=6),
    ),
    # Half an hour on two cores, somewhat more where the push expert takes more steps.
    "quick": RunCfg(
        "quick",
        # Noise makes hooks gentle, and pushes such that a policy which sees less can follow.
        experts=dict.fromkeys(FAMILIES, ExpertCfg(steps=200_000, env=_NOISY))
        | {"push": ExpertCfg(steps=300_000, extra_steps=300_000, env=_NOISY)},
        damsel=DamselCfg(iterations=24),
    ),
    # As in the paper: an expert for each of the 60 training tasks.
    "paper": RunCfg(
        "paper",
        experts=TaskExpertsCfg(
            # Pushes need the most updates, so their jobs come first.
            {"push": TaskAgentsCfg(trajectories=60, updates_per_step=8, env=_NOISY)}
            | {name: TaskAgentsCfg(env=_NOISY) for name in FAMILIES if name != "push"}
        ),
        damsel=DamselCfg(iterations=24),
    ),
}


class RunFolder:
    """Paths of a run's folder, and the lock that keeps it to one process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.experts = root / "experts"
        self.dataset = root / "dataset.npz"
        self.meta = root / "meta"
        self.bundle = root / "bundle"
        self.evaluation = root / "evaluation.json"
        self._commit = root / "commit"

    @property
    def commit(self) -> str:
        """The commit of the code that began the run, `+changes` if it was edited."""
        if not self._commit.exists():
            return "unknown"
        return self._commit.read_text(encoding="utf-8", errors="replace").strip()

    def exists(self) -> bool:
        """Whether a run was begun here."""
        return (self.root / "run.yaml").exists()

    @contextmanager
    def opened(self, cfg: RunCfg, first: str | None = None) -> Iterator[None]:
        """Hold the folder, and hold it to one configuration; the first to open it begins the run.

        Args:
            cfg: the configuration.
            first: given by those that only read: the command of `damsel-train` that begins the run
                they need.

        Raises:
            MissingStageError: there is no run, and this would only read one.
            RunInUseError: another process has it open.
            InvalidConfigError: it was begun with another configuration.
        """
        if first is not None and not self.exists():
            raise MissingStageError(f"{self.root} holds no run; run `damsel-train {first}` first")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = (self.root / ".lock").open("a", encoding="utf-8")
        except OSError as error:
            raise InvalidConfigError(
                f"{self.root} cannot be a run's folder: {error.strerror}"
            ) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RunInUseError(
                    f"{self.root} is in use by another run; wait for it or name another folder"
                ) from None
            self._hold_to(cfg)
            yield

    def _hold_to(self, cfg: RunCfg) -> None:
        path = self.root / "run.yaml"
        wanted = plain(cfg)
        if not path.exists():
            with written_whole(self._commit) as file:
                file.write(f"{_commit_now()}\n".encode())
            with written_whole(path) as file:
                file.write(yaml.safe_dump(wanted, sort_keys=False).encode())
            return
        found = read_yaml(path, "run configuration", InvalidConfigError)
        if found != wanted:
            raise other_configuration(self.root, found, wanted)


def plain(value: Any) -> Any:
    """A configuration as plain data that YAML can hold; fields that are None are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        entries = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {name: plain(entry) for name, entry in entries.items() if entry is not None}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value


def other_configuration(folder: Path, found: Any, wanted: Any) -> InvalidConfigError:
    """The error of a folder whose recorded configuration, as plain data, is not the one wanted."""
    if not isinstance(found, dict):
        return InvalidConfigError(
            f"the configuration that is recorded in {folder} is damaged; name another folder or "
            "delete it"
        )
    return InvalidConfigError(
        f"{folder} was begun with another configuration ({_difference(found, wanted)}); "
        "name another folder or delete it"
    )


def _difference(found: Any, wanted: Any, where: str = "") -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in [*wanted, *found]:
            if found.get(key) != wanted.get(key):
                return _difference(found.get(key), wanted.get(key), f"{where}.{key}".lstrip("."))
    return f"{where}: {brief(found)} there, {brief(wanted)} asked for"


def _commit_now() -> str:
    """The commit that this code is at, `+changes` if it was edited, `unknown` outside of git."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        ).stdout.strip()

    try:
        changed = git(
            "status", "--porcelain", "--untracked-files=no", "--", "..", "../../sim", "../../core"
        )
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
