"""What a benchmark hands back: every sample for a file, a table and notes for a person."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Report", "percentile", "text_table"]


@dataclass(frozen=True)
class Report:
    """Result of one benchmark.

    Attributes:
        name: of the benchmark, and of its file.
        table: for a person.
        fields: columns of the samples.
        samples: one row a measurement, nothing averaged.
        facts: what else has to be known, such as versions; written above the samples.
    """

    name: str
    table: str
    fields: Sequence[str]
    samples: Sequence[Sequence[object]]
    facts: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path, machine: Mapping[str, str]) -> Path:
        """Write `<name>.csv`, with the machine and the facts as `#` lines before the header.

        Args:
            folder: made if it is not there.
            machine: what `describe_machine` said.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            for name, value in {**machine, **self.facts}.items():
                file.write(f"# {name}: {value}\n")
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.fields)
            writer.writerows(self.samples)
        return path


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines of aligned columns: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = []
    for row in (header, ["-" * width for width in widths], *rows):
        first, *others = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *others]).rstrip())
    return "\n".join(lines)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank) - 1, 0)]
