"""The exported data set holds what the run collected, and says where it comes from."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import minari
import numpy as np
import pytest

from damsel.errors import InvalidConfigError
from damsel.families import FAMILIES
from damsel.tasks import reward, training_tasks
from damsel_training.cli import main
from damsel_training.dataset import CollectCfg, collect_dataset
from damsel_training.errors import InvalidDatasetError, MissingStageError
from damsel_training.minari_dataset import export, inspect
from damsel_training.run import PRESETS, RunFolder

CFG = replace(PRESETS["smoke"], collect=CollectCfg(rollouts=1, horizon=3))
NAME = "damsel/tests-v0"


def _ahead(observation: np.ndarray, goal: np.ndarray) -> np.ndarray:
    return np.tile([[0.5, 0.0, 0.0]], (len(observation), 1))


@pytest.fixture(name="folder")
def folder_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    (tmp_path / "minari").mkdir()
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    return folder


def test_a_data_set_is_what_was_collected(folder: RunFolder) -> None:
    tasks = training_tasks()
    experts = dict.fromkeys(FAMILIES, _ahead)
    collected = collect_dataset(tasks, experts, CFG.collect, np.random.default_rng(0))
    collected.save(folder.dataset)
    text = export(NAME, folder, CFG, "damsel-train dataset")
    assert "120 episodes, 360 steps, 60 tasks" in text
    assert "made by `damsel-train dataset` at commit unknown, seed 0" in text
    assert text == inspect(NAME)

    dataset = minari.load_dataset(NAME)
    index = 33
    episode = next(iter(dataset.iterate_episodes([index])))
    [about] = dataset.storage.get_episode_metadata([index])
    assert (about["family"], about["kind"]) == (tasks[index].family, "expert")
    assert tuple(json.loads(about["goal"])) == tasks[index].goal
    observations = collected.experts[0].observations[index]
    np.testing.assert_array_equal(episode.observations, observations)
    np.testing.assert_allclose(episode.rewards, reward(observations[1:], tasks[index]))
    np.testing.assert_array_equal(
        episode.infos["expert_action"][1:], collected.experts[0].labels[index]
    )
    assert episode.truncations.tolist() == [False, False, True]

    with pytest.raises(InvalidConfigError, match="there is such a data set"):
        export(NAME, folder, CFG, "again")


def test_a_killed_export_leaves_its_name_free(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    experts = dict.fromkeys(FAMILIES, _ahead)
    collect_dataset(training_tasks(), experts, CFG.collect, np.random.default_rng(0)).save(
        folder.dataset
    )

    create = minari.create_dataset_from_buffers

    def killed(*words: Any, **more: Any) -> None:
        create(*words, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(minari, "create_dataset_from_buffers", killed)
        with pytest.raises(KeyboardInterrupt):
            export(NAME, folder, CFG, "x")
    assert not minari.list_local_datasets()
    assert "120 episodes" in export(NAME, folder, CFG, "x")
    assert list(minari.list_local_datasets()) == [NAME]
    root = Path(os.environ["MINARI_DATASETS_PATH"])
    assert [path.name for path in root.iterdir()] == ["damsel"]


@pytest.mark.parametrize("option", ["--export", "--inspect"])
def test_a_root_that_is_no_folder_is_refused(
    folder: RunFolder, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    root = folder.root / "file"
    root.touch()
    assert main(["dataset", "--root", str(root), option, NAME]) == 2
    error = capsys.readouterr().err
    assert f"--root {root}" in error
    assert error.count("\n") == 1


def test_what_is_not_there_is_named(folder: RunFolder) -> None:
    with pytest.raises(MissingStageError, match="run `damsel-train collect` first"):
        export(NAME, folder, CFG, "x")
    with pytest.raises(InvalidDatasetError, match="damsel/nowhere-v0 is not a data set"):
        inspect("damsel/nowhere-v0")
    with pytest.raises(InvalidConfigError, match="allowed: a name such as"):
        export("no version", folder, CFG, "x")
