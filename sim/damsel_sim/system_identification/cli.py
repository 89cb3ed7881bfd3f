"""`damsel-replay` and `damsel-fit`: a recorded run in simulation, and what it tells of the arm."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from damsel.cli import OneLineParser, run
from damsel.errors import InvalidConfigError
from damsel.kinematics import JOINT_NAMES
from damsel.whole_files import write_whole
from damsel_sim.arm_parameters import NOMINAL_ARM
from damsel_sim.system_identification.arm_file import load_arm, save_arm
from damsel_sim.system_identification.fit import fit
from damsel_sim.system_identification.mcap_file import read_recording
from damsel_sim.system_identification.recording import (
    InvalidRecordingError,
    Recording,
    motions,
)
from damsel_sim.system_identification.replay import Gap, Replay, gap
from damsel_sim.system_identification.report import fit_table, gap_record, gap_table

__all__ = ["fit_main", "replay_main"]


_MUCH = 0.2
_LARGEST_LAG_S = 0.02
_LARGEST_GAP_M = 0.005


def replay_main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `damsel-replay`."""
    return run(lambda: _replay(sys.argv[1:] if arguments is None else arguments), "damsel-replay")


def fit_main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `damsel-fit`."""
    return run(lambda: _fit(sys.argv[1:] if arguments is None else arguments), "damsel-fit")


def _replay(arguments: Sequence[str]) -> int:
    parser = OneLineParser(
        prog="damsel-replay",
        description="Replay the joint targets of a recorded run in simulation and report how far "
        "the simulated arm is from the recorded one.",
    )
    parser.add_argument("recording", type=Path, help="MCAP file that damsel-record wrote")
    parser.add_argument(
        "--parameters", type=Path, metavar="FILE", help="arm that damsel-fit wrote (nominal)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the gap here")
    options = parser.parse_args(arguments)
    _check_writable("--json", options.json, options.recording, options.parameters)
    arm = load_arm(options.parameters) if options.parameters else NOMINAL_ARM
    recording = _recording(options)
    if problem := _clock_problem(recording):
        print(problem, file=sys.stderr)
    replays = _replays(recording)
    found = gap(replays, arm)
    print(gap_table({"fitted" if options.parameters else "nominal": found}))
    if options.json:
        _write(options.json, json.dumps(gap_record(found), indent=2) + "\n")
    return 0


def _fit(arguments: Sequence[str]) -> int:
    parser = OneLineParser(
        prog="damsel-fit",
        description="Fit friction, damping, gains, delay and smoothing of the simulated arm to a "
        "recorded run.",
    )
    parser.add_argument("recording", type=Path, help="MCAP file that damsel-record wrote")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="YAML file to write"
    )
    options = parser.parse_args(arguments)
    _check_writable("--output", options.output, options.recording)
    recording = _recording(options)
    if problem := _clock_problem(recording):
        raise InvalidRecordingError(problem)
    replays = _replays(recording)
    result = fit(replays, progress=lambda line: print(line, file=sys.stderr))
    before, after = gap(replays, NOMINAL_ARM), gap(replays, result.arm)
    _check_gap(recording.name, after)
    content = options.recording.read_bytes()
    save_arm(
        options.output,
        result.arm,
        {
            "standard_errors": dict(result.standard_errors),
            "not_identified": dict(result.not_identified),
            "recording": {
                "file": options.recording.name,
                "sha256": hashlib.sha256(content).hexdigest(),
            },
            "gap": {"nominal": gap_record(before), "fitted": gap_record(after)},
        },
    )
    print(fit_table(result))
    print()
    print(gap_table({"nominal": before, "fitted": after}))
    return 0


def _recording(options: argparse.Namespace) -> Recording:
    recording = read_recording(options.recording)
    if recording.note:
        print(recording.note, file=sys.stderr)
    return recording


def _clock_problem(recording: Recording) -> str:
    """Why nothing can be told of delays, in one line; empty for nothing."""
    lag_s = recording.state_lag_s
    if not abs(lag_s) > _LARGEST_LAG_S:
        return ""
    return (
        f"{recording.name}: after their stamps joint states came {1000 * abs(lag_s):.0f} ms "
        f"{'later' if lag_s > 0 else 'earlier'} than targets (allowed: {1000 * _LARGEST_LAG_S:g} "
        "ms), and delay_s cannot be told from that: have the robot and this computer follow one "
        "NTP server, which damsel-preflight checks, and record again"
    )


def _check_gap(name: str, after: Gap) -> None:
    """Refuse an arm that is unlike its recording."""
    worst = int(np.argmax(after.joint_rms_rad))
    joint, off_rad = JOINT_NAMES[worst], float(after.joint_rms_rad[worst])
    if after.end_effector_rms_m > _LARGEST_GAP_M:
        raise InvalidRecordingError(
            f"{name}: even the best arm is {1000 * after.end_effector_rms_m:.1f} mm off at the end "
            f"effector (rms; allowed: {1000 * _LARGEST_GAP_M:g} mm), most at {joint}, "
            f"{off_rad:.3f} rad: are its joints those that it was told, and did nothing hold it?"
        )


def _replays(recording: Recording) -> list[Replay]:
    replays = [Replay(motion) for motion in motions(recording)]
    judged = [replay for replay in replays if replay.judged.any()]
    if not judged:
        raise InvalidRecordingError(
            f"{recording.name}: the arm touches something from the beginning of every motion; "
            "allowed: motions that begin in free space"
        )
    late = sum(replay.late for replay in judged) / sum(len(replay.judged) for replay in judged)
    if late > _MUCH:
        print(
            f"{recording.name}: {late:.0%} of the measurements came soon after a late one; record "
            "again on a machine and a network that are less busy",
            file=sys.stderr,
        )
    return judged


def _check_writable(option: str, path: Path | None, *read: Path | None) -> None:
    """Refuse a file that could not be written, or that is among those that are read."""
    if path is None:
        return
    if path.is_dir() or not path.resolve().parent.is_dir():
        raise InvalidConfigError(
            f"{option} {str(path)!r} cannot be written; allowed: a file in an existing folder"
        )
    if any(path.resolve() == one.resolve() for one in read if one is not None):
        raise InvalidConfigError(f"{option} {str(path)!r} is read, too; allowed: another file")


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text)
    except OSError as error:
        raise InvalidConfigError(f"{str(path)!r} cannot be written: {error.strerror}") from None
