"""Intervals, correlations and the cuts through the tables, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from damsel_training.figures.confusion import confusion_matrix
from damsel_training.figures.latents import principal_components
from damsel_training.figures.results import carried_forward, final_rows, median_seconds
from damsel_training.figures.statistics import correlation, mean_interval, t_quantile
from damsel_training.trajectory_table import TrajectoryRow
from tests.training.test_trajectory_table import PUSH


def _row(task: int, trajectory: int, distance: float, **changes: object) -> TrajectoryRow:
    success = distance <= 0.05
    return PUSH._replace(
        task=task, trajectory=trajectory, distance=distance, success=success, **changes
    )


def test_an_interval_by_hand() -> None:
    """Of 1, 2, 3, 4, 5: s = sqrt(2.5), and 2.7764 sqrt(2.5 / 5) = 1.9632."""
    mean, low, high = mean_interval([1, 2, 3, 4, 5])
    assert mean == pytest.approx(3.0)
    assert (low, high) == (pytest.approx(1.0368, abs=1e-4), pytest.approx(4.9632, abs=1e-4))


def test_an_interval_stays_within_what_is_possible() -> None:
    assert mean_interval([0.9, 1.0, 1.0], 0.0, 1.0).high == 1.0


def test_one_seed_has_no_interval() -> None:
    interval = mean_interval([0.7])
    assert interval.mean == 0.7
    assert np.isnan([interval.low, interval.high]).all()


@pytest.mark.parametrize(
    ("degrees", "value"), [(1, 12.706), (4, 2.776), (20, 2.086), (60, 2.000), (1000, 1.962)]
)
def test_quantiles_are_those_of_the_books(degrees: int, value: float) -> None:
    assert t_quantile(degrees) == pytest.approx(value, abs=1e-3)


def test_correlation_by_hand() -> None:
    assert correlation([1, 2, 3], [2, 4, 6]) == pytest.approx(1.0)
    assert correlation([1, 2, 3], [1, 0, 1]) == pytest.approx(0.0)
    assert np.isnan(correlation([1, 2, 3], [5, 5, 5 + 1e-12]))


def test_a_task_that_is_done_keeps_what_it_had() -> None:
    rows = [_row(4, 0, 0.3), _row(4, 1, 0.01), _row(9, 0, 0.2), _row(9, 1, 0.1), _row(9, 2, 0.02)]
    np.testing.assert_array_equal(
        carried_forward(rows, 4), [[0.3, 0.01, 0.01, 0.01], [0.2, 0.1, 0.02, 0.02]]
    )


def test_the_last_trajectory_of_each_task_counts() -> None:
    rows = [_row(0, 1, 0.2), _row(0, 0, 0.3), _row(1, 0, 0.1), _row(0, 0, 0.4, seed=8)]
    assert sorted(row.distance for row in final_rows(rows)) == [0.1, 0.2, 0.4]


def test_time_counts_to_a_solved_end_and_not_to_an_accident() -> None:
    solved_late = [_row(0, 0, 0.2), _row(0, 1, 0.01), _row(0, 2, 0.01)]
    solved_at_once = [_row(1, 0, 0.01)]
    by_accident = [_row(2, 0, 0.3), _row(2, 1, 0.01), _row(2, 2, 0.3)]
    assert median_seconds([*solved_late, *solved_at_once, *by_accident], 0.05) == 15.0
    assert median_seconds(by_accident, 0.05) == np.inf
    short = [_row(0, 0, 0.2, steps=30), _row(0, 1, 0.01)]
    assert median_seconds(short, 0.05) == pytest.approx(6.5)


def test_the_confusion_matrix_counts_final_trajectories() -> None:
    rows = [
        _row(0, 0, 0.2, inferred="door"),
        _row(0, 1, 0.1, inferred="push"),
        _row(1, 0, 0.1, inferred="drawer"),
    ]
    matrix = confusion_matrix(rows)
    np.testing.assert_array_equal(matrix[0], [0.5, 0.0, 0.5])
    assert np.isnan(matrix[1:]).all()


def test_principal_components_of_points_on_a_line() -> None:
    along = np.array([[-2.0], [0.0], [2.0]]) @ np.array([[3.0, 0.0, 4.0]]) / 5.0
    placed, other, share = principal_components(along, np.array([[0.0, 7.0, 0.0]]))
    np.testing.assert_allclose(placed[:, 0], [-2.0, 0.0, 2.0], atol=1e-12)
    assert share[0] == pytest.approx(1.0)
    assert other[0, 0] == pytest.approx(0.0, abs=1e-12)
