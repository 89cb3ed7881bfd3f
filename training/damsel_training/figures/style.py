"""How every figure looks: one colour a method and a family, told apart by the colour-blind too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from damsel.families import FAMILIES

__all__ = [
    "FAMILY_COLOURS",
    "FAMILY_MARKERS",
    "METHOD_COLOURS",
    "METHOD_NAMES",
    "MUTED",
    "save",
    "styled",
]

# Okabe and Ito's palette.
METHOD_COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "damsel": "#0072B2",
        "gmps": "#E69F00",
        "pearl": "#CC79A7",
        "nothing": "#999999",
        "constant": "#666666",
        "oracle": "#009E73",
    }
)
METHOD_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "damsel": "DAMSEL",
        "gmps": "GMPS variant",
        "pearl": "PEARL",
        "nothing": "do nothing",
        "constant": "expert told best constant",
        "oracle": "oracle",
    }
)
FAMILY_COLOURS: Mapping[str, str] = MappingProxyType(
    dict(
        zip(FAMILIES, cycle(("#D55E00", "#56B4E9", "#009E73", "#F0E442", "#0072B2")), strict=False)
    )
)
FAMILY_MARKERS: Mapping[str, str] = MappingProxyType(
    dict(zip(FAMILIES, cycle("o^sDvP"), strict=False))
)
MUTED = "#5A5A5A"

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.6,
    "figure.constrained_layout.use": True,
    # The same tables give the same file, byte for byte.
    "svg.hashsalt": "damsel",
    "svg.fonttype": "path",
}


@contextmanager
def styled() -> Iterator[None]:
    """Figures made inside look alike, and need no display."""
    mpl.use("Agg")
    with plt.rc_context(_SETTINGS):
        yield


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as SVG and PNG, and close it."""
    written = []
    for suffix, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
        path = folder / f"{name}.{suffix}"
        figure.savefig(path, dpi=180, metadata=metadata)
        written.append(path)
    plt.close(figure)
    return written
