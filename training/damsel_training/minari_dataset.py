"""The data set of expert roll-outs in Minari's format, for readers other than ourselves.

Training itself reads `dataset.npz`, which holds the same numbers. An episode of the Minari data set
is one trajectory: observations, applied actions and the robot's rewards; the info `expert_action`
is what the expert asked for before noise. Family, goal and kind (`expert` or `probe`) are metadata
of the episode; provenance is metadata of the data set.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import minari
import numpy as np
from minari.data_collector import EpisodeBuffer
from minari.namespace import create_namespace, list_local_namespaces
from minari.storage import get_dataset_path
from numpy.typing import NDArray

from damsel.errors import InvalidConfigError
from damsel.observation import ACTION_DIM, OBSERVATION_DIM
from damsel.tasks import Task, reward, training_tasks
from damsel_training.dataset import ExpertDataset
from damsel_training.errors import InvalidDatasetError, MissingStageError
from damsel_training.run import RunCfg, RunFolder, plain

__all__ = ["export", "inspect"]

Array = NDArray[np.float64]

_ROOT = "MINARI_DATASETS_PATH"
_NAME = re.compile(r"([A-Za-z0-9_-]+/)*[A-Za-z0-9_-]+-v[0-9]+")


def export(name: str, folder: RunFolder, cfg: RunCfg, command: str) -> str:
    """Write a run's expert roll-outs as a Minari data set; returns what it holds.

    Args:
        name: of the data set, such as `damsel/tabletop/expert-v0`.
        folder: of the run.
        cfg: of the run, for the provenance.
        command: that asked for it.

    Raises:
        InvalidConfigError: the name is taken or not one of Minari's.
        MissingStageError: the run has no data set.
    """
    if not _NAME.fullmatch(name):
        raise InvalidConfigError(f"--export {name}; allowed: a name such as damsel/expert-v0")
    path = get_dataset_path(name)
    if path.exists():
        raise InvalidConfigError(
            f"--export {name}: there is such a data set; delete {path} or choose another name"
        )
    if not folder.dataset.exists():
        raise MissingStageError(
            f"no data set at {folder.dataset}; run `damsel-train collect` first"
        )
    tasks = training_tasks()
    episodes = list(
        _episodes(ExpertDataset.load(folder.dataset, len(tasks), cfg.collect.horizon), tasks)
    )
    namespace = name.rpartition("/")[0]
    if namespace and namespace not in list_local_namespaces():
        create_namespace(namespace)
    with _staged(path, name), warnings.catch_warnings():
        # Minari asks for authors and an environment's specification; our provenance is below.
        warnings.simplefilter("ignore")
        dataset = minari.create_dataset_from_buffers(
            name,
            [buffer for buffer, _ in episodes],
            observation_space=gymnasium.spaces.Box(-np.inf, np.inf, (OBSERVATION_DIM,), np.float64),
            action_space=gymnasium.spaces.Box(-1.0, 1.0, (ACTION_DIM,), np.float64),
            algorithm_name="SAC",
            description="Experts of damsel's training tasks, and the probes of each family. "
            "Positions in metres, actions in step sizes.",
        )
        dataset.storage.update_episode_metadata([metadata for _, metadata in episodes])
        dataset.storage.update_metadata(
            {
                "commit": folder.commit,
                "command": command,
                "seed": cfg.seed,
                "configuration": json.dumps(plain(cfg)),
            }
        )
    return inspect(name)


@contextmanager
def _staged(path: Path, name: str) -> Iterator[None]:
    """Let Minari make a data set elsewhere, and put it in its place once all of it is there.

    A folder that begins with a dot is none of Minari's; what a killed export left in it goes.
    """
    root = get_dataset_path()
    elsewhere = root / f".{name.replace('/', '.')}.partial"
    shutil.rmtree(elsewhere, ignore_errors=True)
    before = os.environ.get(_ROOT)
    os.environ[_ROOT] = str(elsewhere)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_ROOT]
        else:
            os.environ[_ROOT] = before
    path.parent.mkdir(parents=True, exist_ok=True)
    (elsewhere / name).rename(path)
    shutil.rmtree(elsewhere, ignore_errors=True)


def inspect(name: str) -> str:
    """What a data set holds, in lines.

    Raises:
        InvalidDatasetError: there is none of that name, or it is not one of ours.
    """
    try:
        dataset = minari.load_dataset(name)
        metadata = list(dataset.storage.get_episode_metadata(range(dataset.total_episodes)))
        returns: dict[tuple[str, str], list[float]] = {}
        for one in metadata:
            returns.setdefault((one["family"], one["kind"]), []).append(float(one["return"]))
        provenance = dataset.storage.metadata
        lines = [
            f"{name}: {dataset.total_episodes} episodes, {dataset.total_steps} steps, "
            f"{len({m['task'] for m in metadata})} tasks",
            f"made by `{provenance['command']}` at commit {provenance['commit']}, "
            f"seed {provenance['seed']}",
        ]
    except (OSError, ValueError, KeyError, ModuleNotFoundError) as error:
        raise InvalidDatasetError(f"{name} is not a data set of experts ({error})") from None
    lines += [
        f"{family:<7} {kind:<7} {len(sums):>5} episodes, mean return {np.mean(sums):.1f}"
        for (family, kind), sums in returns.items()
    ]
    return "\n".join(lines)


def _episodes(
    dataset: ExpertDataset, tasks: list[Task]
) -> Iterator[tuple[EpisodeBuffer, dict[str, Any]]]:
    number = 0
    for kind, group in (("expert", dataset.experts), ("probe", dataset.probes)):
        for rollouts in group:
            for index, task in enumerate(tasks):
                observations, actions = rollouts.observations[index], rollouts.actions[index]
                rewards = reward(observations[1:], task)
                yield (
                    _buffer(number, observations, actions, rewards, rollouts.labels[index]),
                    {
                        "task": index,
                        "family": task.family,
                        "goal": json.dumps(task.goal),
                        "kind": kind,
                        "return": float(rewards.sum()),
                        "peak_contact_force": float(rollouts.peak_contact_force[index]),
                    },
                )
                number += 1


def _buffer(
    number: int, observations: Array, actions: Array, rewards: Array, labels: Array
) -> EpisodeBuffer:
    steps = len(actions)
    ended = np.arange(1, steps + 1) == steps
    return EpisodeBuffer(
        id=number,
        observations=observations,
        actions=np.clip(actions, -1.0, 1.0),
        rewards=rewards.tolist(),
        terminations=[False] * steps,
        truncations=ended.tolist(),
        # Minari keeps one info an observation; the first has none to go with.
        infos={"expert_action": np.concatenate([np.zeros((1, labels.shape[1])), labels])},
    )
