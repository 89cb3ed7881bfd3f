"""The commands of `damsel-train` about baselines, comparisons, figures and the data set."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from damsel.errors import InvalidConfigError
from damsel.families import FAMILIES
from damsel.tasks import Task, load_tasks, sample_tasks, validation_tasks
from damsel_training.cli_options import add_physics_option, add_run_options, natural, run_of

__all__ = ["COMMANDS", "add_commands", "run_command"]

_METHOD_NAMES = ("damsel", "gmps", "pearl", "nothing", "constant", "oracle")
_WORLD_NAMES = (
    "none",
    "friction_low",
    "friction_high",
    "mass_low",
    "mass_high",
    "damping_low",
    "damping_high",
    "noise_5mm",
    "delay_1",
    "delay_2",
    "table_1cm",
    "table_2cm",
    "table_left_1cm",
    "table_left_2cm",
    "table_unseen_5mm",
    "table_unseen_1cm",
)
_RESULTS = Path("docs/results")
_PEARL = "pearl."


def add_commands(commands: Any) -> None:
    """Add the commands to the subparsers of `damsel-train`."""
    gmps = commands.add_parser("gmps", help="meta-training without structure in the latent")
    add_run_options(gmps)
    add_physics_option(gmps)
    pearl = commands.add_parser(
        "pearl",
        help="PEARL on the same tasks, without experts",
        description="Trains PEARL, which needs no experts. Its own entries are changed by --set "
        "as well, and named in pearl/pearl.yaml of the run: --set pearl.hindsight=0.5",
    )
    add_run_options(pearl)
    pearl.add_argument("--steps", type=natural, metavar="N", help="budget of environment steps")
    pearl.add_argument("--seconds", type=natural, metavar="S", help="budget of time on the wall")
    _add_compare(
        commands.add_parser(
            "compare",
            help="every method on the same hidden tasks, in the same worlds; writes CSV tables",
            description="Runs methods on hidden tasks and writes one CSV table each, with a row "
            "a trajectory. DAMSEL takes a bundle; the others come from the run's folder.",
        )
    )
    figures = commands.add_parser("figures", help="figures and tables from the CSV tables")
    figures.add_argument(
        "--results", type=Path, default=_RESULTS, metavar="DIR", help="CSV tables (%(default)s)"
    )
    figures.add_argument(
        "--images",
        type=Path,
        default=Path("docs/images"),
        metavar="DIR",
        help="where figures go (%(default)s)",
    )
    figures.add_argument(
        "--page",
        type=Path,
        default=Path("docs/results.md"),
        metavar="FILE",
        help="page whose marked parts are written anew (%(default)s)",
    )
    ablations = commands.add_parser(
        "ablations",
        help="table of DAMSEL's variants from the CSV tables",
        description="A variant is trained with --set and compared with --output DIR/NAME; "
        "scripts/ablations does both.",
    )
    ablations.add_argument(
        "--variants",
        type=Path,
        default=_RESULTS / "ablations",
        metavar="DIR",
        help="a folder of tables a variant (%(default)s)",
    )
    ablations.add_argument(
        "--base",
        type=Path,
        default=_RESULTS,
        metavar="DIR",
        help="tables of DAMSEL itself (%(default)s)",
    )
    ablations.add_argument(
        "--page",
        type=Path,
        default=Path("docs/ablations.md"),
        metavar="FILE",
        help="page whose marked parts are written anew (%(default)s)",
    )
    _add_dataset(commands.add_parser("dataset", help="expert roll-outs as a Minari data set"))


def _add_compare(parser: argparse.ArgumentParser) -> None:
    add_run_options(parser)
    parser.add_argument(
        "--method",
        action="append",
        choices=_METHOD_NAMES,
        help="only this; repeatable (all of them)",
    )
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="DAMSEL's (that of the run's folder)"
    )
    parser.add_argument(
        "--tasks", type=Path, metavar="FILE", help="YAML list of tasks (the 30 validation tasks)"
    )
    parser.add_argument(
        "--fresh", type=natural, default=0, metavar="N", help="instead, N random tasks a family"
    )
    parser.add_argument(
        "--task-seed", type=natural, default=0, help="of the random tasks (%(default)s)"
    )
    parser.add_argument(
        "--disturb",
        action="append",
        metavar="NAME",
        choices=["all", *_WORLD_NAMES],
        help=f"world, repeatable; `all` for every one: {', '.join(_WORLD_NAMES)}",
    )
    parser.add_argument(
        "--iterations",
        type=int,
        default=4,
        metavar="K",
        help="adaptation trajectories at most, after the probes; methods without probes may "
        "sample as many in all (%(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, default=_RESULTS, metavar="DIR", help="tables (%(default)s)"
    )


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    add_run_options(parser)
    add_physics_option(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--export", metavar="NAME", help="write the run's data set under this name")
    what.add_argument("--inspect", metavar="NAME", help="say what a data set holds")
    parser.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="folder of all data sets (that of Minari: $MINARI_DATASETS_PATH)",
    )


def run_command(options: argparse.Namespace, command: str) -> int:
    """Run one of `COMMANDS`.

    Args:
        options: parsed.
        command: the whole command line, for the record.
    """
    return COMMANDS[options.command](options, command)


def _gmps(options: argparse.Namespace, _command: str) -> int:
    from damsel_training import baselines
    from damsel_training.progress import Progress
    from damsel_training.stage_times import timed

    cfg, folder = run_of(options)
    with folder.opened(cfg), Progress() as progress, timed(folder.root, "gmps"):
        baselines.gmps(cfg, folder, progress)
    return 0


def _pearl(options: argparse.Namespace, _command: str) -> int:
    from damsel_training import baselines
    from damsel_training.overrides import overridden
    from damsel_training.progress import Progress
    from damsel_training.stage_times import timed

    own = [each for each in options.set if each.startswith(_PEARL)]
    options.set = [each for each in options.set if each not in own]
    cfg, folder = run_of(options)
    pearl = overridden({"pearl": baselines.pearl_cfg(cfg.preset)}, own)["pearl"]
    if options.steps is not None:
        pearl = dataclasses.replace(pearl, environment_steps=options.steps)
    if options.seconds is not None:
        pearl = dataclasses.replace(pearl, wall_seconds=float(options.seconds))
    with folder.opened(cfg), Progress() as progress, timed(folder.root, "pearl"):
        learner = baselines.pearl(pearl, cfg.seed, folder.root / "pearl", progress)
    print(f"PEARL: {learner.environment_steps} steps in {learner.wall_seconds:.0f} s")
    return 0


def _compare(options: argparse.Namespace, command: str) -> int:
    from damsel_training.comparison import Comparison, compare
    from damsel_training.progress import Progress

    if options.iterations < 1:
        raise InvalidConfigError(f"--iterations is {options.iterations}; allowed: from 1")
    worlds = options.disturb or ["none"]
    if "all" in worlds:
        worlds = list(_WORLD_NAMES)
    task_set, tasks = _tasks(options)
    cfg, folder = run_of(options)
    _check_writable(options.output, "--output")
    wanted = Comparison(
        methods=options.method or _METHOD_NAMES,
        task_set=task_set,
        tasks=tasks,
        disturbances=worlds,
        iterations=options.iterations,
        bundle=options.bundle,
        output=options.output,
        command=command,
    )
    with folder.opened(cfg), Progress() as progress:
        for path in compare(wanted, cfg, folder, progress):
            print(path)
    return 0


def _tasks(options: argparse.Namespace) -> tuple[str, Sequence[Task]]:
    import numpy as np

    if options.tasks and options.fresh:
        raise InvalidConfigError("--tasks and --fresh exclude one another")
    if options.tasks:
        return options.tasks.stem, load_tasks(options.tasks)
    if options.fresh:
        rng = np.random.default_rng(options.task_seed)
        drawn = [task for name in FAMILIES for task in sample_tasks(name, options.fresh, rng)]
        name = f"fresh{options.fresh}"
        return (f"{name}_{options.task_seed}" if options.task_seed else name), drawn
    return "validation", validation_tasks()


def _check_writable(folder: Path, option: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidConfigError(f"{option} {folder}: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise InvalidConfigError(f"{option} {folder} is not writable")


def _figures(options: argparse.Namespace, command: str) -> int:
    from damsel_training.figures import make_figures

    _check_writable(options.images, "--images")
    _check_writable(options.page.parent, "--page")
    for path in make_figures(options.results, options.images, options.page, command):
        print(path)
    return 0


def _ablations(options: argparse.Namespace, command: str) -> int:
    from damsel_training.figures.variants import make_variants_page

    _check_writable(options.page.parent, "--page")
    print(make_variants_page(options.variants, options.base, options.page, command))
    return 0


def _dataset(options: argparse.Namespace, command: str) -> int:
    from damsel_training import minari_dataset

    if options.root is not None:
        os.environ["MINARI_DATASETS_PATH"] = str(options.root)
    if options.inspect:
        print(minari_dataset.inspect(options.inspect))
        return 0
    cfg, folder = run_of(options)
    with folder.opened(cfg):
        print(minari_dataset.export(options.export, folder, cfg, command))
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace, str], int]] = {
    "gmps": _gmps,
    "pearl": _pearl,
    "compare": _compare,
    "figures": _figures,
    "ablations": _ablations,
    "dataset": _dataset,
}
"""Every command of this module by name."""
