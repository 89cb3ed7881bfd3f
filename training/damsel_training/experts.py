"""Line 1 of Algorithm 1: one goal-conditioned SAC expert per family.

Stable-Baselines3 learns; this module feeds it the batched simulation, measures the deterministic
policy on fixed goals as it goes, keeps the best one, and can be interrupted at any time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure

from damsel.families import FAMILIES
from damsel_sim.physics import TabletopPhysics
from damsel_sim.randomisation import randomised_models
from damsel_training.errors import MissingStageError
from damsel_training.expert_env import ExpertEnv, ExpertEnvCfg, expert_observation, sample_goals
from damsel_training.rollouts import Rollouts, roll_out

__all__ = ["Expert", "ExpertCfg", "ExpertScore", "evaluate_expert", "train_expert"]

Array = NDArray[np.float64]
Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and a line about how it goes."""


@dataclass(frozen=True)
class ExpertCfg:
    """Hyper-parameters of an expert.

    Attributes:
        steps: environment steps, all rows together.
        evaluate_every: environment steps between evaluations and checkpoints.
        evaluation_goals: goals in each evaluation.
        updates_per_step: gradient steps for one step of all rows.
        batch_size: transitions in a gradient step.
        learning_rate: of Adam at the start; falls linearly to three tenths.
        discount: gamma.
        target_rate: tau of the target networks.
        width: units in each of two hidden layers.
        buffer_size: transitions kept.
        env: environment and shaped reward.
    """

    steps: int = 220_000
    evaluate_every: int = 19_200
    evaluation_goals: int = 64
    updates_per_step: int = 4
    batch_size: int = 256
    learning_rate: float = 1e-3
    discount: float = 0.97
    target_rate: float = 0.01
    width: int = 128
    buffer_size: int = 300_000
    env: ExpertEnvCfg = field(default_factory=ExpertEnvCfg)


class ExpertScore(NamedTuple):
    """How a deterministic expert does on fixed goals.

    Attributes:
        success: part of the goals solved at the end.
        strict_success: the same at the strict threshold.
        distance: mean final distance, in the family's unit.
        peak_force: newtons, largest contact force in any trajectory.
        disturbed_success: strict success where physics are randomised and observations noisy.
        disturbed_force: newtons, peak contact force that one trajectory in twenty exceeds there.
    """

    success: float
    strict_success: float
    distance: float
    peak_force: float
    disturbed_success: float
    disturbed_force: float

    @property
    def merit(self) -> float:
        """What the best checkpoint has most of: accuracy with gentle hands, disturbed or not."""
        pressed = sum(max(0.0, f - 25.0) / 20.0 for f in (self.peak_force, self.disturbed_force))
        return self.success + self.strict_success + self.disturbed_success - pressed

    @classmethod
    def none(cls) -> ExpertScore:
        """The score of no expert at all."""
        return cls(0.0, 0.0, np.inf, np.inf, 0.0, np.inf)


class Expert:
    """A trained expert's deterministic policy."""

    def __init__(self, family: str, model: SAC) -> None:
        self.family = family
        self._actor = model.actor

    @classmethod
    def load(cls, family: str, folder: Path) -> Expert:
        """Load the best checkpoint of a family.

        Raises:
            MissingStageError: there is none.
        """
        path = folder / family / "best.zip"
        if not path.exists():
            raise MissingStageError(
                f"no expert for {family} in {folder}; run `damsel-train experts` first"
            )
        return cls(family, SAC.load(path, device="cpu"))

    def __call__(self, observation: Array, goal: Array) -> Array:
        """Actions (n, 3) in [-1, 1] for observations (n, 12) and goals (n, goal_dim)."""
        inputs = torch.as_tensor(expert_observation(self.family, observation, goal))
        with torch.no_grad():
            action: Array = self._actor(inputs, deterministic=True).double().numpy()
        return action


def evaluate_expert(expert: Expert, cfg: ExpertCfg) -> ExpertScore:
    """Score an expert on goals and disturbances drawn from a fixed seed."""
    kind = FAMILIES[expert.family]
    rng = np.random.default_rng(7)
    goals = sample_goals(kind, cfg.evaluation_goals, rng)

    def final_distance(rollouts: Rollouts) -> Array:
        distance: Array = np.linalg.norm(kind.state(rollouts.observations[:, -1]) - goals, axis=1)
        return distance

    def act_on_noise(observation: Array) -> Array:
        noise = cfg.env.observation_noise_m / 2 * rng.standard_normal(observation.shape)
        return expert(observation + noise, goals)

    horizon = cfg.env.horizon
    arm = cfg.env.randomisation.arm
    nominal = roll_out(
        TabletopPhysics(cfg.evaluation_goals, arm=arm), lambda o: expert(o, goals), horizon
    )
    variants = randomised_models(cfg.env.randomisation, cfg.env.variants, rng)
    disturbed = roll_out(
        TabletopPhysics(cfg.evaluation_goals, variants=variants, arm=arm), act_on_noise, horizon
    )
    distance = final_distance(nominal)
    return ExpertScore(
        success=float((distance <= kind.success_threshold).mean()),
        strict_success=float((distance <= kind.strict_threshold).mean()),
        distance=float(distance.mean()),
        peak_force=float(nominal.peak_contact_force.max()),
        disturbed_success=float((final_distance(disturbed) <= kind.strict_threshold).mean()),
        disturbed_force=float(np.quantile(disturbed.peak_contact_force, 0.95)),
    )


def train_expert(
    family: str, cfg: ExpertCfg, folder: Path, seed: int, progress: Progress
) -> ExpertScore:
    """Train a family's expert, or go on from its last checkpoint, and return the best score.

    Args:
        family: name of the family.
        cfg: hyper-parameters.
        folder: where `<family>/` with checkpoints, scores and TensorBoard logs lies.
        seed: of networks, goals and exploration.
        progress: told after every evaluation.
    """
    home = folder / family
    home.mkdir(parents=True, exist_ok=True)
    done = home / "done.json"
    if done.exists():
        return ExpertScore(**json.loads(done.read_text())["best"])
    env = ExpertEnv(family, cfg.env, np.random.default_rng(seed))
    model = _checkpointed(home, env) or SAC(
        "MlpPolicy",
        env,
        learning_rate=lambda remaining: cfg.learning_rate * (0.3 + 0.7 * remaining),
        buffer_size=cfg.buffer_size,
        learning_starts=50 * cfg.env.rows,
        batch_size=cfg.batch_size,
        tau=cfg.target_rate,
        gamma=cfg.discount,
        train_freq=1,
        gradient_steps=cfg.updates_per_step,
        ent_coef="auto_0.2",
        policy_kwargs={"net_arch": [cfg.width, cfg.width]},
        seed=seed,
        device="cpu",
    )
    model.set_logger(configure(str(home / "tensorboard"), ["tensorboard"]))
    callback = _Evaluation(family, cfg, home, progress)
    model.learn(
        cfg.steps - model.num_timesteps, callback, reset_num_timesteps=False, log_interval=cfg.steps
    )
    done.write_text(json.dumps({"best": callback.best._asdict(), "steps": model.num_timesteps}))
    shutil.rmtree(home / "checkpoint", ignore_errors=True)
    return callback.best


def _checkpointed(home: Path, env: ExpertEnv) -> SAC | None:
    checkpoint = home / "checkpoint"
    if not (checkpoint / "complete").exists():
        return None
    model = SAC.load(checkpoint / "model.zip", env=env, device="cpu")
    model.load_replay_buffer(checkpoint / "replay.pkl")
    return model


class _Evaluation(BaseCallback):
    """Scores, keeps the best policy, and leaves a checkpoint to resume from."""

    def __init__(self, family: str, cfg: ExpertCfg, home: Path, progress: Progress) -> None:
        super().__init__()
        self._family, self._cfg, self._home, self._progress = family, cfg, home, progress
        self._scores = home / "scores.json"
        self._history: list[dict[str, float]] = (
            json.loads(self._scores.read_text()) if self._scores.exists() else []
        )
        scores = [
            ExpertScore(**{k: v for k, v in row.items() if k != "steps"}) for row in self._history
        ]
        self.best = max(scores, key=lambda s: s.merit, default=ExpertScore.none())

    def _on_step(self) -> bool:
        rows = self._cfg.env.rows
        every = max(self._cfg.evaluate_every // rows, 1) * rows
        if self.num_timesteps % every and self.num_timesteps < self._cfg.steps:
            return True
        assert isinstance(self.model, SAC)
        score = evaluate_expert(Expert(self._family, self.model), self._cfg)
        if score.merit >= self.best.merit:
            self.best = score
            self.model.save(self._home / "best.zip")
        self._history.append({"steps": self.num_timesteps, **score._asdict()})
        self._scores.write_text(json.dumps(self._history, indent=1))
        for name, value in score._asdict().items():
            self.logger.record(f"evaluation/{name}", value)
        env = self.training_env
        assert isinstance(env, ExpertEnv)
        for name, value in env.last_terms.items():
            self.logger.record(f"reward/{name}", value)
        self.logger.dump(self.num_timesteps)
        self._checkpoint()
        self._progress(
            self.num_timesteps,
            self._cfg.steps,
            f"success {score.success:.0%}, strict {score.strict_success:.0%}, "
            f"peak force {score.peak_force:.0f} N; disturbed {score.disturbed_success:.0%}, "
            f"{score.disturbed_force:.0f} N",
        )
        return True

    def _checkpoint(self) -> None:
        assert isinstance(self.model, SAC)
        fresh, checkpoint = self._home / "checkpoint.new", self._home / "checkpoint"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        self.model.save(fresh / "model.zip")
        self.model.save_replay_buffer(fresh / "replay.pkl")
        (fresh / "complete").touch()
        shutil.rmtree(checkpoint, ignore_errors=True)
        fresh.rename(checkpoint)
