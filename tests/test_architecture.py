"""Imports point one way: core <- sim <- training, core <- damsel_ros, intera <- damsel_ros."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PACKAGES = {
    "damsel": ROOT / "core" / "damsel",
    "damsel_sim": ROOT / "sim" / "damsel_sim",
    "damsel_training": ROOT / "training" / "damsel_training",
    "damsel_ros": ROOT / "ros2_ws" / "src" / "damsel_ros" / "damsel_ros",
}

OURS = {*PACKAGES, "damsel_intera", "damsel_msgs"}

ALLOWED_OURS = {
    "damsel": {"damsel"},
    "damsel_sim": {"damsel", "damsel_sim"},
    "damsel_training": {"damsel", "damsel_sim", "damsel_training"},
    "damsel_ros": {"damsel", "damsel_intera", "damsel_msgs", "damsel_ros"},
}

# What must stay out of a layer, so that it installs and starts without it.
TORCH = {"torch", "stable_baselines3", "tensorboard", "onnx", "onnxscript"}
PHYSICS = {"mujoco", "gymnasium"}
ROS = {"rclpy", "launch", "launch_ros", "ament_index_python", "std_msgs", "geometry_msgs"}
FORBIDDEN_OTHERS = {
    "damsel": TORCH | PHYSICS | ROS,
    "damsel_sim": TORCH | ROS,
    "damsel_training": ROS,
    "damsel_ros": TORCH | PHYSICS,
}

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
    return (names & OURS) - allowed | names & FORBIDDEN_OTHERS[package]


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
        ("damsel_sim", "import damsel_training.cli"),
        ("damsel_sim", "if True:\n    import torch.nn as nn"),
        ("damsel_training", "from damsel_ros.nodes import start_nodes"),
        ("damsel_ros", "from damsel_sim.robot import SimulatedRobot"),
    ],
)
def test_an_import_that_points_back_is_found(package: str, source: str) -> None:
    assert broken_rules(package, PACKAGES[package] / "anything.py", imported(source))


def test_the_simulated_backend_may_import_the_simulation() -> None:
    assert SIM_BACKEND.is_file()
    assert not broken_rules("damsel_ros", SIM_BACKEND, {"damsel_sim"})
