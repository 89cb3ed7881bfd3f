"""Where things lie in a clone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """Paths of one clone.

    Attributes:
        root: Folder that holds pyproject.toml.
    """

    root: Path

    @classmethod
    def of_this_clone(cls) -> Layout:
        """Return the layout of the clone that this file is in."""
        return cls(Path(__file__).resolve().parents[2])

    @property
    def constraints(self) -> Path:
        """Exact versions of everything that is installed."""
        return self.root / "constraints.txt"

    @property
    def log(self) -> Path:
        """What the tools printed in the last set-up."""
        return self.root / "log" / "setup.log"

    @property
    def pyproject(self) -> Path:
        """Metadata of the distribution `damsel`."""
        return self.root / "pyproject.toml"

    @property
    def venv(self) -> Path:
        """The environment; for ROS 2 from PyPI it is an ament prefix too."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """Interpreter of the environment."""
        return self.venv / "bin" / "python"

    @property
    def stamps(self) -> Path:
        """What the set-up has done; inside the environment, so that both go together."""
        return self.venv / "damsel-setup.json"

    @property
    def workspace(self) -> Path:
        """The colcon workspace."""
        return self.root / "ros2_ws"
