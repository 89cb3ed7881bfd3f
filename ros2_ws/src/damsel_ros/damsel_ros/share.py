"""The files that are installed beside this package."""

from __future__ import annotations

from pathlib import Path

__all__ = ["config_file"]


def config_file(name: str) -> Path:
    """Return a file of `config/`, from the source tree or from the installed package."""
    beside_source = Path(__file__).resolve().parents[1] / "config" / name
    if beside_source.is_file():
        return beside_source
    from ament_index_python.packages import get_package_share_path

    return Path(get_package_share_path("damsel_ros")) / "config" / name
