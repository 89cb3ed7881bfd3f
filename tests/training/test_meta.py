"""Networks, meta-learner and export on a small problem with scripted teachers."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from damsel.bundle import Bundle
from damsel.errors import InvalidBundleError
from damsel.families import FAMILIES
from damsel.tasks import Task
from damsel_training.damsel import MetaLearner, prior_components
from damsel_training.damsel_cfg import DamselCfg
from damsel_training.dataset import CollectCfg, ExpertDataset, Teacher, collect_dataset
from damsel_training.errors import DivergedError, InvalidDatasetError
from damsel_training.export import export_bundle
from damsel_training.networks import Encoder, NetworkCfg, Policy

TASKS = [Task("push", (0.17, -0.04)), Task("door", (0.62,)), Task("drawer", (0.1,))]
CFG = DamselCfg(
    iterations=3,
    collect_rounds=2,
    training_steps=5,
    context_size=16,
    expert_size=8,
    model_size=8,
    kept_states=4,
    kept_iterations=2,
    horizon=8,
)
PROVENANCE = {"commit": "none", "command": "test", "seeds": {"run": 0}, "configuration": {}}


def _teacher(observation: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """A stand-in for an expert: drives the tool towards a place that depends on the goal."""
    return np.clip(goal[:, :1] - observation[:, :3], -1, 1)


TEACHERS = dict.fromkeys(FAMILIES, _teacher)


def _learner(seed: int = 0, cfg: DamselCfg = CFG) -> MetaLearner:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    learner = MetaLearner(cfg, TASKS, TEACHERS, rng)
    learner.store(collect_dataset(TASKS, TEACHERS, CollectCfg(rollouts=2, horizon=8), rng))
    return learner


def _export(learner: MetaLearner, path: Path) -> Bundle:
    return export_bundle(
        path, learner.encoder, learner.policy, learner.components, learner.cfg, PROVENANCE
    )


def _weights(learner: MetaLearner) -> torch.Tensor:
    parts = (learner.encoder, learner.policy, learner.model)
    return torch.cat([p.detach().flatten() for part in parts for p in part.parameters()])


@pytest.mark.parametrize("pooling", ["attention", "mean"])
def test_the_encoder_does_not_see_the_order_of_transitions(pooling: str) -> None:
    torch.manual_seed(0)
    encoder = Encoder(NetworkCfg(pooling=pooling)).double()
    context = torch.rand(20, 28, dtype=torch.float64)
    component = torch.rand(5, dtype=torch.float64)
    shuffled = context[torch.randperm(20)]
    torch.testing.assert_close(encoder(context, component), encoder(shuffled, component))


def test_the_policy_stays_in_its_range_for_absurd_input() -> None:
    policy = Policy(NetworkCfg())
    action = policy(torch.randn(50, 12) * 1e3, torch.randn(50, 5) * 1e3)
    assert action.abs().max() <= 1.0


def test_components_are_equally_far_apart() -> None:
    components = np.stack(list(prior_components(NetworkCfg()).values()))
    distances = np.linalg.norm(components[:, None] - components[None], axis=2)
    assert distances[np.triu_indices(3, 1)] == pytest.approx(np.full(3, 2 * np.sqrt(2)))


def test_training_moves_encoder_policy_and_model() -> None:
    learner = _learner()
    before = {
        name: [p.detach().clone() for p in part.parameters()]
        for name, part in (("encoder", learner.encoder), ("policy", learner.policy))
    }
    learner.train()
    for name, part in (("encoder", learner.encoder), ("policy", learner.policy)):
        changed = [
            not torch.equal(a, b) for a, b in zip(before[name], part.parameters(), strict=True)
        ]
        assert all(changed), name


def test_the_imitation_loss_reaches_the_encoder() -> None:
    """The gradient of L^BC alone (line 21), which PEARL would cut off."""
    learner = _learner()
    learner._losses()["bc"].backward()
    gradients = [p.grad for p in learner.encoder.parameters()]
    assert all(g is not None and g.abs().max() > 0 for g in gradients)


def test_an_interrupted_run_ends_as_an_uninterrupted_one() -> None:
    whole, interrupted = _learner(), _learner()
    for learner in (whole, interrupted):
        learner.train()
        learner.collect()
    state = copy.deepcopy(interrupted.state_dict())
    resumed = MetaLearner(CFG, TASKS, TEACHERS, np.random.default_rng(99))
    resumed.load_state_dict(state)
    for learner in (whole, resumed):
        for _ in range(2):
            learner.train()
            learner.collect()
    assert torch.equal(_weights(whole), _weights(resumed))


def test_components_stay_where_they_are_unless_they_are_learned(tmp_path: Path) -> None:
    fixed = prior_components(CFG.network)
    learner = _learner()
    learner.train()
    for name, component in learner.components.items():
        np.testing.assert_array_equal(component, fixed[name])
    learning = _learner(cfg=dataclasses.replace(CFG, learned_components=True))
    learning.train()
    assert all((learning.components[name] != fixed[name]).any() for name in FAMILIES)
    bundle = _export(learning, tmp_path / "bundle")
    for name in FAMILIES:
        np.testing.assert_array_equal(bundle.components[name], learning.components[name])


def test_learned_components_go_on_from_where_they_were() -> None:
    cfg = dataclasses.replace(CFG, learned_components=True)
    whole = _learner(cfg=cfg)
    whole.train()
    resumed = MetaLearner(cfg, TASKS, TEACHERS, np.random.default_rng(99))
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    for learner in (whole, resumed):
        learner.train()
    assert torch.equal(_weights(whole), _weights(resumed))
    for name in FAMILIES:
        np.testing.assert_array_equal(resumed.components[name], whole.components[name])


@pytest.mark.parametrize("dagger", [True, False])
def test_only_dagger_learns_from_states_that_the_policy_visits(dagger: bool) -> None:
    learner = _learner(cfg=dataclasses.replace(CFG, dagger=dagger))
    stored = [learner._states.state_dict(), learner._probe_states.state_dict()]
    before = copy.deepcopy(stored)
    learner.collect()
    now = [learner._states.state_dict(), learner._probe_states.state_dict()]
    assert all(_same(old, new) != dagger for old, new in zip(before, now, strict=True))


def _same(old: dict[str, Any], new: dict[str, Any]) -> bool:
    return all(np.array_equal(old[name], new[name]) for name in old)


def test_a_diverging_loss_stops_the_training() -> None:
    learner = _learner()
    with torch.no_grad():
        next(learner.policy.parameters()).fill_(torch.nan)
    with pytest.raises(DivergedError, match="a loss is not finite"):
        learner.train()


def test_the_teacher_gives_every_task_its_own_goal() -> None:
    asked: dict[str, np.ndarray] = {}

    def spy(name: str):
        def act(observation: np.ndarray, goal: np.ndarray) -> np.ndarray:
            asked[name] = goal
            return np.zeros((len(observation), 3))

        return act

    tasks = [TASKS[2], TASKS[0], Task("drawer", (0.03,))]
    Teacher(tasks, {name: spy(name) for name in FAMILIES}).expert(np.zeros((3, 12)))
    np.testing.assert_array_equal(asked["drawer"], [[0.1], [0.03]])
    np.testing.assert_array_equal(asked["push"], [[0.17, -0.04]])


def test_an_exported_bundle_is_the_trained_networks(tmp_path: Path) -> None:
    learner = _learner()
    learner.train()
    bundle = _export(learner, tmp_path / "bundle")
    assert bundle.horizon == CFG.horizon
    for graph in (tmp_path / "bundle").glob("*.onnx"):
        assert b".py" not in graph.read_bytes(), "no paths of this machine"
    assert list(bundle.families) == list(FAMILIES)
    again = Bundle.load(tmp_path / "bundle")
    context = np.random.default_rng(0).normal(size=(7, 28))
    np.testing.assert_array_equal(again.encode(context, "door"), bundle.encode(context, "door"))
    np.testing.assert_array_equal(
        bundle.encode(np.empty((0, 28)), "door"), bundle.components["door"]
    )


def test_a_network_with_a_hole_is_not_exported(tmp_path: Path) -> None:
    learner = _learner()
    with torch.no_grad():
        next(learner.encoder.parameters())[0] = torch.inf
    with pytest.raises((DivergedError, InvalidBundleError), match="finite"):
        _export(learner, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_data_set_survives_the_disk(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    dataset = collect_dataset(TASKS, TEACHERS, CollectCfg(rollouts=2, horizon=5), rng)
    dataset.save(tmp_path / "dataset.npz")
    loaded = ExpertDataset.load(tmp_path / "dataset.npz", len(TASKS), 5)
    np.testing.assert_array_equal(loaded.probes[1].labels, dataset.probes[1].labels)
    for needed, said in (((4, 5), "needed: 4 of 5"), ((3, 6), "needed: 3 of 6")):
        with pytest.raises(InvalidDatasetError, match=f"holds 3 tasks of 5 steps; {said}"):
            ExpertDataset.load(tmp_path / "dataset.npz", *needed)


def test_a_damaged_data_set_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "dataset.npz"
    path.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(InvalidDatasetError, match=r"dataset\.npz is not a data set"):
        ExpertDataset.load(path, 3, 5)
    rng = np.random.default_rng(0)
    dataset = collect_dataset(TASKS, TEACHERS, CollectCfg(rollouts=1, horizon=5), rng)
    short = [
        rollouts._replace(observations=rollouts.observations[:, 1:]) for rollouts in dataset.probes
    ]
    dataset._replace(probes=short).save(path)
    with pytest.raises(InvalidDatasetError, match="an observation lacks"):
        ExpertDataset.load(path, 3, 5)
