"""What the tests of faults found, kept for `docs/safety.md`.

`pytest --fault-table FILE` writes a row for each fault that passed; `docs/write_safety.py FILE`
puts them into the page.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

__all__ = ["FaultRow", "FaultTable"]


@dataclass(frozen=True)
class FaultRow:
    """One fault and what came of it.

    Attributes:
        fault: What went wrong.
        path: What was real: `double` (the sawyer backend against a double of the server) or
            `rehearsal` (every process, down to the virtual robot's topics).
        arm: What the arm did.
        within_ms: In what time it did.
        message: The cause as a person is told it; empty if nobody need know.
        run: What became of the run.
    """

    fault: str
    path: str
    arm: str
    within_ms: float
    message: str
    run: str


@dataclass
class FaultTable:
    """Rows of this session of tests."""

    rows: list[FaultRow] = field(default_factory=list)

    def add(self, row: FaultRow) -> None:
        """Keep a row; call it last in a test, when everything is known to hold."""
        self.rows.append(row)

    def write(self, path: Path) -> None:
        """Write the rows, in an order that does not depend on that of the tests."""
        rows = sorted(self.rows, key=lambda row: (row.path, row.fault))
        path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", "utf-8")
