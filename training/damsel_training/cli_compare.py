"""`damsel-train compare`: its options, and what it refuses before the work begins."""

from __future__ import annotations

import argparse
import contextlib
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from damsel.cli import OneLineParser
from damsel.errors import InvalidConfigError
from damsel.families import FAMILIES
from damsel.tasks import Task, load_tasks, sample_tasks, validation_tasks
from damsel_training.cli_options import (
    add_physics_option,
    add_run_options,
    check_writable,
    count,
    natural,
    run_of,
)

__all__ = ["METHOD_NAMES", "RESULTS", "WORLD_NAMES", "add_options", "run_compare"]

METHOD_NAMES = ("damsel", "gmps", "pearl", "nothing", "constant", "oracle")
WORLD_NAMES = (
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
    "arm_30ms",
    "arm_60ms",
    "arm_smooth",
    "table_1cm",
    "table_2cm",
    "table_left_1cm",
    "table_left_2cm",
    "table_unseen_5mm",
    "table_unseen_1cm",
    "table_unseen_near_1cm",
    "table_unseen_left_1cm",
)
RESULTS = Path("docs/results")

# What makes a method's trained parts, where the run has none.
_MADE_BY = {
    "damsel": "all",
    "gmps": "gmps",
    "pearl": "pearl",
    "constant": "experts",
    "oracle": "experts",
}

_OWN_NAMES = re.compile(r"validation|provenance|fresh\d+(_\d+)?")
_SEED = re.compile(r"-seed\d+(?=(-\w+)?\.csv$)")
# What tables of one method on the same tasks in the same world share, whatever the seed.
_SHARED = ("preset", "set", "expert_seed", "physics", "iterations", "tasks", "fresh", "task_seed")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `compare` to its parser."""
    add_run_options(parser)
    add_physics_option(parser)
    parser.add_argument(
        "--method",
        action="append",
        choices=METHOD_NAMES,
        help="only this; repeatable (all of them)",
    )
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="DAMSEL's (that of the run's folder)"
    )
    parser.add_argument(
        "--tasks", type=Path, metavar="FILE", help="YAML list of tasks (the 30 validation tasks)"
    )
    parser.add_argument(
        "--fresh", type=count, default=0, metavar="N", help="instead, N random tasks a family"
    )
    parser.add_argument(
        "--task-seed", type=natural, default=0, help="of the random tasks (%(default)s)"
    )
    parser.add_argument(
        "--disturb",
        action="append",
        metavar="NAME",
        choices=["all", *WORLD_NAMES],
        help=f"world, repeatable; `all` for every one: {', '.join(WORLD_NAMES)}",
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
        "--output", type=Path, default=RESULTS, metavar="DIR", help="tables (%(default)s)"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace tables that another command has made"
    )


def run_compare(options: argparse.Namespace, command: str) -> int:
    """Run `compare`.

    Args:
        options: parsed.
        command: the whole command line, for the record.
    """
    from damsel_training.comparison import Comparison, compare, table_name
    from damsel_training.comparison_record import recorded_commands
    from damsel_training.progress import Progress

    if options.iterations < 1:
        raise InvalidConfigError(f"--iterations is {options.iterations}; allowed: from 1")
    worlds = options.disturb or ["none"]
    if "all" in worlds:
        worlds = list(WORLD_NAMES)
    methods = options.method or METHOD_NAMES
    task_set, tasks = _tasks(options)
    if options.bundle:
        if "damsel" not in methods:
            raise InvalidConfigError("--bundle is for --method damsel")
        options.seed = _bundle_seed(options.bundle, options.seed)
    cfg, folder = run_of(options)
    check_writable(options.output, "--output")
    tables = {
        table_name(task_set, method, cfg.seed, world): method
        for method in methods
        for world in worlds
    }
    recorded = recorded_commands(options.output)
    if options.force:
        recorded = {made: by for made, by in recorded.items() if made not in tables}
    else:
        _check_recorded(options.output, tables, recorded)
    _check_alike(options, tables, recorded)
    wanted = Comparison(
        methods=methods,
        task_set=task_set,
        tasks=tasks,
        disturbances=worlds,
        iterations=options.iterations,
        bundle=options.bundle,
        output=options.output,
        command=command,
    )
    of_the_run = [
        name for name in methods if name in _MADE_BY and not (name == "damsel" and options.bundle)
    ]
    run = folder.opened(cfg, _MADE_BY[of_the_run[0]]) if of_the_run else contextlib.nullcontext()
    with run, Progress() as progress:
        for path in compare(wanted, cfg, folder, progress):
            print(path)
    return 0


def _tasks(options: argparse.Namespace) -> tuple[str, Sequence[Task]]:
    import numpy as np

    if options.tasks and options.fresh:
        raise InvalidConfigError("--tasks and --fresh exclude one another")
    if options.task_seed and not options.fresh:
        raise InvalidConfigError("--task-seed is for random tasks; allowed with --fresh N")
    if options.tasks:
        name = re.sub(r"[^\w-]+", "_", options.tasks.stem)
        if _OWN_NAMES.fullmatch(name):
            raise InvalidConfigError(
                f"--tasks {options.tasks}: {name} is the name of other tables; rename the file"
            )
        return name, load_tasks(options.tasks)
    if options.fresh:
        rng = np.random.default_rng(options.task_seed)
        drawn = [task for name in FAMILIES for task in sample_tasks(name, options.fresh, rng)]
        name = f"fresh{options.fresh}"
        return (f"{name}_{options.task_seed}" if options.task_seed else name), drawn
    return "validation", validation_tasks()


def _bundle_seed(path: Path, asked: int | None) -> int:
    """The bundle's seed, which tables are named by; that asked for if the bundle tells none.

    Raises:
        InvalidConfigError: another was asked for.
    """
    from damsel.bundle import Bundle

    seeds = Bundle.load(path).provenance["seeds"]
    trained = seeds.get("run") if isinstance(seeds, Mapping) else None
    if not isinstance(trained, int):
        return asked or 0
    if asked not in (None, trained):
        raise InvalidConfigError(f"--seed is {asked}; allowed with --bundle {path}: {trained}")
    return trained


def _check_recorded(output: Path, tables: Mapping[str, str], recorded: Mapping[str, str]) -> None:
    """Refuse to replace a table that nothing says the origin of."""
    for table in tables:
        if table not in recorded and (output / table).exists():
            raise InvalidConfigError(
                f"{output / table} is there, and nothing says what made it; name another folder "
                "with --output, or replace it with --force"
            )


def _check_alike(
    options: argparse.Namespace, tables: Mapping[str, str], recorded: Mapping[str, str]
) -> None:
    """Refuse tables that would replace those of another comparison, or stand beside them.

    Args:
        options: of this comparison.
        tables: the method of each of its tables, by name.
        recorded: the command that made each table that is there.
    """
    for made, command in recorded.items():
        for table, method in tables.items():
            if _SEED.sub("", made) != _SEED.sub("", table):
                continue
            compared: tuple[str, ...] = _SHARED
            if made == table:
                compared += ("run", "bundle") if method == "damsel" else ("run",)
            before = _recorded_options(command)
            for name in compared:
                if before.get(name) != getattr(options, name):
                    or_else = ", or replace it with --force" if made in tables else ""
                    raise InvalidConfigError(
                        f"{options.output / made} was made with another "
                        f"--{name.replace('_', '-')} (`{command}`); "
                        f"name another folder with --output{or_else}"
                    )


def _recorded_options(command: str) -> dict[str, object]:
    """What a command on record asked for; nothing if it cannot be told."""
    parser = OneLineParser(prog="damsel-train compare")
    add_options(parser)
    try:
        return vars(parser.parse_args(shlex.split(command)[2:]))
    except (InvalidConfigError, ValueError):
        return {}
