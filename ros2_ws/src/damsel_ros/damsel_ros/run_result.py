"""From what an operator saw of an adaptation to the core's record of it."""

from __future__ import annotations

import math

from damsel.results import AdaptationResult, TrajectoryResult
from damsel.tasks import Task
from damsel_ros.operator_client import Run

__all__ = ["result_of"]


def result_of(run: Run, task: Task) -> AdaptationResult:
    """Return the record of an adaptation.

    Args:
        run: What the operator saw.
        task: The hidden task.
    """
    records = run.result.trajectories
    return AdaptationResult.of(
        task,
        run.result.family,
        [
            TrajectoryResult(
                stage=record.stage,
                family=record.family,
                return_sum=record.return_sum,
                final_distance=distance,
                latent=tuple(record.latent),
            )
            for record, distance in zip(records, run.final_distances, strict=True)
        ],
        steps=sum(record.steps for record in records),
        wall_seconds=run.wall_s,
        peak_contact_force=(
            None if math.isnan(run.peak_contact_force_n) else run.peak_contact_force_n
        ),
    )
