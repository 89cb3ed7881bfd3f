"""Line 1 of Algorithm 1: one goal-conditioned SAC expert per family.

Stable-Baselines3 learns; this module feeds it the batched simulation, measures the deterministic
policy on fixed goals as it goes, and keeps the best one. It can be interrupted at any time, and
then ends as if it had not been: see `damsel_training.sac_state`.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from torch import Tensor
from torch.nn import functional

from damsel.families import FAMILIES
from damsel_sim.physics import TabletopPhysics
from damsel_sim.randomisation import randomised_models
from damsel_training.checkpoints import (
    delete_checkpoints,
    has_checkpoint,
    resume,
    save_checkpoint,
)
from damsel_training.errors import DivergedError, InvalidDatasetError, MissingStageError
from damsel_training.expert_env import ExpertEnv, ExpertEnvCfg, expert_observation, sample_goals
from damsel_training.files import archive_fault, written_whole
from damsel_training.metrics import Board
from damsel_training.rollouts import Rollouts, roll_out
from damsel_training.sac_state import SacState

__all__ = ["Expert", "ExpertCfg", "ExpertScore", "evaluate_expert", "train_expert"]

Array = NDArray[np.float64]
Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and a line about how it goes."""


@dataclass(frozen=True)
class ExpertCfg:
    """Hyper-parameters of an expert.

    Attributes:
        steps: environment steps, all rows together.
        evaluate_every: environment steps between evaluations and checkpoints, after which all rows
            begin new trajectories; best a multiple of their steps.
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

    @property
    def evaluation_period(self) -> int:
        """`evaluate_every` in whole steps of all rows, which is where evaluations happen."""
        return max(self.evaluate_every // self.env.rows, 1) * self.env.rows

    @property
    def evaluation_steps(self) -> int:
        """Control steps that choosing the checkpoint takes, in nominal and disturbed scenes."""
        evaluations = -(-self.steps // self.evaluation_period)
        return evaluations * 2 * self.evaluation_goals * self.env.horizon


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


class GoalConditioned(Protocol):
    """A policy for all goals of one family."""

    family: str

    def __call__(self, observation: Array, goal: Array) -> Array:
        """Actions (n, 3) in [-1, 1] for observations (n, 12) and goals (n, goal_dim)."""


class Expert:
    """A trained expert's deterministic policy."""

    def __init__(self, family: str, weights: Mapping[str, Tensor]) -> None:
        """Set up.

        Args:
            family: name of the family.
            weights: of the policy, as Stable-Baselines3 names them.
        """
        self.family = family
        names = [name.removesuffix(".weight") for name in weights if name.endswith(".weight")]
        hidden = [name for name in names if name.startswith("actor.latent_pi.")]
        self._layers = [
            (weights[f"{name}.weight"].clone(), weights[f"{name}.bias"].clone())
            for name in (*hidden, "actor.mu")
        ]

    @classmethod
    def load(cls, family: str, folder: Path) -> Expert:
        """Load the best policy of a family.

        Of what Stable-Baselines3 has stored, only the weights are read, which runs no code.

        Raises:
            MissingStageError: there is none.
            InvalidDatasetError: it cannot be read.
        """
        path = folder / family / "best.zip"
        if not path.exists():
            raise MissingStageError(
                f"no expert for {family} in {folder}; run `damsel-train experts` first"
            )
        fault = archive_fault(path)
        if not fault:
            try:
                with zipfile.ZipFile(path) as archive:
                    stored = io.BytesIO(archive.read("policy.pth"))
                return cls(family, torch.load(stored, weights_only=True))
            except (KeyError, RuntimeError, TypeError, pickle.UnpicklingError) as error:
                fault = f"{error}"
        raise InvalidDatasetError(
            f"{path} is not a readable expert ({fault}); delete {path.parent} to train it anew"
        )

    def __call__(self, observation: Array, goal: Array) -> Array:
        """Actions (n, 3) in [-1, 1] for observations (n, 12) and goals (n, goal_dim)."""
        values = torch.as_tensor(expert_observation(self.family, observation, goal))
        *hidden, last = self._layers
        for weight, bias in hidden:
            values = functional.relu(functional.linear(values, weight, bias))
        action: Array = torch.tanh(functional.linear(values, *last)).double().numpy()
        return action


def evaluate_expert(expert: GoalConditioned, cfg: ExpertCfg) -> ExpertScore:
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

    Raises:
        DivergedError: a weight is not finite.
        InvalidDatasetError: what an earlier process left cannot be read.
        StorageError: a file cannot be written.
    """
    home = folder / family
    home.mkdir(parents=True, exist_ok=True)
    done = home / "done.json"
    if done.exists():
        return _best_of(done)
    rng = np.random.default_rng(seed)
    env = ExpertEnv(family, cfg.env, rng)
    model = SAC(
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
    model.set_logger(Logger(None, []))
    training = _Training(family, cfg, home, SacState(model, rng), progress)
    resume(training, training.checkpoint)
    with Board(home / "tensorboard", model.num_timesteps) as training.board:
        try:
            model.learn(
                cfg.steps - model.num_timesteps,
                training,
                reset_num_timesteps=False,
                log_interval=cfg.steps,  # in episodes, so never: what is logged is for the board
            )
        except ValueError:
            training.refuse_divergence()  # torch draws from no distribution that is not finite
            raise
    with written_whole(done) as file:
        record = {"best": training.best._asdict(), "steps": model.num_timesteps}
        file.write(json.dumps(record).encode())
    delete_checkpoints(training.checkpoint)
    return training.best


def _best_of(done: Path) -> ExpertScore:
    try:
        return ExpertScore(**json.loads(done.read_text(encoding="utf-8"))["best"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidDatasetError(
            f"{done} is not the record of a trained expert ({error}); delete {done.parent} to "
            "train it anew"
        ) from None


class _Training(BaseCallback):
    """Scores, keeps the best policy, and leaves a checkpoint to resume from.

    It does so between two steps of learning, and all rows then begin new trajectories: the state of
    the simulation is no part of a checkpoint.
    """

    board: Board

    def __init__(
        self, family: str, cfg: ExpertCfg, home: Path, state: SacState, progress: Progress
    ) -> None:
        super().__init__()
        self.checkpoint = home / "checkpoint.pt"
        self._family, self._cfg, self._home, self._progress = family, cfg, home, progress
        self._state = state
        self._history: list[dict[str, float]] = []

    @property
    def best(self) -> ExpertScore:
        """The score of the best policy so far."""
        return max(map(_score, self._history), key=lambda s: s.merit, default=ExpertScore.none())

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the training depends on."""
        return {"sac": self._state.state_dict(), "history": self._history}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly as the training that `state` was taken from would have."""
        self._state.load_state_dict(state["sac"])
        self._history = state["history"]

    def refuse_divergence(self) -> None:
        """Stop a training whose weights are no longer finite.

        Raises:
            DivergedError: they are not.
        """
        if not self._state.is_finite():
            replay = "the same command replays it from the seed"
            if has_checkpoint(self.checkpoint):
                replay = f"{self.checkpoint} holds the state that replays it"
            raise DivergedError(
                f"expert {self._family}, step {self._state.steps}: a weight is not finite; {replay}"
            )

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self.refuse_divergence()
        steps = self._state.steps
        if steps % self._cfg.evaluation_period == 0 and steps > self._evaluated:
            self._evaluate()
            self._state.begin_trajectories()

    def _on_training_end(self) -> None:
        self.refuse_divergence()
        if self._state.steps > self._evaluated:
            self._evaluate()

    @property
    def _evaluated(self) -> int:
        return int(self._history[-1]["steps"]) if self._history else 0

    def _evaluate(self) -> None:
        steps = self._state.steps
        assert isinstance(self.model, SAC)
        score = evaluate_expert(Expert(self._family, self.model.policy.state_dict()), self._cfg)
        if score.merit >= self.best.merit:
            with written_whole(self._home / "best.zip") as file:
                self.model.save(file)  # type: ignore[arg-type]
        self._history.append({"steps": steps, **score._asdict()})
        with written_whole(self._home / "scores.json") as file:
            file.write(json.dumps(self._history, indent=1).encode())
        save_checkpoint(self.state_dict(), self.checkpoint)
        env = self.training_env
        assert isinstance(env, ExpertEnv)
        self.board.write(
            steps,
            {f"evaluation/{name}": value for name, value in score._asdict().items()}
            | {f"reward/{name}": value for name, value in env.last_terms.items()}
            | {n: float(v) for n, v in self.logger.name_to_value.items() if n.startswith("train/")},
        )
        self._progress(
            steps,
            self._cfg.steps,
            f"success {score.success:.0%}, strict {score.strict_success:.0%}, "
            f"peak force {score.peak_force:.0f} N; disturbed {score.disturbed_success:.0%}, "
            f"{score.disturbed_force:.0f} N",
        )


def _score(row: dict[str, float]) -> ExpertScore:
    return ExpertScore(**{name: row[name] for name in ExpertScore._fields})
