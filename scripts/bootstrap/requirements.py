"""What a machine must have before anything can be set up; each lack is one line."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from bootstrap.errors import SetupError

__all__ = [
    "check_compilers",
    "check_headers",
    "check_place",
    "check_platform",
    "check_venv",
    "usable_cmake",
]

_NEWEST_MINOR = 14
_OLDEST_CMAKE = (3, 22)
# Tried: a blank or a letter beyond ASCII makes CMake split the path, a comma or "=~" in it breaks
# the build, + and @ do not.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+@-]+")


def check_place(root: Path) -> None:
    """Check that ROS 2's build tools can work in this folder.

    Raises:
        SetupError: If its path has characters that they trip over.
    """
    if not _PLAIN_PATH.fullmatch(str(root)):
        strange = sorted({sign for sign in str(root) if not _PLAIN_PATH.fullmatch(sign)})
        raise SetupError(
            f"ROS 2's build tools cannot work in {str(root)!r}: its path has "
            f"{', '.join(map(repr, strange))}; allowed: letters a to z, digits and . _ + @ - "
            "(move the clone)"
        )


def check_platform() -> None:
    """Check that ROS 2 from PyPI exists for this machine and Python.

    Raises:
        SetupError: If it does not.
    """
    system, machine = platform.system(), platform.machine()
    if (system, machine) != ("Linux", "x86_64"):
        raise SetupError(
            f"ROS 2 Jazzy comes from PyPI for Linux x86-64 only, this is {system} {machine}; "
            "source an installed ROS 2 Jazzy first, or use the Dockerfile"
        )
    if sys.version_info[:2] > (3, _NEWEST_MINOR):
        raise SetupError(
            f"ROS 2 Jazzy comes from PyPI for Python 3.11 to 3.{_NEWEST_MINOR}, this is "
            f"{platform.python_version()}; name another with make PYTHON=/path/to/python"
        )


def check_venv() -> None:
    """Check that this Python can make an environment with pip in it.

    Raises:
        SetupError: If it cannot.
    """
    # Debian splits ensurepip from Python.
    command = [sys.executable, "-c", "import ensurepip, venv"]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        raise SetupError(
            f"{sys.executable} cannot make environments; install its venv module "
            "(Debian, Ubuntu: apt-get install python3-venv)"
        )


def check_headers() -> None:
    """Check that this Python's C headers are there.

    Raises:
        SetupError: If they are not.
    """
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        raise SetupError(
            f"the C headers of {sys.executable} are missing ({header}); install them "
            "(Debian, Ubuntu: apt-get install python3-dev; Fedora: dnf install python3-devel)"
        )


def check_compilers() -> None:
    """Check that there are a C and a C++ compiler and make.

    Raises:
        SetupError: If one is missing.
    """
    for what, variable, usual in (
        ("C compiler", "CC", ("cc", "gcc", "clang")),
        ("C++ compiler", "CXX", ("c++", "g++", "clang++")),
        ("make", "", ("make", "gmake")),
    ):
        # The variable may hold options after the compiler's name.
        names = os.environ.get(variable, "").split()[:1] or usual
        if not any(shutil.which(name) for name in names):
            raise SetupError(
                f"no {what} found ({', '.join(names)}); install one "
                "(Debian, Ubuntu: apt-get install build-essential; "
                "Fedora: dnf install gcc-c++ make)"
            )


def usable_cmake() -> bool:
    """Return whether the system has a CMake that is new enough."""
    path = shutil.which("cmake")
    if path is None:
        return False
    output = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"version (\d+)\.(\d+)", output.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= _OLDEST_CMAKE
