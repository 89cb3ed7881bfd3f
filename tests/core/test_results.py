from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest

from damsel.results import AdaptationResult, TrajectoryResult, write_json
from damsel.tasks import Task

PROBES = [
    TrajectoryResult("probe", "push", 0.0, 0.62, (1.0, 0.0)),
    TrajectoryResult("probe", "door", 41.25, 0.31, (0.0, 1.0)),
    TrajectoryResult("probe", "drawer", 0.0, 0.62, (-1.0, 0.0)),
]
ADAPTED = [
    TrajectoryResult("adapt", "door", 7.5, 0.25, (0.25, 0.75)),
    TrajectoryResult("adapt", "door", 88.125, 0.0625, (0.5, 0.5)),
]


def result(final_distance: float = 0.0625, **changes: object) -> AdaptationResult:
    last = dataclasses.replace(ADAPTED[1], final_distance=final_distance)
    arguments: dict[str, object] = {"steps": 500, "wall_seconds": 12.5} | changes
    return AdaptationResult.of(
        Task("door", (0.62,)),
        "door",
        [*PROBES, ADAPTED[0], last],
        **arguments,  # type: ignore[arg-type]
    )


def test_the_record_has_exactly_the_documented_fields() -> None:
    record = result(peak_contact_force=17.5).to_json()
    assert record == {
        "family_true": "door",
        "goal": [0.62],
        "family_inferred": "door",
        "probe_returns": {"push": 0.0, "door": 41.25, "drawer": 0.0},
        "trajectories": [
            {
                "stage": stage,
                "family": family,
                "return": total,
                "final_distance": distance,
                "latent": latent,
            }
            for stage, family, total, distance, latent in [
                ("probe", "push", 0.0, 0.62, [1.0, 0.0]),
                ("probe", "door", 41.25, 0.31, [0.0, 1.0]),
                ("probe", "drawer", 0.0, 0.62, [-1.0, 0.0]),
                ("adapt", "door", 7.5, 0.25, [0.25, 0.75]),
                ("adapt", "door", 88.125, 0.0625, [0.5, 0.5]),
            ]
        ],
        "final_distance": 0.0625,
        "success": True,
        "strict_success": False,
        "steps": 500,
        "wall_seconds": 12.5,
        "peak_contact_force": 17.5,
    }
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_without_a_force_sensor_the_record_is_silent_about_forces() -> None:
    assert "peak_contact_force" not in result().to_json()


@pytest.mark.parametrize(
    ("final_distance", "success", "strict"),
    [(0.05, True, True), (0.0501, True, False), (0.1, True, False), (0.1001, False, False)],
)
def test_the_last_trajectory_decides_on_success(
    final_distance: float, success: bool, strict: bool
) -> None:
    record = result(final_distance)
    assert (record.success, record.strict_success) == (success, strict)


def test_numbers_that_are_not_finite_become_null() -> None:
    record = result(math.nan, wall_seconds=math.inf).to_json()
    assert record["final_distance"] is None
    assert record["trajectories"][-1]["final_distance"] is None
    assert record["wall_seconds"] is None
    assert record["success"] is False


def test_table() -> None:
    assert (
        result().table()
        == """\
probe         return  final distance
push            0.00      0.6200 rad
door           41.25      0.3100 rad  <- chosen
drawer          0.00      0.6200 rad

adaptation    return  final distance
trajectory 1    7.50      0.2500 rad
trajectory 2   88.12      0.0625 rad

solved: the hidden task was door 0.62, and the last trajectory ended 0.0625 rad from the goal \
(allowed: 0.1, strictly: 0.05)"""
    )


@pytest.mark.parametrize(
    ("final_distance", "begin"), [(0.01, "solved, strictly: "), (0.2, "NOT solved: ")]
)
def test_verdict(final_distance: float, begin: str) -> None:
    assert result(final_distance).table().splitlines()[-1].startswith(begin)


def test_writing_one_record_or_a_list(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_json(result(), path)
    assert json.loads(path.read_text()) == result().to_json()
    write_json([result(), result(0.2)], str(path))
    assert json.loads(path.read_text()) == [result().to_json(), result(0.2).to_json()]
    write_json([], path)
    assert json.loads(path.read_text()) == []
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_json(result(), tmp_path / "none" / "result.json")
