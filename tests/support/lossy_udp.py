"""A network that loses what processes send by UDP, as DDS does."""

from __future__ import annotations

from pathlib import Path

from tests.support.dial import Dial
from tests.support.preload import build_preload

__all__ = ["lossy_udp"]


def lossy_udp(folder: Path, loss: float = 0.0) -> Dial | None:
    """The share of packets that is lost, 1 for a network that is cut.

    Args:
        folder: For what is compiled and where the share is kept.
        loss: The share at first.

    Returns:
        None where there is no C compiler.
    """
    library = build_preload(Path(__file__).with_suffix(".c"), folder)
    return Dial(library, "UDP_LOSS", folder / "udp_loss", loss) if library else None
