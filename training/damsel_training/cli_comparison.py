"""The commands of `damsel-train` about baselines, comparisons, figures and the data set."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from damsel.errors import InvalidConfigError
from damsel_training import cli_compare
from damsel_training.cli_options import (
    add_physics_option,
    add_run_options,
    check_writable,
    natural,
    run_of,
)

__all__ = ["COMMANDS", "add_commands", "run_command"]

_RESULTS = cli_compare.RESULTS
_PEARL = "pearl."


def add_commands(commands: Any) -> None:
    """Add the commands to the subparsers of `damsel-train`."""
    gmps = commands.add_parser(
        "gmps",
        help="meta-training without structure in the latent",
        description="Meta-train the GMPS variant: DAMSEL without structure in its latent, on the "
        "experts and data of the run.",
    )
    add_run_options(gmps)
    add_physics_option(gmps)
    pearl = commands.add_parser(
        "pearl",
        help="PEARL on the same tasks, without experts",
        description="Trains PEARL, which needs no experts. Its own entries are changed by --set "
        "as well, and named in pearl/pearl.yaml of the run: --set pearl.hindsight=0.5",
    )
    add_run_options(pearl)
    add_physics_option(pearl)
    pearl.add_argument("--steps", type=natural, metavar="N", help="budget of environment steps")
    pearl.add_argument("--seconds", type=natural, metavar="S", help="budget of time on the wall")
    cli_compare.add_options(
        commands.add_parser(
            "compare",
            help="every method on the same hidden tasks, in the same worlds; writes CSV tables",
            description="Runs methods on hidden tasks and writes one CSV table each, with a row "
            "a trajectory. DAMSEL takes a bundle; the others come from the run's folder.",
        )
    )
    figures = commands.add_parser(
        "figures",
        help="figures and tables from the CSV tables",
        description="Draw the figures, and write them and their tables into a page.",
    )
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
    _add_dataset(
        commands.add_parser(
            "dataset",
            help="expert roll-outs as a Minari data set",
            description="Export the expert roll-outs of a run as a Minari data set, or say what a "
            "data set holds.",
        )
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
    unread = [f"--set {each}" for each in options.set]
    unread += [f"--expert-seed {each}" for each in options.expert_seed]
    if unread and not folder.exists():
        raise InvalidConfigError(
            f"{unread[0]}: PEARL reads entries of pearl alone; others only name a run that was "
            "begun with them"
        )
    pearl = overridden({"pearl": baselines.pearl_cfg(cfg.preset)}, own)["pearl"]
    if options.steps is not None:
        pearl = dataclasses.replace(pearl, environment_steps=options.steps)
    if options.seconds is not None:
        pearl = dataclasses.replace(pearl, wall_seconds=float(options.seconds))
    with folder.opened(cfg), Progress() as progress, timed(folder.root, "pearl"):
        learner = baselines.pearl(pearl, cfg.seed, folder.root / "pearl", progress, cfg.arm)
    print(f"PEARL: {learner.environment_steps} steps in {learner.wall_seconds:.0f} s")
    return 0


def _figures(options: argparse.Namespace, command: str) -> int:
    from damsel_training.figures import make_figures

    check_writable(options.images, "--images")
    check_writable(options.page.parent, "--page")
    for path in make_figures(options.results, options.images, options.page, command):
        print(path)
    return 0


def _ablations(options: argparse.Namespace, command: str) -> int:
    from damsel_training.figures.variants import make_variants_page

    check_writable(options.page.parent, "--page")
    print(make_variants_page(options.variants, options.base, options.page, command))
    return 0


def _dataset(options: argparse.Namespace, command: str) -> int:
    from damsel_training import minari_dataset

    if options.root is not None:
        os.environ["MINARI_DATASETS_PATH"] = str(options.root)
    if options.inspect:
        if options.root is not None and not options.root.is_dir():
            raise InvalidConfigError(f"--root {options.root} is no folder")
        print(minari_dataset.inspect(options.inspect))
        return 0
    if options.root is not None:
        check_writable(options.root, "--root")
    cfg, folder = run_of(options)
    with folder.opened(cfg, "collect"):
        print(minari_dataset.export(options.export, folder, cfg, command))
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace, str], int]] = {
    "gmps": _gmps,
    "pearl": _pearl,
    "compare": cli_compare.run_compare,
    "figures": _figures,
    "ablations": _ablations,
    "dataset": _dataset,
}
"""Every command of this module by name."""
