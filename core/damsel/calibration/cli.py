"""`damsel-calibrate`: fits where a camera stands from recorded pairs of points."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from damsel.calibration.fit import Fit, fit_camera_to_base
from damsel.calibration.model import Calibration, load_calibration, save_calibration
from damsel.calibration.numbers import numbers
from damsel.cli import OneLineParser, run
from damsel.errors import InvalidConfigError, brief
from damsel.safe_yaml import read_yaml

__all__ = ["fit_file", "main"]

Array = NDArray[np.float64]

PROGRAM = "damsel-calibrate"

_WIDER = 1.5


def main() -> None:
    """Run `damsel-calibrate`."""
    sys.exit(run(lambda: fit_file(sys.argv[1:]), PROGRAM))


def fit_file(argv: Sequence[str]) -> int:
    """Fit a camera from a file of pairs, say how well, and store it.

    Args:
        argv: Arguments without the program's name.

    Returns:
        The exit code.

    Raises:
        DamselError: If anything is not allowed, or the pairs do not agree.
    """
    given = _parser().parse_args(argv)
    if given.output and not given.frame:
        raise InvalidConfigError("--output needs --frame: whose poses the calibration is for")
    camera, base = _read_pairs(Path(given.pairs))
    fit = fit_camera_to_base(camera, base)
    print(_report(fit))
    if fit.is_flat:
        print(
            f"{PROGRAM}: warning: all pairs are within {1000 * fit.thickness_m:.1f} mm (rms) of a "
            "plane, so no residual would show a camera whose frame is left-handed, and heights "
            "would be mirrored; better: pairs at different heights",
            file=sys.stderr,
        )
    limit_m = given.limit_mm / 1000.0
    if not fit.residuals_m.max() <= limit_m:
        remedy = _wrong_with_all(camera, base, limit_m) or "measure it again or leave it out"
        raise InvalidConfigError(
            f"pair {fit.worst_pair + 1} is {1000 * fit.residuals_m.max():.1f} mm off; allowed: "
            f"{given.limit_mm:g} mm (--limit-mm); {remedy}"
        )
    if given.output:
        path = Path(given.output)
        known = load_calibration(path) if path.exists() else Calibration()
        cameras = {**known.camera_to_base, given.frame: fit.camera_to_base}
        save_calibration(path, replace(known, camera_to_base=cameras))
        print(f"wrote camera_to_base of frame {given.frame} to {path}")
    return 0


def _wrong_with_all(camera: Array, base: Array, limit_m: float) -> str:
    """What is wrong with all pairs alike, in words; empty for nothing that could be told."""
    wider = float(np.std(camera, axis=0).sum() / np.std(base, axis=0).sum())
    if not 1 / _WIDER < wider < _WIDER:
        return f"the camera's points lie {wider:.3g} times as far apart: are both in metres?"
    mirrored = fit_camera_to_base(camera * [-1.0, 1.0, 1.0], base)
    if mirrored.residuals_m.max() <= limit_m:
        return "mirrored, all pairs fit: the axes of the camera's frame are not right-handed"
    return ""


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog=PROGRAM,
        description="Fit where a camera stands from points measured in its frame and in `base`.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "pairs", help="YAML list of {camera: [x, y, z], base: [x, y, z]}, metres, four or more"
    )
    parser.add_argument(
        "--frame",
        default="",
        help="frame_id of the camera's poses, as damsel-record-pairs says it; with --output",
    )
    parser.add_argument(
        "--output",
        default="",
        metavar="FILE",
        help="calibration to write the camera into, beside those that are in it; without it the "
        "fit is printed only",
    )
    parser.add_argument(
        "--limit-mm", type=float, default=5.0, help="largest residual that is accepted (default 5)"
    )
    return parser


def _read_pairs(path: Path) -> tuple[Array, Array]:
    entries = read_yaml(path, "pairs", InvalidConfigError)
    if not isinstance(entries, list):
        raise InvalidConfigError(f"pairs {str(path)!r} hold {brief(entries)}; allowed: a list")
    points: dict[str, list[list[float]]] = {"camera": [], "base": []}
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict) or set(entry) != set(points):
            raise InvalidConfigError(
                f"pairs {str(path)!r}, pair {number} is {brief(entry)}; allowed: "
                "exactly the keys camera and base"
            )
        for name, kept in points.items():
            kept.append(_point(entry[name], f"pairs {str(path)!r}, pair {number}, {name}"))
    return np.array(points["camera"]).reshape(-1, 3), np.array(points["base"]).reshape(-1, 3)


def _point(value: object, where: str) -> list[float]:
    point = numbers(value)
    if point is None or len(point) != 3:
        raise InvalidConfigError(f"{where} is {brief(value)}; allowed: three numbers, metres")
    return point


def _report(fit: Fit) -> str:
    transform = fit.camera_to_base
    lines = ["pair  residual"]
    lines += [f"{n + 1:>4}  {1000 * r:5.1f} mm" for n, r in enumerate(fit.residuals_m.tolist())]
    lines.append(
        f"rms {1000 * fit.rms_m:.2f} mm, worst {1000 * fit.residuals_m.max():.2f} mm "
        f"(pair {fit.worst_pair + 1})"
    )
    found = (
        ", ".join(f"{x:.4f}" for x in v) for v in (transform.translation, transform.quaternion)
    )
    lines.append("camera_to_base: translation [{}] m, rotation [{}] (x, y, z, w)".format(*found))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
