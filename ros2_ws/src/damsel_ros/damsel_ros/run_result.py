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
    return AdaptationResult(
        task=task,
        family_inferred=run.result.family,
        trajectories=tuple(
            TrajectoryResult(
                stage=record.stage,
                family=record.family,
                total_return=record.return_sum,
                final_distance=distance,
                latent=tuple(record.latent),
                steps=record.steps,
            )
            for record, distance in zip(run.result.trajectories, run.final_distances, strict=True)
        ),
        wall_seconds=run.wall_s,
        peak_contact_force=(
            None if math.isnan(run.peak_contact_force_n) else run.peak_contact_force_n
        ),
    )
