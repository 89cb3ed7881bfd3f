"""The record of one adaptation: JSON for programs, a table for people.

Distances are for the record; they are computed by whoever knows the task, after the fact.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from damsel.families import family
from damsel.tasks import Task, is_solved
from damsel.whole_files import write_whole

__all__ = ["AdaptationResult", "TrajectoryResult", "write_json"]


@dataclass(frozen=True)
class TrajectoryResult:
    """What one trajectory brought.

    Attributes:
        stage: `probe` or `adapt`.
        family: The family probed, or the one inferred.
        return_sum: Sum of its rewards.
        final_distance: Distance of the object to its goal at its end, in the true family's unit.
        latent: That conditioned the policy, L numbers.
    """

    stage: str
    family: str
    return_sum: float
    final_distance: float
    latent: tuple[float, ...]


@dataclass(frozen=True)
class AdaptationResult:
    """What one adaptation brought.

    Attributes:
        family_true: Family of the hidden task.
        goal: The hidden goal, in the family's unit.
        family_inferred: The family that the robot chose.
        probe_returns: Sum of the rewards of each family's probe.
        trajectories: What was rolled out, in order: the probes first.
        final_distance: Distance at the end of the last trajectory, in the true family's unit.
        success: Whether that solves the task by the paper's threshold.
        strict_success: Whether it solves the task by the strict threshold.
        steps: Control steps made in all trajectories together.
        wall_seconds: Duration by the clock on the wall.
        peak_contact_force: Largest contact force on the arm in newtons; None if not known.
    """

    family_true: str
    goal: tuple[float, ...]
    family_inferred: str
    probe_returns: Mapping[str, float]
    trajectories: Sequence[TrajectoryResult]
    final_distance: float
    success: bool
    strict_success: bool
    steps: int
    wall_seconds: float
    peak_contact_force: float | None = None

    @classmethod
    def of(
        cls,
        task: Task,
        family_inferred: str,
        trajectories: Sequence[TrajectoryResult],
        *,
        steps: int,
        wall_seconds: float,
        peak_contact_force: float | None = None,
    ) -> Self:
        """Make the record of a complete adaptation; the last trajectory decides on success.

        Args:
            task: The hidden task.
            family_inferred: The family that the robot chose.
            trajectories: What was rolled out, at least one trajectory, in order.
            steps: Control steps made in all of them together.
            wall_seconds: Duration.
            peak_contact_force: In newtons; None if not known.
        """
        final_distance = trajectories[-1].final_distance
        return cls(
            family_true=task.family,
            goal=task.goal,
            family_inferred=family_inferred,
            probe_returns={one.family: one.return_sum for one in trajectories if _is_probe(one)},
            trajectories=tuple(trajectories),
            final_distance=final_distance,
            success=is_solved(final_distance, task),
            strict_success=is_solved(final_distance, task, strict=True),
            steps=steps,
            wall_seconds=wall_seconds,
            peak_contact_force=peak_contact_force,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain data; numbers that are not finite become null.

        `return` is the sum of the rewards; distances are in the true family's unit.
        """
        record: dict[str, Any] = {
            "family_true": self.family_true,
            "goal": list(self.goal),
            "family_inferred": self.family_inferred,
            "probe_returns": {name: _finite(value) for name, value in self.probe_returns.items()},
            "trajectories": [
                {
                    "stage": one.stage,
                    "family": one.family,
                    "return": _finite(one.return_sum),
                    "final_distance": _finite(one.final_distance),
                    "latent": [_finite(value) for value in one.latent],
                }
                for one in self.trajectories
            ],
            "final_distance": _finite(self.final_distance),
            "success": self.success,
            "strict_success": self.strict_success,
            "steps": self.steps,
            "wall_seconds": _finite(self.wall_seconds),
        }
        if self.peak_contact_force is not None:
            record["peak_contact_force"] = _finite(self.peak_contact_force)
        return record

    def table(self) -> str:
        """Return the record as aligned plain text: probes, the family chosen, adaptation, verdict.

        A return is the sum of a trajectory's rewards.
        """
        unit = family(self.family_true).unit
        columns = ("return", "final distance", "")
        rows = [("probe", *columns)]
        for one in filter(_is_probe, self.trajectories):
            chosen = "<- chosen" if one.family == self.family_inferred else ""
            rows.append((one.family, *_numbers(one, unit), chosen))
        rows += [("", "", "", ""), ("adaptation", *columns)]
        adapted = [one for one in self.trajectories if not _is_probe(one)]
        for number, one in enumerate(adapted, start=1):
            rows.append((f"trajectory {number}", *_numbers(one, unit), ""))
        return "\n".join([*_aligned(rows), "", self._verdict()])

    def _verdict(self) -> str:
        its_family = family(self.family_true)
        task = f"{self.family_true} {','.join(f'{number:.4g}' for number in self.goal)}"
        verdict = "solved" if self.success else "NOT solved"
        if self.strict_success:
            verdict = "solved, strictly"
        return (
            f"{verdict}: the hidden task was {task}, and the last trajectory ended "
            f"{self.final_distance:.4f} {its_family.unit} from the goal "
            f"(allowed: {its_family.success_threshold:g}, "
            f"strictly: {its_family.strict_threshold:g})"
        )


def write_json(result: AdaptationResult | Sequence[AdaptationResult], path: str | Path) -> None:
    """Write one record, or a list of them, as JSON; all of a regular file or nothing.

    Args:
        result: One result becomes an object, a sequence a list.
        path: The file, replaced if it is there; what a symbolic link points to. A device or a pipe
            is written into.

    Raises:
        OSError: If the file cannot be written.
    """
    if isinstance(result, AdaptationResult):
        document: object = result.to_json()
    else:
        document = [one.to_json() for one in result]
    content = json.dumps(document, indent=2, allow_nan=False) + "\n"
    write_whole(path, content)


def _is_probe(one: TrajectoryResult) -> bool:
    return one.stage == "probe"


def _numbers(one: TrajectoryResult, unit: str) -> tuple[str, str]:
    return f"{one.return_sum:.2f}", f"{one.final_distance:.4f} {unit}"


def _aligned(rows: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """Pad columns to their widest cell: names to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        f"{name:<{widths[0]}}  {total:>{widths[1]}}  {distance:>{widths[2]}}  {note}".rstrip()
        for name, total, distance, note in rows
    ]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
