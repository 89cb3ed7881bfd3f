"""Makes the ROS 2 workspace visible to every Python of `.venv`, with nothing to source.

The set-up copies this file into the environment as `damsel_overlay.py` beside a `.pth` file that
imports it, so Python runs it at every start, from `.venv/bin/python -m pytest` to a node's
process. Search paths of Python can be set from within; those of the dynamic loader, by which ROS
finds the code of a message type, are read before Python starts. Where they lack the workspace the
process therefore replaces itself once, as the ROS 2 wheels do on their own account: their `.pth`
sorts after this one and finds the work done.

The workspace is found beside the environment. Each start checks rather than trusts what it
inherits, since the parent may be a Python of another clone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["activate"]

# exec keeps the process id, and a child has another: a process replaces itself once at most.
_REPLACED = "_DAMSEL_OVERLAY_PID"
_WHEELS_REPLACED = "_ROS_WHEELS_BOOTSTRAP_COMPLETE"


def activate() -> None:
    """Put the workspace on the paths of Python, ament and the dynamic loader."""
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    prefix = Path(sys.prefix)
    site_packages = Path(__file__).resolve().parent
    workspace = prefix.parent / "ros2_ws"
    install = workspace / "install"
    # Nodes run from their sources, like the rest of the project; messages must be built.
    for path in (
        workspace / "src" / "damsel_ros",
        install / "lib" / site_packages.parent.name / "site-packages",
    ):
        if path.is_dir() and str(path) not in sys.path:
            sys.path.append(str(path))
    has_wheels = (site_packages / "ros_wheels_bootstrapper").is_dir()
    prefixes = [install, prefix] if has_wheels else [install]
    libraries = [folder / "lib" for folder in prefixes]
    if has_wheels:
        libraries += sorted(site_packages.glob("ros_*.libs"))
    _put_first("AMENT_PREFIX_PATH", prefixes)
    if not _put_first("LD_LIBRARY_PATH", libraries):
        return
    pid = str(os.getpid())
    if os.environ.get(_REPLACED) == pid or not sys.executable:
        return
    os.environ[_REPLACED] = pid
    os.environ[_WHEELS_REPLACED] = "1"
    os.execv(sys.executable, sys.orig_argv)


def _put_first(variable: str, wanted: list[Path]) -> bool:
    """Put paths at the head of a search path; return whether it changed."""
    head = [str(path) for path in wanted]
    given = [path for path in os.environ.get(variable, "").split(os.pathsep) if path]
    if given[: len(head)] == head:
        return False
    tail = [path for path in given if path not in head]
    os.environ[variable] = os.pathsep.join(head + tail)
    return True


activate()
