"""The tables of the results page, as Markdown.

An interval is Student's t over the means of the seeds, kept to what is possible; with one seed
there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from damsel.families import FAMILIES
from damsel_training.figures.results import by_seed, final_rows, median_seconds, select
from damsel_training.figures.statistics import Interval, correlation, mean_interval
from damsel_training.figures.style import METHOD_NAMES
from damsel_training.trajectory_table import TrajectoryRow

__all__ = [
    "GENTLE_N",
    "confusion_table",
    "correlation_table",
    "effort_table",
    "robustness_table",
    "seeds_table",
    "success_table",
    "variants_table",
]

GENTLE_N = 30.0
"""Contact force that a trajectory may reach to be called gentle, newtons: this project's target."""

_STEP_S = 0.05
_DASH = "–"
_FORCES = ("peak force, N", "worst seed's, N")


def success_table(rows: Sequence[TrajectoryRow]) -> str:
    """Success by family and method, at the paper's and at the strict thresholds."""
    lines = [["method", "seeds", *_both(lambda name: name), *_both(lambda name: f"{name}, strict")]]
    lines += [
        [METHOD_NAMES[method], *_success(select(rows, method=method))] for method in _methods(rows)
    ]
    return _markdown(lines)


def effort_table(rows: Sequence[TrajectoryRow]) -> str:
    """Final distance, robot time to a solved end, and contact force."""
    distances = [f"{name}, {family.unit}" for name, family in FAMILIES.items()]
    lines = [["method", *distances, "median s to a solved end", *_FORCES]]
    lines += [
        [METHOD_NAMES[method], *_effort(select(rows, method=method))] for method in _methods(rows)
    ]
    return _markdown(lines)


def variants_table(variants: Mapping[str, Sequence[TrajectoryRow]]) -> str:
    """Success, final distance, robot time and contact force of variants of one method.

    Args:
        variants: rows by name.
    """
    lines = [
        [
            "variant",
            "seeds",
            *_both(lambda name: name),
            *_both(lambda name: f"{name}, strict"),
            *(f"{name}, {family.unit}" for name, family in FAMILIES.items()),
            "median s to a solved end",
            *_FORCES,
        ]
    ]
    lines += [[title, *_success(rows), *_effort(rows)] for title, rows in variants.items()]
    return _markdown(lines)


def _success(rows: Sequence[TrajectoryRow]) -> list[str]:
    """Number of seeds, and success by family at both thresholds, of one method."""
    seeds = by_seed(final_rows(rows))
    cells = [str(len(seeds))]
    for field in ("success", "strict_success"):
        cells += [_percent(_over_seeds(seeds, name, field)) for name in FAMILIES]
    return cells


def _effort(rows: Sequence[TrajectoryRow]) -> list[str]:
    """Final distance by family, seconds to a solved end and peak force, of one method."""
    seeds = by_seed(final_rows(rows))
    cells = []
    for name in FAMILIES:
        each = [
            float(np.mean([row.distance for row in select(one, family=name)]))
            for one in seeds.values()
            if select(one, family=name)
        ]
        cells.append(_number(mean_interval(each, low=0.0)) if each else _DASH)
    seconds = float(np.median([median_seconds(one, _STEP_S) for one in by_seed(rows).values()]))
    cells.append(f"{seconds:.0f}" if np.isfinite(seconds) else "never")
    return cells + _forces(rows)


def _forces(rows: Sequence[TrajectoryRow]) -> list[str]:
    """The largest contact force of a seed, in the mean over seeds and of the worst one."""
    peaks = [max(row.peak_force for row in one) for one in by_seed(rows).values()]
    return [_number(mean_interval(peaks, low=0.0), 1), f"{max(peaks):.1f}"]


def confusion_table(rows: Sequence[TrajectoryRow]) -> str:
    """Families that DAMSEL inferred, in the columns, of the tasks of each, in the rows."""
    final = final_rows(select(rows, method="damsel"))
    lines = [["true family", "tasks", *(f"inferred {name}" for name in FAMILIES)]]
    for true in FAMILIES:
        its_rows = select(final, family=true)
        if its_rows:
            shares = [len(select(its_rows, inferred=name)) / len(its_rows) for name in FAMILIES]
            lines.append([true, str(len(its_rows)), *(f"{share:.1%}" for share in shares)])
    return _markdown(lines)


def correlation_table(rows: Sequence[TrajectoryRow]) -> str:
    """Pearson's r of the object's final state with its goal, by coordinate; mean over seeds."""
    places = [
        (name, index, f"{name} {label}" if family.goal_dim > 1 else name)
        for name, family in FAMILIES.items()
        for index, label in enumerate(family.goal_names)
    ]
    lines = [["method", *(title for _, _, title in places)]]
    for method in _methods(rows):
        seeds = by_seed(final_rows(select(rows, method=method)))
        cells = [METHOD_NAMES[method]]
        for name, index, _ in places:
            each = [
                correlation(
                    [row.state[index] for row in chosen], [row.goal[index] for row in chosen]
                )
                for one in seeds.values()
                if len(chosen := select(one, family=name)) > 1
            ]
            known = bool(each) and bool(np.isfinite(each).all())
            cells.append(f"{np.mean(each):.2f}" if known else _DASH)
        lines.append(cells)
    return _markdown(lines)


def robustness_table(rows: Sequence[TrajectoryRow], method: str) -> str:
    """Success of a method in every world, at the paper's and at the strict thresholds."""
    its_rows = select(rows, method=method)
    worlds = sorted({row.disturbance for row in its_rows}, key=lambda name: (name != "none", name))
    lines = [
        [
            "world",
            "seeds",
            *_both(lambda name: name),
            *_both(lambda name: f"{name}, strict"),
            "identified",
            *_FORCES,
        ]
    ]
    for world in worlds:
        here = select(its_rows, disturbance=world)
        cells = [_title(world), *_success(here)]
        inferred = [row.inferred == row.family for row in final_rows(here) if row.inferred]
        cells.append(f"{np.mean(inferred):.1%}" if inferred else _DASH)
        lines.append(cells + _forces(here))
    return _markdown(lines)


def seeds_table(rows: Sequence[TrajectoryRow], method: str) -> str:
    """Each seed of a method in all its worlds, the best first: what to choose one by.

    The shares are of all tasks in all worlds. A task is solved gently if none of its trajectories,
    probes included, pressed with more than `GENTLE_N`. The best seed is the one whose least solved
    family of all worlds is solved most; of such, the gentlest.
    """
    head = ["seed", "worlds", "solved", "strictly", "gently", "least solved", _FORCES[0]]
    made: list[tuple[float, float, list[str]]] = []
    for seed, one in by_seed(select(rows, method=method)).items():
        final = final_rows(one)
        rough = {(row.disturbance, row.task) for row in one if row.peak_force > GENTLE_N}
        gentle = [row.success and (row.disturbance, row.task) not in rough for row in final]
        solved: dict[tuple[str, str], list[bool]] = {}
        for row in final:
            solved.setdefault((row.family, row.disturbance), []).append(row.success)
        family, world = min(solved, key=lambda place: np.mean(solved[place]))
        least, share = float(np.mean(solved[family, world])), float(np.mean(gentle))
        peak = max(one, key=lambda row: row.peak_force)
        cells = [
            str(seed),
            str(len({row.disturbance for row in final})),
            f"{np.mean([row.success for row in final]):.1%}",
            f"{np.mean([row.strict_success for row in final]):.1%}",
            f"{share:.1%}",
            f"{least:.1%} ({family}, {_title(world)})",
            f"{peak.peak_force:.1f} ({peak.family}, {_title(peak.disturbance)})",
        ]
        made.append((least, share, cells))
    made.sort(key=lambda entry: entry[:2], reverse=True)
    return _markdown([head, *(cells for *_, cells in made)])


def _title(world: str) -> str:
    return world.replace("_", " ")


def _methods(rows: Sequence[TrajectoryRow]) -> list[str]:
    present = {row.method for row in rows}
    return [name for name in METHOD_NAMES if name in present]


def _both(title: Callable[[str], str]) -> list[str]:
    return [title(name) for name in FAMILIES]


def _over_seeds(seeds: dict[int, list[TrajectoryRow]], family: str, field: str) -> Interval | None:
    each = [
        float(np.mean([getattr(row, field) for row in chosen]))
        for one in seeds.values()
        if (chosen := select(one, family=family))
    ]
    return mean_interval(each, low=0.0, high=1.0) if each else None


def _percent(interval: Interval | None) -> str:
    if interval is None:
        return _DASH
    if not np.isfinite(interval.low):
        return f"{interval.mean:.1%}"
    return f"{interval.mean:.1%} [{interval.low:.1%}, {interval.high:.1%}]"


def _number(interval: Interval, digits: int = 4) -> str:
    mean, low, high = (f"{value:.{digits}f}" for value in interval)
    return f"{mean} [{low}, {high}]" if np.isfinite(interval.low) else mean


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *rest = lines
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rest))
