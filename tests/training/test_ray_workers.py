"""Jobs on a Ray cluster of two nodes on this machine, one of which is killed in the middle."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from damsel.errors import InvalidConfigError
from damsel_training.distribution import Tell, run_jobs
from damsel_training.errors import DivergedError
from damsel_training.expert_score import ExpertScore
from damsel_training.experts import train_expert
from damsel_training.ray_workers import RayWorkers
from tests.training.test_experts import CFG

ray = pytest.importorskip("ray", reason="needs the package ray, which is the extra `ray`")

pytestmark = pytest.mark.slow

# Of the loopback; Ray would take 127.0.0.1 for this machine's address in the network.
_ADDRESS = "127.0.0.2"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes with a processor each, and no shared folder as far as jobs know."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        patch.setenv("OMP_NUM_THREADS", "1")
        from ray.cluster_utils import Cluster

        cluster = Cluster()
        for head in ({"include_dashboard": False}, {}):
            cluster.add_node(
                num_cpus=1, object_store_memory=80 * 2**20, node_ip_address=_ADDRESS, **head
            )
        yield cluster
        cluster.shutdown()


@dataclass(frozen=True)
class Job:
    folder: Path
    seed: int


def train(job: Job, tell: Tell) -> ExpertScore:
    import torch

    torch.set_num_threads(1)
    node = ray.get_runtime_context().get_node_id()
    return train_expert(
        job.folder.name,
        CFG,
        job.folder.parent,
        job.seed,
        lambda steps, _total, _note: tell((steps, node, str(job.folder))),
    )


def fail(job: Job, _tell: Tell) -> None:
    (job.folder / "kept.txt").write_text((job.folder / "given.txt").read_text())
    raise DivergedError("a loss is not finite")


def test_what_a_job_writes_comes_back_even_if_it_fails(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "given.txt").write_text("given")
    with pytest.raises(DivergedError, match="a loss is not finite"):
        run_jobs(fail, {"a": Job(tmp_path, 0)}, RayWorkers(cluster.address))
    assert (tmp_path / "kept.txt").read_text() == "given"


def test_a_killed_node_changes_nothing_about_the_result(
    cluster: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = {name: Job(tmp_path / name, 3) for name in ("door", "drawer")}
    for job in jobs.values():
        job.folder.mkdir()
    heads_node = cluster.head_node.node_id
    nodes: dict[str, list[str]] = {name: [] for name in jobs}
    steps: dict[str, list[int]] = {name: [] for name in jobs}
    killed: list[str] = []

    def heard(name: str, news: tuple[int, str, str]) -> None:
        step, node, folder = news
        steps[name].append(step)
        nodes[name].append(node)
        assert Path(folder) != jobs[name].folder, "it works in a copy"
        if not killed and node != heads_node:
            killed.append(name)
            # With SIGKILL, the whole node and its workers.
            lost = next(n for n in cluster.list_all_nodes() if n.node_id == node)
            cluster.remove_node(lost, allow_graceful=False)

    results = run_jobs(train, jobs, RayWorkers(cluster.address), heard)

    assert len(killed) == 1, nodes
    assert f"the worker of {killed[0]} died" in capsys.readouterr().err
    assert nodes[killed[0]][-1] == heads_node
    # It went on from the checkpoint that had come back, not from the beginning.
    assert steps[killed[0]] == [320, 640, 960]
    local = tmp_path / "local"
    for name, job in jobs.items():
        assert results[name] == train_expert(name, CFG, local, 3, lambda *_: None)
        for file in ("scores.json", "done.json"):
            assert (job.folder / file).read_bytes() == (local / name / file).read_bytes()
        assert not list(job.folder.glob("checkpoint*"))
        assert list(job.folder.glob("tensorboard/*"))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "127.0.0.1:x"])
def test_no_cluster_is_one_line(address: str) -> None:
    started = time.monotonic()
    with pytest.raises(InvalidConfigError, match=f"no Ray cluster at {address}"):
        run_jobs(fail, {"a": Job(Path(os.devnull), 0)}, RayWorkers(address))
    assert time.monotonic() - started < 10
