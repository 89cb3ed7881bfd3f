"""The environment `.venv` and the packages in it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from bootstrap.console import Console
from bootstrap.layout import Layout
from bootstrap.requirements import check_venv, usable_cmake
from bootstrap.ros_source import RosSource, without_ros
from bootstrap.stamps import Stamps, digest_of_files, digest_of_text

__all__ = ["ALL", "RUN", "Environment", "PackageSet"]


@dataclass(frozen=True)
class PackageSet:
    """What is installed together.

    Attributes:
        name: Name of its stamp.
        title: What a person reads while it is installed.
        extras: Extras of the distribution `damsel`, besides `ros`.
        before: Requirements that must be installed before everything else.
    """

    name: str
    title: str
    extras: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


_COMMANDS = {
    "damsel-adapt": "damsel_ros.adapt_cli",
    "damsel-preflight": "damsel_ros.preflight_cli",
    "damsel-record": "damsel_ros.record_cli",
    "damsel-record-pairs": "damsel_ros.record_pairs_cli",
    "damsel-rehearse": "damsel_ros.rehearse_cli",
}
"""Commands of the ROS 2 packages, which colcon installs where no PATH leads, by module."""

RUN = PackageSet(
    "packages-run",
    "packages to run: simulation, ROS 2 and its build tools",
    extras=("recording", "sawyer"),
)
"""What adaptation needs; no torch."""

# torch goes first and alone: what depends on it must take this build, whatever index it is from.
ALL = PackageSet(
    "packages-all",
    "packages to train, test and develop (torch alone may be gigabytes)",
    extras=("recording", "sawyer", "train", "ray", "view", "dev"),
    before=("torch",),
)
"""Everything."""


_BUILD_FOLDERS = ("build", "install", "log")


class Environment:
    """The environment of one clone."""

    def __init__(self, layout: Layout, ros: RosSource, console: Console) -> None:
        self._layout = layout
        self._ros = ros
        self._console = console
        # A sourced ROS 2 is meant to be seen; anything else that is inherited is not.
        self.variables = dict(os.environ) if ros.sourced_distro else without_ros(os.environ)

    @property
    def digest(self) -> str:
        """What the environment is made for: this folder, this Python, this ROS 2."""
        python = Path(self._ros.python).resolve()
        status = python.stat()
        # Our own workspace may be sourced or not: that is no other ROS 2.
        prefixes = [
            prefix
            for prefix in self._ros.prefixes.split(os.pathsep)
            if not Path(prefix).is_relative_to(self._layout.root)
        ]
        # Scripts in an environment hold its absolute path, so a moved clone needs a new one.
        return digest_of_text(
            str(self._layout.root),
            str(python),
            f"{status.st_size} {int(status.st_mtime)}",
            self._ros.sourced_distro or "",
            *prefixes,
        )

    def make(self) -> None:
        """Make the environment unless the one that is there is as wanted.

        Raises:
            SetupError: If it cannot be made.
        """
        layout = self._layout
        current = Stamps(layout.stamps).is_current("environment", self.digest)
        if not (current and layout.python.exists()):
            check_venv()
            with self._console.step("environment .venv"):
                for stale in (layout.venv, *(layout.workspace / name for name in _BUILD_FOLDERS)):
                    shutil.rmtree(stale, ignore_errors=True)
                command = [self._ros.python, "-m", "venv", str(layout.venv)]
                if self._ros.sourced_distro:
                    command.insert(-1, "--system-site-packages")
                self._console.run(command, env=self.variables)
                Stamps(layout.stamps).set("environment", self.digest)
        self._write_startup_files()

    def install(self, packages: PackageSet) -> None:
        """Install a set of packages unless it is installed.

        Raises:
            SetupError: If pip fails.
        """
        layout = self._layout
        digest = digest_of_text(
            digest_of_files([layout.pyproject, layout.constraints]), repr(packages)
        )
        stamps = Stamps(layout.stamps)
        if stamps.is_current(packages.name, digest):
            return
        extras = packages.extras if self._ros.sourced_distro else ("ros", *packages.extras)
        distribution = f"{layout.root}[{','.join(extras)}]" if extras else str(layout.root)
        with self._console.step(packages.title):
            stamps.forget(packages.name)
            if packages.before:
                self._pip(*packages.before)
            self._pip(*self._build_options(), "--editable", distribution)
            stamps.set(packages.name, digest)

    def _build_options(self) -> list[str]:
        """Return how to build the editable `damsel`, and what the workspace needs besides it."""
        tools = [] if usable_cmake() else ["cmake"]
        if self._ros.sourced_distro:
            return [*tools, "colcon-common-extensions"]
        # With these in the environment pip need not make another to build in. Beside a sourced
        # ROS 2 it must, since the system's own older ones may be found first.
        self._pip("setuptools", "wheel")
        return [*tools, "--no-build-isolation"]

    def _pip(self, *arguments: str) -> None:
        pip = [str(self._layout.python), "-m", "pip", "install", "--disable-pip-version-check"]
        options = ["--no-input", "--progress-bar=off", f"--constraint={self._layout.constraints}"]
        self._console.run([*pip, *options, *arguments], env=self.variables)

    def _write_startup_files(self) -> None:
        (site_packages,) = self._layout.venv.glob("lib/python3.*/site-packages")
        startup = (Path(__file__).parent / "overlay_startup.py").read_text(encoding="utf-8")
        _write_if_changed(site_packages / "damsel_overlay.py", startup)
        _write_if_changed(site_packages / "damsel_overlay.pth", "import damsel_overlay\n")
        for name, module in _COMMANDS.items():
            self._write_command(name, module)

    def _write_command(self, name: str, module: str) -> None:
        # A shell script, because the first line of a Python script cannot hold every path.
        script = self._layout.venv / "bin" / name
        lines = ["#!/bin/sh"]
        if distro := self._ros.sourced_distro:
            lines += [
                'if [ -z "$ROS_DISTRO" ]; then',
                f"  echo '{name}: error: made for a sourced ROS 2 {distro}; source it' >&2",
                "  exit 1",
                "fi",
            ]
        python = f"'{_quoted(self._layout.python)}'"
        lines += [
            f"if [ ! -x {python} ]; then",
            f"  echo '{name}: error: this clone was moved; run make setup in it' >&2",
            "  exit 1",
            "fi",
            f'exec {python} -P -m {module} "$@"',
        ]
        _write_if_changed(script, "\n".join([*lines, ""]))
        script.chmod(0o755)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "'\\''")


def _write_if_changed(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
