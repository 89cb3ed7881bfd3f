"""What one's own parameter file says wins, unless the command line says otherwise."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from damsel_ros.adapt_options import parse_options
from damsel_ros.nodes import start_nodes

LAUNCH_FILES = Path(__file__).parents[2] / "launch"
MODULES = (
    "launch",
    "launch.actions",
    "launch.substitutions",
    "launch_ros",
    "launch_ros.actions",
    "launch_ros.parameter_descriptions",
    "launch_ros.substitutions",
)


class Noted:
    """Stands for `NodeProcesses`: notes the command lines."""

    def __init__(self) -> None:
        self.arguments: list[Sequence[str]] = []

    def start(self, name: str, module: str, arguments: Sequence[str]) -> Any:
        self.arguments.append(arguments)
        return MagicMock()


def overrides(folder: Path, **options: Any) -> dict[str, Any]:
    noted = Noted()
    start_nodes(noted, robot="sim", run_folder=folder, **options)  # type: ignore[arg-type]
    file = Path(noted.arguments[0][-1])
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def test_only_what_was_given_wins_over_ones_own_file(tmp_path: Path) -> None:
    assert overrides(tmp_path) == {"/damsel/robot": {"ros__parameters": {"backend": "sim"}}}
    assert overrides(tmp_path, mode="realtime", bundle=tmp_path) == {
        "/damsel/robot": {"ros__parameters": {"backend": "sim", "mode": "realtime"}},
        "/damsel/adapt": {"ros__parameters": {"bundle": str(tmp_path)}},
    }


def test_damsel_adapt_says_nothing_that_it_was_not_told(long_bundle: Path) -> None:
    said = parse_options([])
    assert (said.mode, said.bundle_folder) == (None, None)
    told = parse_options(["--mode", "realtime", "--bundle", str(long_bundle)])
    assert (told.mode, told.bundle_folder) == ("realtime", long_bundle)


def test_a_parameter_file_that_says_nothing_is_none_too_many(tmp_path: Path) -> None:
    noted = Noted()
    start_nodes(noted, robot="sim", run_folder=tmp_path)  # type: ignore[arg-type]
    done = subprocess.run(
        # The node goes through all files and then ends, because of this.
        [sys.executable, "-m", "damsel_ros.robot_node", *noted.arguments[0], "-p", "mode:=fast"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == (
        "robot: error: parameter mode is 'fast'; allowed: lockstep or realtime\n"
    )


@pytest.mark.parametrize(
    ("file", "argument", "value"),
    [("robot.launch.py", "mode", "realtime"), ("adaptation.launch.py", "bundle", "some/bundle")],
)
def test_a_launch_argument_that_is_not_given_wins_over_nothing(
    file: str, argument: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With doubles of `launch`, which only a ROS 2 installation brings."""
    doubles = {name: MagicMock(name=name) for name in MODULES}
    for name, double in doubles.items():
        monkeypatch.setitem(sys.modules, name, double)
    given: dict[str, str] = {}
    configuration = doubles["launch.substitutions"].LaunchConfiguration
    configuration.side_effect = lambda name: MagicMock(
        **{"perform.side_effect": lambda _: given.get(name, "")}
    )
    value_of = doubles["launch_ros.parameter_descriptions"].ParameterValue
    value_of.side_effect = lambda value, **_: value
    made = doubles["launch_ros.actions"].Node

    def parameters() -> list[Any]:
        made.reset_mock()
        runpy.run_path(str(LAUNCH_FILES / file))["generate_launch_description"]()
        later = doubles["launch.actions"].OpaqueFunction.call_args.kwargs["function"]
        later(MagicMock())
        said = made.call_args.kwargs["parameters"]
        return [one for one in said if isinstance(one, dict) and "backend" not in one]

    assert parameters() == []
    given[argument] = value
    assert parameters() == [{argument: value}]
