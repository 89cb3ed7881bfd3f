"""ament_python package of the damsel nodes; colcon builds it."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "damsel_ros"


def shared_files() -> list[tuple[str, list[str]]]:
    """Return data_files entries that install config/, and launch/ with its sub-folders.

    launch/ is a link to the repository's top-level folder of that name, so a person finds the
    launch files at the top and `ros2 launch damsel_ros ...` finds the same ones installed.
    """
    folders: dict[str, list[str]] = {}
    for file in sorted([*Path("config").rglob("*"), *Path("launch").rglob("*")]):
        if (
            file.suffix in {".py", ".yaml", ".xml", ".rviz", ".urdf"}
            and "__pycache__" not in file.parts
        ):
            folders.setdefault(f"share/{PACKAGE}/{file.parent}", []).append(str(file))
    return list(folders.items())


setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        *shared_files(),
    ],
    # The distribution `damsel` (core and simulation) is installed beside this package, not by it.
    install_requires=["setuptools"],
    zip_safe=True,
    author="The damsel authors",
    maintainer="The damsel authors",
    maintainer_email="maintainers@damsel.example",
    description="ROS 2 nodes of damsel: robot, task and adapt.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "robot = damsel_ros.robot_node:main",
            "task = damsel_ros.task_node:main",
            "adapt = damsel_ros.adapt_node:main",
            "composed = damsel_ros.composed:main",
            "check_launch = damsel_ros.check_launch:main",
            "object_bridge = damsel_ros.object_bridge_node:main",
            "recorder = damsel_ros.recorder_node:main",
            "damsel-adapt = damsel_ros.adapt_cli:main",
            "damsel-preflight = damsel_ros.preflight_cli:main",
            "damsel-record = damsel_ros.record_cli:main",
            "damsel-record-pairs = damsel_ros.record_pairs_cli:main",
            "damsel-rehearse = damsel_ros.rehearse_cli:main",
        ],
    },
)
