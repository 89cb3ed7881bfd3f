"""Writes the table of faults in `docs/safety.md` from what the tests found.

.venv/bin/python -m pytest tests/ros --fault-table faults.json -k "fault or lost"
.venv/bin/python docs/write_safety.py faults.json [...]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).parent / "safety.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
COLUMNS = ("fault", "path", "arm", "within", "run", "what a person is told")


def main(argv: Sequence[str]) -> int:
    """Replace the table and return the exit code.

    Args:
        argv: Files that `pytest --fault-table` wrote.
    """
    if not argv:
        print("write_safety: error: no file; allowed: what pytest --fault-table wrote")
        return 2
    rows = [row for file in argv for row in json.loads(Path(file).read_text(encoding="utf-8"))]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [" | ".join(COLUMNS), " | ".join("---" for _ in COLUMNS), *map(_line, rows)]
    table = "\n".join(f"| {line} |" for line in lines)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")
    return 0


def _line(row: dict[str, str | float]) -> str:
    within = f"{row['within_ms']:.0f} ms" if row["within_ms"] else ""
    told = str(row["message"]).replace("|", "\\|")
    return " | ".join(
        (*(str(row[name]) for name in ("fault", "path", "arm")), within, str(row["run"]), told)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
