"""Line 1 of Algorithm 1: one goal-conditioned SAC expert per family.

Stable-Baselines3 learns; this module feeds it the batched simulation, measures the deterministic
policy on fixed goals as it goes, and keeps the best one. It can be interrupted at any time, and
then ends as if it had not been: see `damsel_training.sac_state`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from damsel_training.checkpoints import (
    delete_checkpoints,
    has_checkpoint,
    resume,
    save_checkpoint,
)
from damsel_training.errors import DivergedError, InvalidDatasetError
from damsel_training.expert_cfg import ExpertCfg
from damsel_training.expert_env import ExpertEnv
from damsel_training.expert_policy import BEST, DONE, Expert
from damsel_training.expert_score import ExpertScore, evaluate_expert
from damsel_training.files import written_whole
from damsel_training.metrics import Board
from damsel_training.privileged_policy import PrivilegedPolicy
from damsel_training.sac_state import SacState

__all__ = ["environment_steps", "train_expert"]

_SCORES = "scores.json"

Array = NDArray[np.float64]
Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and a line about how it goes."""


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
    done = home / DONE
    if done.exists():
        best = _best_of(done)
        if not (home / BEST).exists():
            raise InvalidDatasetError(f"{home} has lost its {BEST}; delete {home} to train it anew")
        return best
    rng = np.random.default_rng(seed)
    env = ExpertEnv(family, cfg.env, rng)
    model = SAC(
        PrivilegedPolicy,
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
    training = _Training(family, cfg, folder, SacState(model, rng), progress)
    resume(training, training.checkpoint)
    with Board(home / "tensorboard", model.num_timesteps) as training.board:
        try:
            while (end := training.next_end()) > model.num_timesteps:
                model.learn(
                    end - model.num_timesteps,
                    training,
                    reset_num_timesteps=False,
                    log_interval=end,  # in episodes, so never: what is logged is for the board
                )
        except ValueError:
            training.refuse_divergence()  # torch draws from no distribution that is not finite
            raise
    with written_whole(done) as file:
        record = {"best": training.best._asdict(), "steps": model.num_timesteps}
        file.write(json.dumps(record).encode())
    delete_checkpoints(training.checkpoint)
    return training.best


def environment_steps(cfg: ExpertCfg, home: Path) -> int:
    """Control steps that a trained expert took: learning, and choosing its checkpoint.

    Args:
        cfg: its hyper-parameters.
        home: its folder.

    Raises:
        InvalidDatasetError: its scores cannot be read.
    """
    path = home / _SCORES
    try:
        history = json.loads(path.read_text(encoding="utf-8"))
        return int(history[-1]["steps"]) + len(history) * cfg.steps_per_evaluation
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InvalidDatasetError(
            f"{path} does not hold the scores of an expert ({error})"
        ) from None


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
        self, family: str, cfg: ExpertCfg, folder: Path, state: SacState, progress: Progress
    ) -> None:
        super().__init__()
        self._home = folder / family
        self.checkpoint = self._home / "checkpoint.pt"
        self._family, self._cfg, self._folder, self._progress = family, cfg, folder, progress
        self._state = state
        self._history: list[dict[str, float]] = []

    @property
    def best(self) -> ExpertScore:
        """The score of the best policy so far, the latest of several that are as good."""
        scores = map(_score, reversed(self._history))
        return max(scores, key=lambda score: score.merit, default=ExpertScore.none())

    def next_end(self) -> int:
        """The step at which learning ends, or is looked at again; that of now if it has ended."""
        cfg, steps = self._cfg, self._state.steps
        if steps < cfg.steps:
            return cfg.steps
        most = cfg.steps + cfg.extra_steps
        if self.best.disturbed_success >= cfg.enough or steps >= most:
            return steps
        return min((steps // cfg.evaluation_period + 1) * cfg.evaluation_period, most)

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the training depends on."""
        return {
            "sac": self._state.state_dict(),
            "history": self._history,
        }

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
            self._state.begin_trajectories()

    @property
    def _evaluated(self) -> int:
        return int(self._history[-1]["steps"]) if self._history else 0

    def _evaluate(self) -> None:
        steps = self._state.steps
        expert = Expert(self._family, self._state.actor.state_dict())
        score = evaluate_expert(expert, self._cfg)
        if score.merit >= self.best.merit:
            expert.save(self._folder)
        self._history.append({"steps": steps, **score._asdict()})
        with written_whole(self._home / _SCORES) as file:
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
        cfg = self._cfg
        goes_on = steps >= cfg.steps and self.next_end() > steps
        on = f"; goes on to {cfg.steps + cfg.extra_steps} at most" if goes_on else ""
        self._progress(
            steps,
            cfg.steps,
            f"success {score.success:.0%}, strict {score.strict_success:.0%}, "
            f"peak force {score.peak_force:.0f} N; disturbed {score.disturbed_success:.0%}, "
            f"{score.disturbed_force:.0f} N{on}",
        )


def _score(row: dict[str, float]) -> ExpertScore:
    return ExpertScore(**{name: row[name] for name in ExpertScore._fields})
