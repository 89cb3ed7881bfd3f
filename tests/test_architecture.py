"""Imports point one way: core <- sim <- training, and core <- damsel_ros.

The bridge's package stands alone, so that it runs next to a robot where nothing else is installed;
only its virtual robot is made of the simulation.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PACKAGES = {
    "damsel": ROOT / "core" / "damsel",
    "damsel_intera": ROOT / "intera" / "damsel_intera",
    "damsel_sim": ROOT / "sim" / "damsel_sim",
    "damsel_training": ROOT / "training" / "damsel_training",
    "damsel_ros": ROOT / "ros2_ws" / "src" / "damsel_ros" / "damsel_ros",
}

OURS = {*PACKAGES, "damsel_msgs"}

ALLOWED_OURS = {
    "damsel": {"damsel"},
    "damsel_intera": {"damsel_intera"},
    "damsel_sim": {"damsel", "damsel_sim"},
    "damsel_training": {"damsel", "damsel_sim", "damsel_training"},
    "damsel_ros": {"damsel", "damsel_intera", "damsel_msgs", "damsel_ros"},
}

# What must stay out of a layer, so that it installs and starts without it.
TORCH = {"torch", "stable_baselines3", "tensorboard", "onnx", "onnxscript"}
PHYSICS = {"mujoco", "gymnasium"}
ROS2 = {"rclpy", "launch", "launch_ros", "ament_index_python"}
ROS = ROS2 | {"std_msgs", "geometry_msgs"}
ROS1 = {"rospy", "rosgraph", "genpy", "genmsg"}
VENDOR = {"intera_interface", "intera_core_msgs"}
FORBIDDEN_OTHERS = {
    "damsel": TORCH | PHYSICS | ROS | ROS1 | VENDOR,
    "damsel_intera": TORCH | PHYSICS | ROS2 | {"numpy"},
    "damsel_sim": TORCH | ROS | ROS1 | VENDOR,
    "damsel_training": ROS | ROS1 | VENDOR,
    "damsel_ros": TORCH | PHYSICS | ROS1 | VENDOR,
}

VIRTUAL_ROBOT = PACKAGES["damsel_intera"] / "virtual"
SIM_BACKEND = PACKAGES["damsel_ros"] / "backends" / "sim.py"


def imported(source: str) -> set[str]:
    """Return the top-level names of all modules that a source imports, at whatever depth."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names.update(
                argument.value
                for argument in node.args
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            )
    return {name.split(".")[0] for name in names}


def modules(package: str) -> Iterator[Path]:
    return PACKAGES[package].rglob("*.py")


def broken_rules(package: str, module: Path, names: set[str]) -> set[str]:
    allowed = set(ALLOWED_OURS[package])
    if module == SIM_BACKEND:
        allowed.add("damsel_sim")
    forbidden = set(FORBIDDEN_OTHERS[package])
    if module.is_relative_to(VIRTUAL_ROBOT):
        allowed |= {"damsel", "damsel_sim"}
        forbidden -= {"mujoco", "numpy"}
    return (names & OURS) - allowed | names & forbidden


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    found = {
        str(module.relative_to(ROOT)): sorted(broken)
        for module in modules(package)
        if (broken := broken_rules(package, module, imported(module.read_text(encoding="utf-8"))))
    }
    assert found == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_there_is_something_to_check(package: str) -> None:
    assert len(list(modules(package))) > 1


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("damsel", "import mujoco"),
        ("damsel", "def late():\n    from damsel_sim.env import BatchedEnv"),
        ("damsel", "import importlib\nimportlib.import_module('rclpy.node')"),
        ("damsel_intera", "from damsel.errors import DamselError"),
        ("damsel_intera", "import numpy as np"),
        ("damsel_sim", "import rospy"),
        ("damsel_sim", "import damsel_training.cli"),
        ("damsel_sim", "if True:\n    import torch.nn as nn"),
        ("damsel_training", "from damsel_ros.nodes import start_nodes"),
        ("damsel_ros", "from damsel_sim.robot import SimulatedRobot"),
    ],
)
def test_an_import_that_points_back_is_found(package: str, source: str) -> None:
    assert broken_rules(package, PACKAGES[package] / "anything.py", imported(source))


def test_launch_files_import_what_the_python_of_a_ros2_installation_has() -> None:
    files = list((ROOT / "launch").glob("*.launch.py"))
    assert len(files) == 4
    for file in files:
        found = imported(file.read_text(encoding="utf-8")) - sys.stdlib_module_names
        assert found <= {"launch", "launch_ros", "ament_index_python"}, file.name


def test_the_simulated_backend_may_import_the_simulation() -> None:
    assert SIM_BACKEND.is_file()
    assert not broken_rules("damsel_ros", SIM_BACKEND, {"damsel_sim"})


def test_the_virtual_robot_may_import_the_simulation() -> None:
    module = VIRTUAL_ROBOT / "arm.py"
    assert module.is_file()
    assert not broken_rules("damsel_intera", module, {"damsel", "damsel_sim", "mujoco", "numpy"})
    assert broken_rules("damsel_intera", module, {"rclpy"})


@pytest.mark.parametrize("module", sorted(modules("damsel_intera")), ids=lambda path: path.stem)
def test_next_to_the_robot_python_38_will_do(module: Path) -> None:
    if not module.is_relative_to(VIRTUAL_ROBOT):
        ast.parse(module.read_text(encoding="utf-8"), feature_version=(3, 8))
