"""The results page: what stands between markers is written anew, the rest is left alone.

What there are no tables of any more is taken out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from damsel.errors import InvalidConfigError
from damsel.whole_files import write_whole
from damsel_training.comparison_record import recorded_origins

__all__ = ["new_page", "provenance_table", "update_page"]

_SEED = re.compile(r"(-seed\d+)")
_MARKED = re.compile(r"<!-- begin ([\w-]+) -->\n.*?<!-- end \1 -->\n?", re.DOTALL)


def new_page(title: str, maker: str, page: Path, tables: Path) -> str:
    """What a page begins with.

    Args:
        title: of the page.
        maker: the command of `damsel-train` that writes the page.
        page: where it will be.
        tables: the folder that it is made from.
    """
    there = os.path.relpath(tables, page.parent)
    return (
        f"# {title}\n\n"
        f"Every number and picture between markers is made by `damsel-train {maker}` from the "
        f"tables in\n[{tables.name}]({there}); do not edit them by hand.\n"
    )


def update_page(page: Path, sections: Mapping[str, str], beginning: str) -> None:
    """Write sections between their markers, all that is marked; one without goes to the end.

    Args:
        page: the file, made if it is not there.
        sections: Markdown by name.
        beginning: of the page, if it is not there.

    Raises:
        InvalidConfigError: the page cannot be read or written, or a marker is not closed.
    """
    try:
        text = page.read_text(encoding="utf-8") if page.exists() else beginning
        found = {match.group(1) for match in _MARKED.finditer(text)}
        open_ones = set(re.findall(r"<!-- begin ([\w-]+) -->", text)) - found
        if open_ones:
            raise InvalidConfigError(f"{page}: marker {min(open_ones)} is not closed")
        text = _MARKED.sub(lambda match: _section(match.group(1), sections), text)
        text = re.sub(r"\n{3,}", "\n\n", text)
        for name in sections:
            if name not in found:
                text = f"{text.rstrip()}\n\n{_marked(name, sections[name])}\n"
        write_whole(page, text)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfigError(f"{page} cannot be written anew: {error}") from None


def provenance_table(results: Path) -> str:
    """What made each table: command, commit, hardware, cost. Those of many worlds share a line."""
    rows = recorded_origins(results)
    if not rows:
        return "The tables came without a record of what made them."
    lines = [
        "| tables | worlds | trained at | environment steps | training, h | evaluation, s "
        "| hardware |",
        "| --- | ---: | --- | ---: | ---: | ---: | --- |",
    ]
    together: dict[tuple[str, ...], list[float]] = {}
    for row in rows:
        stem = _SEED.split(row["table"].removesuffix(".csv"))
        made = (row[name] for name in ("command", "commit", "environment_steps", "hardware"))
        key = ("".join(stem[:2]), row["training_seconds"], *made)
        together.setdefault(key, []).append(float(row["evaluation_seconds"] or 0.0))
    for (tables, seconds, _, commit, steps, hardware), spent in together.items():
        hours = f"{float(seconds) / 3600:.2f}" if seconds else "–"
        lines.append(
            f"| {tables} | {len(spent)} | {commit[:7]} | {steps or '–'} | {hours} "
            f"| {sum(spent):.0f} | {hardware} |"
        )
    commands = "\n".join(dict.fromkeys(row["command"] for row in rows))
    return "\n".join(lines) + f"\n\n```sh\n{commands}\n```"


def _section(name: str, sections: Mapping[str, str]) -> str:
    return f"{_marked(name, sections[name])}\n" if name in sections else ""


def _marked(name: str, content: str) -> str:
    return f"<!-- begin {name} -->\n{content.strip()}\n<!-- end {name} -->"
