"""The nodes and the offline evaluator run the same adaptation and must give the same numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from damsel.bundle import Bundle
from damsel.tasks import Task, validation_tasks
from damsel_sim.adaptation import adapt_offline
from tests.ros.moving_bundles import write_ramming_bundle

TOLERANCE = 1e-6

TASKS = [
    next(task for task in validation_tasks() if task.family == name)
    for name in ("push", "door", "drawer")
]


def adapt(
    tmp_path: Path, task: Task, bundle: Path, iterations: int, *options: str
) -> dict[str, Any]:
    """Run `damsel-adapt` as a user would and return what it wrote."""
    file = tmp_path / "result.json"
    goal = ",".join(repr(value) for value in task.goal)
    command = ["--family", task.family, "--goal", goal, "--bundle", str(bundle)]
    command += ["--iterations", str(iterations), "--json", str(file), *options]
    done = subprocess.run(
        [sys.executable, "-m", "damsel_ros.adapt_cli", *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return dict(json.loads(file.read_text(encoding="utf-8")))


def assert_agrees(nodes: dict[str, Any], bundle: Path, task: Task, iterations: int) -> None:
    """Compare every number of a run through the nodes with the offline evaluator."""
    offline = adapt_offline(Bundle.load(bundle), task, iterations)
    rows = nodes["trajectories"]
    assert nodes["family_true"] == task.family
    assert nodes["family_inferred"] == offline.adaptation.family
    assert [row["stage"] for row in rows] == [one.stage for one in offline.adaptation.records]
    for key, expected in (
        ("return", offline.returns),
        ("final_distance", offline.final_distances),
        ("latent", [one.latent for one in offline.adaptation.records]),
    ):
        found = [row[key] for row in rows]
        np.testing.assert_allclose(found, expected, rtol=0.0, atol=TOLERANCE, err_msg=key)
    assert nodes["steps"] == offline.steps
    assert nodes["peak_contact_force"] == pytest.approx(offline.peak_contact_force, abs=TOLERANCE)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.family)
def test_lockstep_agrees_with_the_offline_evaluator(
    tmp_path: Path, shipped_bundle: Path, task: Task
) -> None:
    nodes = adapt(tmp_path, task, shipped_bundle, 2)
    assert nodes["family_inferred"] == task.family
    assert_agrees(nodes, shipped_bundle, task, 2)


@pytest.mark.parametrize("options", [[], ["--composed"]], ids=["processes", "composed"])
def test_contact_agrees_too(tmp_path: Path, options: list[str]) -> None:
    bundle = write_ramming_bundle(tmp_path / "ramming")
    task = Task("push", (0.13, 0.02))
    nodes = adapt(tmp_path, task, bundle, 2, *options)
    returns = [row["return"] for row in nodes["trajectories"]]
    assert nodes["peak_contact_force"] > 1.0
    assert len(set(returns)) > 1
    assert max(returns) > 10.0
    assert_agrees(nodes, bundle, task, 2)


@pytest.mark.slow
def test_real_time_agrees_too(tmp_path: Path) -> None:
    # A step whose command comes late is held, and its trajectory made again.
    bundle = write_ramming_bundle(tmp_path / "ramming")
    task = Task("push", (0.13, 0.02))
    nodes = adapt(tmp_path, task, bundle, 1, "--mode", "realtime")
    assert_agrees(nodes, bundle, task, 1)
    assert nodes["wall_seconds"] > 0.05 * nodes["steps"]
