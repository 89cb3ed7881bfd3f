"""`damsel-train`: from nothing to an evaluated bundle, in one command or stage by stage."""

from __future__ import annotations

import argparse
import errno
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from damsel.cli import EXIT_INTERRUPTED, OneLineParser, run
from damsel.errors import InvalidConfigError, brief
from damsel.families import FAMILIES
from damsel.tasks import Task, load_tasks, sample_tasks, training_tasks, validation_tasks
from damsel_sim.arm_parameters import ArmParameters
from damsel_sim.system_identification.arm_file import load_arm
from damsel_training import cli_comparison
from damsel_training.cli_options import (
    PRESET_NAMES,
    add_physics_option,
    add_ray_option,
    add_run_options,
    count,
    natural,
    ray_workers,
    run_of,
)
from damsel_training.errors import StorageError

if TYPE_CHECKING:
    from damsel_training.distribution import Workers
    from damsel_training.run import RunCfg, RunFolder

__all__ = ["PRESET_NAMES", "main"]

_DEFAULT_ITERATIONS = 4

# What goes on from its last checkpoint.
_RESUMED = ("experts", "collect", "meta", "all", "gmps", "pearl")

# What writing to a disk that is full, over its quota, or beyond the process's limit ends in.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return run(lambda: _guarded(given), "damsel-train")
    except _Stopped:
        resumed = bool(given) and given[0] in _RESUMED
        goes_on = "; the same command goes on" if resumed else ""
        print(f"damsel-train: stopped{goes_on}", file=sys.stderr)
        return EXIT_INTERRUPTED


class _Stopped(BaseException):
    """An interrupt from the keyboard."""


def _guarded(given: Sequence[str]) -> int:
    try:
        return _dispatch(given)
    except KeyboardInterrupt:
        raise _Stopped from None
    except OSError as error:
        if error.errno in _FULL:
            raise StorageError.of(error.filename or "a file", error) from None
        if error.filename is None or isinstance(error, BrokenPipeError):
            raise
        raise InvalidConfigError(f"{error.filename}: {error.strerror}") from None
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("damsel"):
            raise
        raise InvalidConfigError(
            f"training needs the package {error.name}; `make setup` installs all of the extra "
            "`train`"
        ) from None


def _dispatch(given: Sequence[str]) -> int:
    options = _parser().parse_args(given)
    if options.command == "evaluate":
        return _evaluate(options)
    command = shlex.join(["damsel-train", *given])
    if options.command in cli_comparison.COMMANDS:
        return cli_comparison.run_command(options, command)
    # Imported late: a mistyped option should not wait for torch, nor evaluation need it.
    from damsel_training import stages, task_expert_stages
    from damsel_training.progress import Progress
    from damsel_training.run import TaskExpertsCfg
    from damsel_training.stage_times import timed

    cfg, folder = run_of(options)
    workers = ray_workers(options)
    wanted = options.command
    first = "meta" if wanted == "export" else None
    with folder.opened(cfg, first), Progress() as progress:
        if wanted in ("experts", "all"):
            with timed(folder.root, "experts"):
                stages.experts(cfg, folder, progress, _families(options), workers)
            if isinstance(cfg.experts, TaskExpertsCfg):
                with timed(folder.root, "distillation"):
                    task_expert_stages.distil(
                        cfg.experts, cfg.seed, folder, progress, _families(options), workers
                    )
        if wanted in ("collect", "all"):
            with timed(folder.root, "collect"):
                stages.collect(cfg, folder, progress)
        if wanted in ("meta", "all"):
            with timed(folder.root, "meta"):
                stages.meta(cfg, folder, progress)
        if wanted in ("export", "all"):
            output = options.output if wanted == "export" else None
            print(f"bundle: {stages.export(cfg, folder, command, output)}")
    if options.command == "all":
        return _evaluate_run(folder, cfg, workers)
    return 0


def _families(options: argparse.Namespace) -> Sequence[str]:
    chosen: Sequence[str] = getattr(options, "family", None) or tuple(FAMILIES)
    return chosen


def _parser() -> OneLineParser:
    parser = OneLineParser(prog="damsel-train", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    stages = {
        "all": "from the experts to an evaluated bundle, in order",
        "experts": "RL experts: a goal-conditioned SAC agent a family, or one a task",
        "collect": "data set of expert roll-outs",
        "meta": "DAMSEL meta-training of encoder and policy",
        "export": "model bundle (ONNX) of the newest checkpoint",
    }
    for name, text in stages.items():
        stage = commands.add_parser(name, help=text, description=text)
        add_run_options(stage)
        add_physics_option(stage)
        if name in ("all", "experts"):
            add_ray_option(stage)
        if name == "experts":
            stage.add_argument(
                "--family", action="append", choices=list(FAMILIES), help="only this; repeatable"
            )
        if name == "export":
            stage.add_argument("--output", type=Path, metavar="DIR", help="the bundle (RUN/bundle)")
    _add_evaluate(
        commands.add_parser(
            "evaluate",
            help="run a bundle on hidden tasks in simulation",
            description="Run a bundle on hidden tasks in simulation; prints a line a family.",
        )
    )
    cli_comparison.add_commands(commands)
    return parser


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="(models/default of this clone)")
    parser.add_argument(
        "--tasks", type=Path, metavar="FILE", help="YAML list of tasks (the 30 validation tasks)"
    )
    parser.add_argument(
        "--fresh",
        type=count,
        default=0,
        metavar="N",
        help="instead, N random tasks a family drawn from --seed",
    )
    parser.add_argument(
        "--iterations",
        type=int,
        default=_DEFAULT_ITERATIONS,
        metavar="K",
        help="adaptation trajectories at most (%(default)s)",
    )
    parser.add_argument("--seed", type=natural, help="of the random tasks (0)")
    parser.add_argument(
        "--workers",
        type=natural,
        help="processes; results do not depend on it (the cores that there are)",
    )
    add_ray_option(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write one record a task")
    add_physics_option(parser)


def _check_evaluate(options: argparse.Namespace) -> None:
    if options.tasks and options.fresh:
        raise InvalidConfigError("--tasks and --fresh exclude one another")
    if options.seed is not None and not options.fresh:
        raise InvalidConfigError("--seed is for random tasks; allowed with --fresh N")
    if options.workers is not None and options.ray:
        raise InvalidConfigError("--workers and --ray exclude one another")
    if options.iterations < 1:
        raise InvalidConfigError(f"--iterations is {options.iterations}; allowed: from 1")
    if options.json and options.json.is_dir():
        raise InvalidConfigError(f"--json {options.json} is a folder; allowed: a file")
    if options.json and not options.json.parent.is_dir():
        raise InvalidConfigError(f"--json {options.json}: there is no folder {options.json.parent}")
    if options.json and not os.access(options.json.parent, os.W_OK):
        raise InvalidConfigError(f"--json {options.json}: {options.json.parent} is not writable")


def _evaluate(options: argparse.Namespace) -> int:
    import numpy as np

    from damsel.bundle import Bundle
    from damsel.bundle_path import default_bundle

    _check_evaluate(options)
    bundle = options.bundle or default_bundle()
    families = Bundle.load(bundle).families
    arm = load_arm(options.physics) if options.physics else None
    if options.tasks:
        tasks = load_tasks(options.tasks)
    elif options.fresh:
        rng = np.random.default_rng(options.seed or 0)
        tasks = [t for name in families for t in sample_tasks(name, options.fresh, rng)]
    else:
        tasks = validation_tasks()
    for task in tasks:
        if task.family not in families:
            raise InvalidConfigError(
                f"{bundle} knows no {task.family}; allowed: tasks of {', '.join(families)}"
            )
    asked = len(os.sched_getaffinity(0)) if options.workers is None else options.workers
    workers = ray_workers(options) or asked
    _evaluate_tasks(bundle, list(tasks), options.iterations, workers, options.json, arm)
    return 0


def _evaluate_run(folder: RunFolder, cfg: RunCfg, workers: Workers | None) -> int:
    tasks = list(validation_tasks())
    if cfg.preset == "smoke":
        tasks = tasks[:: len(tasks) // len(FAMILIES)]
    _evaluate_tasks(
        folder.bundle,
        tasks,
        _DEFAULT_ITERATIONS,
        workers or len(os.sched_getaffinity(0)),
        folder.evaluation,
        cfg.arm,
    )
    return 0


def _evaluate_tasks(
    bundle: Path,
    tasks: Sequence[Task],
    iterations: int,
    workers: Workers | int,
    json: Path | None,
    arm: ArmParameters | None,
) -> None:
    from damsel.results import write_json
    from damsel_training.evaluation import baselines, evaluate, summary, summary_table
    from damsel_training.progress import Progress

    with Progress() as progress:
        bar = progress.bar("evaluate", len(tasks))
        results = evaluate(bundle, tasks, iterations, workers, lambda done: bar(done, ""), arm)
    print(summary_table(summary(results), baselines(tasks, training_tasks())), flush=True)
    if json:
        try:
            write_json(results, json)
        except OSError as error:
            raise InvalidConfigError(
                f"--json {brief(str(json))} cannot be written: {error.strerror}"
            ) from None


if __name__ == "__main__":
    sys.exit(main())
