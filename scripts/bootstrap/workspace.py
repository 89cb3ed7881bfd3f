"""The colcon workspace: built against whichever ROS 2 is used."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bootstrap.console import Console
from bootstrap.layout import Layout
from bootstrap.ros_source import RosSource
from bootstrap.stamps import Stamps, digest_of_files, digest_of_text

__all__ = ["build_workspace", "mend_include_paths"]

_STEP = "workspace"

_COLCON = "import sys; from colcon_core.command import main; sys.exit(main())"

_INCLUDES = (
    "import numpy, sysconfig; print(sysconfig.get_path('include')); print(numpy.get_include())"
)


def build_workspace(
    layout: Layout,
    ros: RosSource,
    console: Console,
    *,
    environment_digest: str,
    variables: Mapping[str, str],
) -> None:
    """Build `damsel_msgs` and `damsel_ros` unless they are built.

    Args:
        layout: Where things lie.
        ros: The ROS 2 to build against.
        console: Shows the step and runs colcon.
        environment_digest: What the environment is made for.
        variables: Environment variables for the build.

    Raises:
        SetupError: If the build fails.
    """
    inputs = digest_of_files([layout.workspace / "src", layout.constraints])
    digest = digest_of_text(environment_digest, inputs)
    stamps = Stamps(layout.stamps)
    if stamps.is_current(_STEP, digest) and (layout.workspace / "install").is_dir():
        return
    with console.step("ROS 2 workspace: messages and nodes"):
        stamps.forget(_STEP)
        env = dict(variables)
        env["PATH"] = os.pathsep.join([str(layout.venv / "bin"), env.get("PATH", os.defpath)])
        if ros.sourced_distro is None:
            mend_include_paths(layout.venv / "share", *_include_folders(layout, env))
            env["AMENT_PREFIX_PATH"] = env["CMAKE_PREFIX_PATH"] = str(layout.venv)
        # Not the colcon command: a system's own would run the nodes with the system's Python.
        command = [str(layout.python), "-c", _COLCON, "--log-base", "log", "build"]
        command += ["--base-paths", "src", "--build-base", "build", "--install-base", "install"]
        command += ["--merge-install", "--event-handlers", "console_cohesion+"]
        command += ["--cmake-args", f"-DPython3_EXECUTABLE={layout.python}", "-DBUILD_TESTING=OFF"]
        console.run(command, env=env, cwd=layout.workspace)
        stamps.set(_STEP, digest)


def mend_include_paths(share: Path, python_include: str, numpy_include: str) -> None:
    """Rewrite the include folders in the wheels' exported CMake targets to this machine's.

    The wheels of Jazzy name those of the machine that built them, such as
    `/opt/python/cp311-cp311/include/python3.11`, and CMake refuses folders that are not there.

    Args:
        share: Folder below which the packages' CMake files lie.
        python_include: This Python's include folder.
        numpy_include: This NumPy's include folder.
    """
    for file in share.glob("*/cmake/*.cmake"):
        text = file.read_text(encoding="utf-8")
        if "/opt/python/" not in text:
            continue
        text = re.sub(r"/opt/python/[^;\"]*?/numpy/_core/include", lambda _: numpy_include, text)
        text = re.sub(r"/opt/python/[^;\"]*?/include/python3\.\d+", lambda _: python_include, text)
        file.write_text(text, encoding="utf-8")


def _include_folders(layout: Layout, env: Mapping[str, str]) -> tuple[str, str]:
    command = [str(layout.python), "-c", _INCLUDES]
    output = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=True)
    python_include, numpy_include = output.stdout.split("\n")[:2]
    return python_include, numpy_include
