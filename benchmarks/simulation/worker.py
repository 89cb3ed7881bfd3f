"""One case in a process of its own: measures when told to, and sleeps while others have a turn.

Runs in this project's environment or in Meta-World's. It speaks JSON, a line a message: first
what the case is, then a `Turn` for every line with a number of seconds that it reads.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable

from benchmarks.simulation.case import Case, take_turn

__all__ = ["make_case"]


def make_case(name: str) -> Case:
    """Make a case by its name, such as `physics-64`, `env-1` or `metaworld:push-v3`."""
    kind, separator, task = name.partition(":")
    if separator:
        from benchmarks.simulation.metaworld_cases import MetaWorldCase

        return MetaWorldCase(task)
    from benchmarks.simulation import our_cases

    kind, _, rows = name.rpartition("-")
    kinds: dict[str, Callable[[int], Case]] = {
        "physics": our_cases.PhysicsCase,
        "batched-env": our_cases.BatchedEnvCase,
        "env": our_cases.EnvCase,
        "rollout": our_cases.RolloutCase,
    }
    return kinds[kind](int(rows))


def _main(name: str, core: int) -> None:
    os.sched_setaffinity(0, {core})
    case = make_case(name)
    case.prepare()
    case.roll()  # first calls load and allocate
    _say(
        {
            "rows": case.rows,
            "step_s": case.step_s,
            "substeps": case.substeps,
            "versions": case.versions,
        }
    )
    for line in sys.stdin:
        _say(dataclasses.asdict(take_turn(case, float(line))))


def _say(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
