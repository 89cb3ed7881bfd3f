"""`python -m benchmarks [NAME ...]`: run the benchmarks and print their tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.machine import REPOSITORY, describe_machine
from benchmarks.options import Options
from benchmarks.report import Report
from damsel.cli import OneLineParser, run
from damsel.errors import InvalidConfigError
from damsel_intera.virtual.rehearsal import missing_ros1

_EPILOG = """\
benchmarks:
  simulation  simulated seconds per second of one core: this environment, Meta-World's push,
              door-open and drawer-open, and mujoco.rollout alone, taking turns
  latency     from observation to applied command through the ROS 2 nodes, beside a bare echo of
              the same messages between two processes, taking turns
  bridge      from observation to joint command at a virtual Sawyer, through nodes, ZeroMQ,
              Intera server and ROS 1, beside bare hops; jitter of the 100 Hz command stream with
              and without load (needs ROS 1, see scripts/install_ros1)
  tracking    how far the arm is from where it was told to be, and how hard it presses on what
              stands still, beside stiffer joints
  training    gradient steps per second of one core and peak memory of each learning stage

The first run of `simulation` puts Meta-World into an environment of its own, .venv-metaworld.
Samples go to runs/benchmarks/NAME.csv, or with --save to benchmarks/results/NAME.csv. What the
figures mean is in docs/benchmarks.md.
"""

_RESULTS = REPOSITORY / "benchmarks" / "results"
_SCRATCH = REPOSITORY / "runs" / "benchmarks"


def _simulation(options: Options) -> Report:
    from benchmarks.simulation.bench import measure

    return measure(options)


def _latency(options: Options) -> Report:
    from benchmarks.latency.bench import measure

    return measure(options)


def _bridge(options: Options) -> Report:
    from benchmarks.bridge.bench import measure

    return measure(options)


def _tracking(options: Options) -> Report:
    from benchmarks.tracking.bench import measure

    return measure(options)


def _training(options: Options) -> Report:
    from benchmarks.training.bench import measure

    return measure(options)


BENCHMARKS: dict[str, Callable[[Options], Report]] = {
    "simulation": _simulation,
    "latency": _latency,
    "bridge": _bridge,
    "tracking": _tracking,
    "training": _training,
}


def main() -> int:
    """Run what the command line names; everything by default."""
    given = _parser().parse_args()
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        raise InvalidConfigError(
            f"benchmark {unknown[0]!r} does not exist; allowed: {', '.join(BENCHMARKS)}"
        )
    options = Options.of(rounds=given.rounds, quick=given.quick, bundle=given.bundle)
    machine = describe_machine()
    print("\n".join(f"{name}: {value}" for name, value in machine.items()), flush=True)
    names = given.names or list(BENCHMARKS)
    if not given.names and (missing := missing_ros1()):
        print(f"bridge is left out: {missing}")
        names.remove("bridge")
    for name in names:
        print(f"\n== {name}", flush=True)
        report = BENCHMARKS[name](options)
        path = report.write(_RESULTS if given.save else _SCRATCH, machine)
        print(f"\n{report.table}\n\nsamples: {path.relative_to(REPOSITORY)}", flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="benchmarks",
        usage="python -m benchmarks [NAME ...] [options]",
        description="Measure speed, each figure beside a peer or a limit in the same run.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to measure (default: all)")
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="turns that each case gets (default: 9)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="two short rounds: does it run, not how fast is it"
    )
    parser.add_argument(
        "--bundle",
        type=Path,
        default=REPOSITORY / "models" / "default",
        metavar="DIR",
        help="model bundle that `latency` and `bridge` adapt with (default: models/default)",
    )
    parser.add_argument(
        "--save", action="store_true", help="keep the samples in benchmarks/results"
    )
    return parser


if __name__ == "__main__":
    sys.exit(run(main, "benchmarks"))
