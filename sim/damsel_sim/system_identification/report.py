"""What replay and fit tell: tables for people, plain data for files."""

from __future__ import annotations

from typing import Any

from damsel.kinematics import JOINT_NAMES
from damsel_sim.system_identification.fit import FitResult
from damsel_sim.system_identification.replay import Gap

__all__ = ["fit_table", "gap_record", "gap_table"]

_UNITS = {
    "friction": "of the effort limit",
    "damping_scale": "x nominal",
    "gain_scale": "x nominal",
    "delay_s": "s",
    "smoothing_s": "s",
}


def gap_record(gap: Gap) -> dict[str, Any]:
    """A gap as plain data."""
    return {
        "joints": {
            name: {"rms_rad": float(rms), "max_rad": float(largest)}
            for name, rms, largest in zip(
                JOINT_NAMES, gap.joint_rms_rad, gap.joint_max_rad, strict=True
            )
        },
        "end_effector": {
            "rms_mm": 1000 * gap.end_effector_rms_m,
            "max_mm": 1000 * gap.end_effector_max_m,
        },
        "measurements": gap.measurements,
        "motions": gap.motions,
        "left_out": gap.left_out,
    }


def gap_table(gaps: dict[str, Gap]) -> str:
    """Gaps under their names, side by side."""
    heads = [f"{name} {kind}" for name in gaps for kind in ("rms", "max")]
    width = max(12, *map(len, heads))
    lines = [f"{'gap':<12}" + "".join(f"  {head:>{width}}" for head in heads)]
    for joint, name in enumerate(JOINT_NAMES):
        values = [
            f"{value:.5f} rad"
            for gap in gaps.values()
            for value in (gap.joint_rms_rad[joint], gap.joint_max_rad[joint])
        ]
        lines.append(f"{name:<12}" + "".join(f"  {value:>{width}}" for value in values))
    values = [
        f"{1000 * value:.2f} mm"
        for gap in gaps.values()
        for value in (gap.end_effector_rms_m, gap.end_effector_max_m)
    ]
    lines.append(f"{'end effector':<12}" + "".join(f"  {value:>{width}}" for value in values))
    gap = next(iter(gaps.values()))
    lines.append(
        f"{gap.measurements} joint states of {gap.motions} motions; {gap.left_out} left out: the "
        "beginnings, what followed a touch, and what followed a late measurement"
    )
    return "\n".join(lines)


def fit_table(result: FitResult) -> str:
    """Parameters with their standard errors."""
    lines = [f"{'parameter':<14}  {'value':>9}  {'std. error':>10}"]
    for name, unit in _UNITS.items():
        value = getattr(result.arm, name)
        if name in result.not_identified:
            lines.append(
                f"{name:<14}  {value:>9.5f}  {'-':>10}  {unit}; not identified, near nominal: "
                f"{result.not_identified[name]}"
            )
        elif name not in result.standard_errors:
            lines.append(f"{name:<14}  {value:>9.5f}  {'-':>10}  {unit}; without it fits better")
        else:
            error = result.standard_errors[name]
            lines.append(f"{name:<14}  {value:>9.5f}  {error:>10.5f}  {unit}")
    lines.append(
        "friction between objects is not fitted: motions are judged up to the first touch only"
    )
    return "\n".join(lines)
