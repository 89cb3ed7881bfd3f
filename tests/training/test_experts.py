"""An expert's training: interrupted or not it ends the same, and what is damaged is refused."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from damsel_training import stages
from damsel_training.checkpoints import load_checkpoint, save_checkpoint
from damsel_training.errors import DivergedError, InvalidDatasetError, MissingStageError
from damsel_training.expert_cfg import ExpertCfg
from damsel_training.expert_env import ExpertEnvCfg
from damsel_training.expert_policy import Expert
from damsel_training.expert_score import ExpertScore
from damsel_training.experts import environment_steps, train_expert
from damsel_training.progress import Progress
from damsel_training.run import RunCfg, RunFolder

CFG = ExpertCfg(
    steps=960,
    evaluate_every=320,
    evaluation_goals=4,
    batch_size=16,
    width=16,
    buffer_size=600,  # it fills, so that its oldest transitions are overwritten
    env=ExpertEnvCfg(rows=8, horizon=30, variants=2, observation_noise_m=0.004),
)


def _train(folder: Path, killed_at: int | None = None, cfg: ExpertCfg = CFG) -> ExpertScore:
    def kill(steps: int, _total: int, _note: str) -> None:
        if steps == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    return train_expert("door", cfg, folder, 3, kill)


def _train_and_be_killed(folder: Path, at: int, cfg: ExpertCfg = CFG) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_train, args=(folder, at, cfg))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _weights(folder: Path) -> torch.Tensor:
    weights = Expert.load("door", folder)._weights
    return torch.cat([part.flatten() for part in weights.values()])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where an uninterrupted training was."""
    folder = tmp_path_factory.mktemp("whole")
    _train(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("at", [320, 640, 960])
def test_a_killed_training_ends_as_one_that_was_not(whole: Path, tmp_path: Path, at: int) -> None:
    _train_and_be_killed(tmp_path, at)
    np.random.seed(99)  # noqa: NPY002 - what a process draws before must not matter
    torch.manual_seed(99)
    best = _train(tmp_path)
    assert best == _train(whole)  # which has ended and only says how
    assert torch.equal(_weights(tmp_path), _weights(whole))
    for name in ("scores.json", "done.json"):
        assert (tmp_path / "door" / name).read_bytes() == (whole / "door" / name).read_bytes()
    rows = json.loads((whole / "door" / "scores.json").read_text())
    assert [row["steps"] for row in rows] == [320, 640, 960]
    assert not list((tmp_path / "door").glob("checkpoint*"))


@pytest.mark.slow
def test_an_expert_that_is_not_good_enough_goes_on_and_can_be_killed_then(tmp_path: Path) -> None:
    cfg = dataclasses.replace(CFG, steps=900, extra_steps=600, enough=1.0)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    _train(whole, cfg=cfg)
    rows = json.loads((whole / "door" / "scores.json").read_text())
    assert [row["steps"] for row in rows] == [320, 640, 904, 960, 1280, 1504]
    steps = 1504 + 6 * 2 * cfg.evaluation_goals * cfg.env.horizon
    assert environment_steps(cfg, whole / "door") == steps
    _train_and_be_killed(killed, 1280, cfg)
    _train(killed, cfg=cfg)
    assert torch.equal(_weights(killed), _weights(whole))
    assert (killed / "door" / "scores.json").read_text() == json.dumps(rows, indent=1)


@pytest.mark.slow
def test_an_expert_that_is_good_enough_takes_no_more_steps(whole: Path, tmp_path: Path) -> None:
    _train(tmp_path, cfg=dataclasses.replace(CFG, extra_steps=600, enough=0.0))
    for name in ("scores.json", "done.json"):
        assert (tmp_path / "door" / name).read_bytes() == (whole / "door" / name).read_bytes()
    assert torch.equal(_weights(tmp_path), _weights(whole))


@pytest.mark.slow
def test_another_seed_ends_otherwise(whole: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    train_expert("door", CFG, tmp_path, 4, lambda *_: None)
    assert not torch.equal(_weights(tmp_path), _weights(whole))


@pytest.mark.slow
def test_a_run_can_have_an_expert_of_another_seed(whole: Path, tmp_path: Path) -> None:
    cfg = RunCfg("mixed", seed=4, experts={"door": dataclasses.replace(CFG, seed=3)})
    folder = RunFolder(tmp_path)
    with folder.opened(cfg), Progress() as progress:
        stages.experts(cfg, folder, progress, ["door"])
    assert torch.equal(_weights(folder.experts), _weights(whole))
    assert "seed: 3" in (tmp_path / "run.yaml").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_one_before_is_kept_and_leads_to_the_same_end(whole: Path, tmp_path: Path) -> None:
    _train_and_be_killed(tmp_path, 640)
    newest = tmp_path / "door" / "checkpoint.pt"
    newest.write_bytes(newest.read_bytes()[:-2000])
    with pytest.raises(InvalidDatasetError) as caught:
        _train(tmp_path)
    assert str(newest) in str(caught.value)
    assert "delete it to go on from checkpoint.previous.pt" in str(caught.value)
    newest.unlink()
    _train(tmp_path)
    assert torch.equal(_weights(tmp_path), _weights(whole))


@pytest.mark.slow
def test_a_diverging_expert_stops_and_says_what_replays_it(tmp_path: Path) -> None:
    _train_and_be_killed(tmp_path, 320)
    path = tmp_path / "door" / "checkpoint.pt"
    state = load_checkpoint(path)
    state["sac"]["replay"]["rewards"][:] = np.nan
    save_checkpoint(state, path)
    with pytest.raises(DivergedError, match=r"expert door, step \d+: a weight is not finite") as e:
        _train(tmp_path)
    assert f"{path} holds the state that replays it" in str(e.value)
    with pytest.raises(DivergedError) as again:
        _train(tmp_path)
    assert str(again.value) == str(e.value)


def test_divergence_before_the_first_checkpoint_is_replayed_from_the_seed(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="the same command replays it from the seed"):
        _train(tmp_path, cfg=dataclasses.replace(CFG, learning_rate=1e30, evaluate_every=960))


@pytest.mark.parametrize("content", [b"", b"{}", b'{"best": {"success": 1}}', b"\xff\x00"])
def test_a_damaged_record_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "door").mkdir()
    (tmp_path / "door" / "done.json").write_bytes(content)
    with pytest.raises(InvalidDatasetError, match=r"done\.json is not the record of a trained"):
        _train(tmp_path)


def test_a_finished_expert_without_its_weights_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "door").mkdir()
    record = {"best": ExpertScore(1.0, 1.0, 0.0, 0.0, 1.0, 0.0)._asdict()}
    (tmp_path / "door" / "done.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InvalidDatasetError, match=r"door has lost its best\.pt; delete"):
        _train(tmp_path)


@pytest.mark.slow
def test_a_damaged_expert_is_refused_by_name(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "door").mkdir()
    shutil.copy(whole / "door" / "done.json", tmp_path / "door")
    content = bytearray((whole / "door" / "best.pt").read_bytes())
    for damaged in (content[:-50], content[:3000], b"PK"):
        (tmp_path / "door" / "best.pt").write_bytes(damaged)
        with pytest.raises(InvalidDatasetError, match=r"best\.pt is not a readable expert"):
            Expert.load("door", tmp_path)


def test_an_expert_that_is_still_training_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "door").mkdir()
    (tmp_path / "door" / "best.pt").write_bytes(b"PK")
    with pytest.raises(MissingStageError) as caught:
        Expert.load("door", tmp_path)
    assert str(caught.value) == (
        f"the expert in {tmp_path / 'door'} is not finished; run `damsel-train experts`"
    )
