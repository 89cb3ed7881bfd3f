"""`simulation`: cases take turns on one core, and ratios are formed turn by turn.

Neighbours on the machine slow all cases of a round about equally, so a ratio within a round is
steadier than the speeds themselves; processor time leaves out what others took from the core.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks.machine import cores
from benchmarks.options import Options
from benchmarks.report import Report, text_table
from benchmarks.simulation.case import Turn
from benchmarks.simulation.metaworld_environment import metaworld_python
from benchmarks.simulation.worker_process import Worker

__all__ = ["LIMITS", "OURS", "PEERS", "measure", "table"]

OURS = (
    "physics-64",
    "physics-256",
    "batched-env-64",
    "physics-1",
    "env-1",
    "rollout-64",
    "rollout-1",
)
PEERS = ("metaworld:push-v3", "metaworld:door-open-v3", "metaworld:drawer-open-v3")
LIMITS = {"physics-64": "rollout-64", "physics-1": "rollout-1"}

_FIELDS = ("round", "case", "rows", "env_steps", "physics_steps", "simulated_s", "wall_s", "cpu_s")

Turns = Mapping[str, Sequence[Turn]]


def measure(options: Options) -> Report:
    """Run all cases in turn.

    Raises:
        DamselError: If Meta-World cannot be installed, or a case fails.
    """
    peer_python = metaworld_python()
    core = cores()[-1]
    turns: dict[str, list[Turn]] = {name: [] for name in (*OURS, *PEERS)}
    samples: list[tuple[object, ...]] = []
    with ExitStack() as stack:
        workers = []
        for name in turns:
            python = peer_python if name in PEERS else Path(sys.executable)
            workers.append(stack.enter_context(Worker(name, python, core)))
        for number in range(options.rounds):
            print(f"  round {number + 1} of {options.rounds}", flush=True)
            # There and back again, so that a slow drift of the machine favours nobody.
            for worker in workers if number % 2 == 0 else reversed(workers):
                turn = worker.take_turn(options.turn_s)
                turns[worker.name].append(turn)
                samples.append(_sample(number, worker, turn))
        facts = {key: value for one in workers for key, value in one.versions.items()}
        substeps = {worker.name: worker.substeps for worker in workers}
    return Report("simulation", table(turns, substeps), _FIELDS, samples, facts)


def _sample(number: int, worker: Worker, turn: Turn) -> tuple[object, ...]:
    return (
        number,
        worker.name,
        worker.rows,
        turn.env_steps,
        turn.env_steps * worker.substeps,
        f"{turn.simulated_s:.4f}",
        f"{turn.wall_s:.4f}",
        f"{turn.cpu_s:.4f}",
    )


def _speed(turn: Turn) -> float:
    """Simulated seconds per second of processor time."""
    return turn.simulated_s / turn.cpu_s


def _ratio(turns: Turns, case: str, peer: str) -> float:
    """Median over the rounds of one case's speed over another's."""
    pairs = zip(turns[case], turns[peer], strict=True)
    return median(_speed(ours) / _speed(theirs) for ours, theirs in pairs)


def table(turns: Turns, substeps: Mapping[str, int]) -> str:
    """Speeds, ratios and limits, for a person.

    Args:
        turns: of every case, by name, in the order of the rounds.
        substeps: physics steps of an environment step, by case.
    """
    rows = []
    for name, taken in turns.items():
        speeds = [_speed(turn) for turn in taken]
        rows.append(
            [
                name,
                f"{median(speeds):.1f}",
                f"{min(speeds):.1f}",
                f"{max(speeds):.1f}",
                f"{median(turn.simulated_s / turn.wall_s for turn in taken):.1f}",
                f"{median(turn.env_steps / turn.cpu_s for turn in taken):,.0f}",
                f"{median(turn.env_steps * substeps[name] / turn.cpu_s for turn in taken):,.0f}",
                *(f"{_ratio(turns, name, peer):.1f}" for peer in PEERS),
            ]
        )
    header = ["case", "sim s/CPU s", "least", "most", "sim s/wall s", "steps/s", "physics/s"]
    header += [f"x {peer.partition(':')[2].removesuffix('-v3')}" for peer in PEERS]
    limits = [
        f"{case} reaches {_ratio(turns, case, limit):.0%} of {limit}, its limit"
        for case, limit in LIMITS.items()
    ]
    worst = min(_ratio(turns, "physics-64", peer) for peer in PEERS)
    aim = f"physics-64 is at least {worst:.1f} times as fast as Meta-World (aim: 10)"
    return "\n".join([text_table(header, rows), "", aim, *limits])
