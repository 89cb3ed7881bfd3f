"""The parameters of somebody's set-up, for commands that are no nodes themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rclpy.node import Node
from rclpy.utilities import try_shutdown

from damsel.calibration import Calibration, load_calibration
from damsel.errors import InvalidConfigError
from damsel_ros.backends.sawyer_cfg import SawyerCfg, sawyer_cfg_of
from damsel_ros.backends.sawyer_parameters import SAWYER_PARAMETERS
from damsel_ros.node_main import start_ros
from damsel_ros.nodes import NAMESPACE
from damsel_ros.parameter_file import check_parameter_file
from damsel_ros.parameters import declare_parameters
from damsel_ros.robot_node import PARAMETERS
from damsel_ros.share import config_file

__all__ = ["SetUp", "sawyer_set_up"]


@dataclass(frozen=True, eq=False)
class SetUp:
    """What the robot node would read.

    Attributes:
        node: Has the robot node's name and namespace, and none of its interfaces.
        cfg: Configuration of the Sawyer.
        calibration_file: Where it is said where cameras stand and markers stick; None for nowhere.
    """

    node: Node
    cfg: SawyerCfg
    calibration_file: Path | None

    def calibration(self) -> Calibration:
        """Read the calibration, which is not there yet while its pairs are being recorded.

        Raises:
            InvalidConfigError: If the file cannot be read or is no calibration.
        """
        file = self.calibration_file
        return load_calibration(file) if file is not None else Calibration()


@contextmanager
def sawyer_set_up(parameters: str) -> Iterator[SetUp]:
    """Start ROS and read the parameters, checked as the robot node checks them.

    Args:
        parameters: Parameter file of one's own, besides `config/sawyer.yaml`; empty for none.

    Raises:
        InvalidConfigError: If the file is not there, not understood or none of our nodes', or a
            parameter is not allowed.
    """
    files = [config_file("sawyer.yaml")]
    if parameters:
        check_parameter_file(Path(parameters))
        files.append(Path(parameters))
    start_ros([])
    try:
        node = _node(files)
        values = declare_parameters(node, PARAMETERS)
        cfg = sawyer_cfg_of({one.name: values[one.name] for one in SAWYER_PARAMETERS})
        path = values["sawyer.calibration"]
        yield SetUp(node, cfg, Path(path) if path else None)
    finally:
        try_shutdown()


def _node(files: list[Path]) -> Node:
    arguments = ["--ros-args", *(part for file in files for part in ("--params-file", str(file)))]
    try:
        return Node(
            "robot",
            namespace=NAMESPACE,
            cli_args=arguments,
            start_parameter_services=False,
            enable_rosout=False,
        )
    except RuntimeError as error:  # a parameter file that is none
        raise InvalidConfigError(f"parameter file not understood: {error}") from None
