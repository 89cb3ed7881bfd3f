"""The set-up from end to end."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bootstrap.console import Console
from bootstrap.environment import ALL, RUN, Environment
from bootstrap.errors import SetupError
from bootstrap.layout import Layout
from bootstrap.requirements import (
    check_compilers,
    check_headers,
    check_place,
    check_platform,
)
from bootstrap.ros_source import TESTED_DISTRO, find_ros
from bootstrap.workspace import build_workspace

__all__ = ["main", "set_up"]


def main() -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="set-up", description="Make .venv and build the ROS 2 workspace, where needed."
    )
    parser.add_argument(
        "what", choices=("run", "all"), help="what adaptation needs, or everything with tests"
    )
    given = parser.parse_args()
    try:
        set_up(Layout.of_this_clone(), everything=given.what == "all")
    except SetupError as error:
        print(f"set-up: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("set-up: interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    return 0


def set_up(layout: Layout, *, everything: bool) -> None:
    """Bring the environment and the workspace of a clone up to date.

    Args:
        layout: The clone.
        everything: Whether to install what training and tests need too.

    Raises:
        SetupError: If something is missing or a step fails.
    """
    check_place(layout.root)
    console = Console(layout.log)
    ros = find_ros(os.environ)
    if ros.sourced_distro is None:
        if distro := os.environ.get("ROS_DISTRO"):
            console.note(
                f"ROS_DISTRO is {distro}, but no Python 3.11 or newer here can import its rclpy; "
                "using ROS 2 Jazzy from PyPI"
            )
        check_platform()
        check_headers()
    elif ros.sourced_distro != TESTED_DISTRO:
        console.note(f"the sourced ROS 2 is {ros.sourced_distro}; tested with {TESTED_DISTRO} only")
    check_compilers()
    with _alone(layout, console):
        environment = Environment(layout, ros, console)
        environment.make()
        environment.install(RUN)
        build_workspace(
            layout,
            ros,
            console,
            environment_digest=environment.digest,
            variables=environment.variables,
        )
        if everything:
            environment.install(ALL)


@contextmanager
def _alone(layout: Layout, console: Console) -> Iterator[None]:
    """Wait until no other set-up of this clone is at work, and keep others waiting."""
    with layout.pyproject.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.note("waiting for another set-up of this clone")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
