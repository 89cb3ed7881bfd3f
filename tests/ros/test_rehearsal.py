"""The whole path without a robot: adapt, ROS 2, ZeroMQ, the Intera server, ROS 1, an arm."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from damsel_intera.client import Client
from damsel_intera.virtual.rehearsal import Rehearsal, missing_ros1
from damsel_ros.nodes import NAMESPACE, Parameter
from damsel_ros.processes import NodeProcesses
from damsel_ros.rehearse_cli import surroundings_of
from tests.ros.rehearsal_stage import in_a_hurry

pytestmark = [pytest.mark.ros1, pytest.mark.slow, pytest.mark.flaky(reruns=1)]


@pytest.fixture(scope="module", autouse=True)
def _ros1() -> None:
    if missing := missing_ros1():
        pytest.skip(missing)


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    logs = tmp_path / "logs"
    logs.mkdir()
    with Rehearsal(logs) as rehearsal:
        rehearsal.start()
        yield rehearsal


@pytest.mark.parametrize(
    ("family", "goal"), [("door", "0.62"), ("push", "0.17,-0.04"), ("drawer", "0.1")]
)
def test_a_task_of_each_family_is_solved_through_it(
    family: str, goal: str, tmp_path: Path, shipped_bundle: Path
) -> None:
    file = tmp_path / "result.json"
    command = [sys.executable, "-m", "damsel_ros.rehearse_cli", "--bundle", str(shipped_bundle)]
    # Most of the time would go by on the way back.
    quick = write_parameters(tmp_path, {"sawyer.return_speed_m_s": 0.1})
    command += ["--family", family, "--goal", goal, "--parameters", quick, "--json", str(file)]
    with in_a_hurry():
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    result = json.loads(file.read_text(encoding="utf-8"))
    assert result["family_inferred"] == family
    assert result["success"]
    assert done.stdout.count("put block, door and drawer back") == len(result["trajectories"])


def write_parameters(folder: Path, values: Mapping[str, Parameter]) -> str:
    """A parameter file for the robot node; its path."""
    file = folder / "mine.yaml"
    parameters = {f"{NAMESPACE}/robot": {"ros__parameters": values}}
    file.write_text(json.dumps(parameters), encoding="utf-8")
    return str(file)


# The pre-flight check


def preflight(rehearsal: Rehearsal, tmp_path: Path) -> tuple[int, dict[str, str]]:
    """Exit code, and what each check said."""
    file = write_parameters(tmp_path, surroundings_of(rehearsal).overrides["robot"])
    done = subprocess.run(
        [sys.executable, "-m", "damsel_ros.preflight_cli", "--parameters", file],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()[:-1]
    return done.returncode, {line[6:26].strip(): line[:4].strip() + line[26:] for line in lines}


def test_the_preflight_passes_when_all_is_well_and_names_what_is_not(
    rehearsal: Rehearsal, domain_id: int, tmp_path: Path
) -> None:
    code, found = preflight(rehearsal, tmp_path)
    assert code == 2
    assert found["object poses"].startswith("FAIL no pose of the block has come yet")
    assert found["enabled"].startswith("FAIL")
    arguments = ["--ros-args", "-r", f"__ns:={NAMESPACE}", "-p"]
    with NodeProcesses() as processes:
        processes.start(
            "object_bridge",
            "damsel_ros.object_bridge_node",
            [*arguments, f"objects_address:={rehearsal.objects_address}"],
        )
        client_enables(rehearsal)
        code, found = preflight(rehearsal, tmp_path)
        assert {name: line for name, line in found.items() if not line.startswith("ok")} == {}
        assert code == 0
        assert set(found) >= {"server", "protocol", "robot software", "control rate", "joint names"}
        rehearsal.inject("press_estop")
        code, found = preflight(rehearsal, tmp_path)
        assert code == 2
        assert found["emergency stop"].startswith("FAIL is pressed")


def client_enables(rehearsal: Rehearsal) -> None:
    with Client(rehearsal.addresses, "test") as client:
        client.hello()
        client.enable()
