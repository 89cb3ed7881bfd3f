"""Command line of `damsel-adapt`: everything is checked before anything starts."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from damsel.bundle import Bundle
from damsel.bundle_path import default_bundle
from damsel.cli import OneLineParser
from damsel.errors import InvalidConfigError, brief
from damsel.families import FAMILIES
from damsel.tasks import Task, parse_goal, sample_tasks
from damsel_ros.adapt_run import MAX_ITERATIONS
from damsel_ros.backends import BACKEND_NAMES, make_robot
from damsel_ros.parameter_file import check_parameter_file
from damsel_ros.recording_file import check_new_file
from damsel_ros.robot_loop import Mode

__all__ = ["DEFAULT_TASK", "Options", "parse_options"]

DEFAULT_TASK = Task("door", (0.62,))
"""The hidden task when neither family nor goal is named."""


@dataclass(frozen=True)
class Options:
    """What `damsel-adapt` was asked to do, checked.

    Attributes:
        task: The hidden task.
        bundle: The bundle, loaded once to check it.
        bundle_folder: Parameter `bundle` of the adapt node; None leaves it to parameter files.
        iterations: Most adaptation trajectories.
        robot: Name of the backend.
        mode: Parameter `mode` of the robot node; None leaves it to parameter files.
        composed: Whether the nodes share one process.
        attach: Whether to use nodes that are running instead of starting them.
        json: Where to write the result, if anywhere.
        parameters: Parameter file of one's own, if any.
        record: Where to write a recording of the run, if anywhere.
    """

    task: Task
    bundle: Bundle
    bundle_folder: Path | None
    iterations: int
    robot: str
    mode: str | None
    composed: bool
    attach: bool
    json: Path | None
    parameters: Path | None = None
    record: Path | None = None


def parse_options(argv: Sequence[str]) -> Options:
    """Read and check the command line.

    Args:
        argv: Arguments without the program's name.

    Raises:
        DamselError: If anything is not allowed, the bundle included.
    """
    given = _parser().parse_args(argv)
    try:
        return _checked(given)
    except OSError as error:
        what = "the working directory" if error.filename is None else brief(str(error.filename))
        raise InvalidConfigError(f"{what} cannot be used: {error.strerror}") from None


def _checked(given: Namespace) -> Options:
    task = _task(given.family, given.goal)
    if not 1 <= given.iterations <= MAX_ITERATIONS:
        raise InvalidConfigError(
            f"--iterations is {given.iterations}; allowed: 1 to {MAX_ITERATIONS}"
        )
    # An empty text stands for the default, so that a launch file can pass its arguments on.
    json = Path(given.json) if given.json else None
    if json is not None:
        _check_writable(json)
    record = Path(given.record) if given.record else None
    if record is not None:
        check_new_file(record, "--record")
    if given.attach:
        for option in ("mode", "parameters", "composed"):
            if getattr(given, option):
                raise InvalidConfigError(
                    f"--{option} is given with --attach; allowed: only without, the running nodes "
                    "have their own"
                )
    parameters = Path(given.parameters) if given.parameters else None
    if parameters is not None:
        check_parameter_file(parameters)
    if given.robot != "sim" and given.mode == Mode.LOCKSTEP.value:
        raise InvalidConfigError(
            f"--mode is lockstep with --robot {given.robot}; allowed: realtime, a physical arm "
            "does not wait"
        )
    bundle_folder = Path(given.bundle) if given.bundle else None
    bundle = Bundle.load(bundle_folder or default_bundle())
    make_robot(given.robot).description.check_fits(bundle)
    return Options(
        task=task,
        bundle=bundle,
        bundle_folder=bundle_folder,
        iterations=given.iterations,
        robot=given.robot,
        mode=given.mode or None,
        composed=given.composed,
        attach=given.attach,
        json=json,
        parameters=parameters,
        record=record,
    )


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="damsel-adapt",
        description="Adapt a Sawyer to a hidden task: probe every family, then adapt to rewards.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--family", help=f"family of the hidden task: {', '.join(FAMILIES)} (default: door)"
    )
    parser.add_argument(
        "--goal",
        help="hidden goal, such as 0.62 for door or 0.17,-0.04 for push (default: one drawn at "
        "random from the family's range; 0.62 without --family)",
    )
    parser.add_argument(
        "--bundle",
        default="",
        metavar="DIR",
        help="model bundle (default: models/default); with --attach that of the running adapt node",
    )
    parser.add_argument(
        "--iterations", type=int, default=4, metavar="K", help="adaptation trajectories at most"
    )
    parser.add_argument("--robot", default="sim", choices=BACKEND_NAMES, help="which arm")
    parser.add_argument(
        "--mode",
        default="",
        choices=["", *(mode.value for mode in Mode)],
        metavar="{lockstep,realtime}",
        help="lockstep: as fast as it goes; realtime: 20 control steps a second, which is the "
        "default for a physical arm",
    )
    parser.add_argument("--composed", action="store_true", help="all nodes in one process")
    parser.add_argument(
        "--attach", action="store_true", help="use running nodes instead of starting them"
    )
    parser.add_argument(
        "--parameters", default="", metavar="FILE", help="ROS parameter file of your own set-up"
    )
    parser.add_argument("--json", default="", metavar="FILE", help="write the result here")
    parser.add_argument(
        "--record", default="", metavar="FILE", help="record the run to this new MCAP file"
    )
    return parser


def _task(family: str | None, goal: str | None) -> Task:
    # An empty text stands for the default here as well.
    if family and goal:
        return parse_goal(family, goal)
    if family:
        return sample_tasks(family, 1, np.random.default_rng())[0]
    if goal:
        raise InvalidConfigError(f"--family is missing; allowed with --goal: {', '.join(FAMILIES)}")
    return DEFAULT_TASK


def _check_writable(path: Path) -> None:
    # A regular file is replaced, anything else is written into.
    written = path if path.exists() and not path.is_file() else path.resolve().parent
    if path.is_dir() or not written.exists() or not os.access(written, os.W_OK):
        raise InvalidConfigError(
            f"--json {brief(str(path))} cannot be written; allowed: a file in a folder that is "
            "there and can be written"
        )
