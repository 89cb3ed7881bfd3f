"""`damsel-record-pairs`: records what `damsel-calibrate` fits a camera from.

Lead the arm by hand so that the point between the finger tips touches a marker, press Enter, and do
so again elsewhere. Each time the marker's position in the camera's frame and the end effector's in
`base` go into the file. The arm is only listened to.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import yaml
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.utilities import remove_ros_args

from damsel.calibration.fit import MIN_PAIRS
from damsel.cli import OneLineParser
from damsel.cli import run as run_command
from damsel.errors import InvalidConfigError, PerceptionError, RobotError
from damsel.kinematics import end_effector_position
from damsel_intera.client import Client
from damsel_intera.errors import InteraError
from damsel_ros.backends.server_talk import connect_client
from damsel_ros.set_up import sawyer_set_up

__all__ = ["PairRecorder", "main", "record_pairs"]

PROGRAM = "damsel-record-pairs"

Array = NDArray[np.float64]

_AVERAGING_S = 0.5
_LEAST_POSES = 3
# A hand that is still moves the arm and the marker less than this.
_STILL_M = 0.002


class PairRecorder:
    """Takes one pair after another from a camera and an arm."""

    def __init__(self, node: Node, client: Client, topic: str) -> None:
        """Listen to both.

        Args:
            node: Has the subscription.
            client: Connection to the Intera server, greeted.
            topic: Topic of the marker's PoseStamped.
        """
        self._client = client
        self._topic = topic
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._seen: list[list[float]] = []
        node.create_subscription(PoseStamped, topic, self._on_pose, qos_profile_sensor_data)

    def take(self) -> dict[str, list[float]]:
        """Average both over half a second.

        Returns:
            `camera` and `base`, (3,) each, metres.

        Raises:
            RobotError: If the arm is not heard, or moved meanwhile.
            PerceptionError: If the marker is not seen, or moved meanwhile.
        """
        self._seen.clear()
        tips: list[Array] = []
        end_s = time.monotonic() + _AVERAGING_S
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.0)
            state = self._client.receive_state(0.005)
            if state is not None:
                tips.append(end_effector_position(np.array([state.joint_positions]))[0])
        if len(tips) < _LEAST_POSES:
            raise RobotError("the arm is not heard; no states come from the Intera server")
        if len(self._seen) < _LEAST_POSES:
            raise PerceptionError(f"the marker is not seen; no poses come on {self._topic}")
        pair = {"camera": np.array(self._seen), "base": np.stack(tips)}
        for name, points in pair.items():
            spread_m = float(np.ptp(points, axis=0).max())
            if not spread_m < _STILL_M:
                what = "marker" if name == "camera" else "arm"
                raise RobotError(f"the {what} moved by {1000 * spread_m:.1f} mm; keep it still")
        return {name: points.mean(axis=0).tolist() for name, points in pair.items()}

    def _on_pose(self, message: PoseStamped) -> None:
        at = message.pose.position
        self._seen.append([at.x, at.y, at.z])


def main() -> None:
    """Run `damsel-record-pairs`."""
    sys.exit(run_command(lambda: record_pairs(remove_ros_args(sys.argv)[1:], input), PROGRAM))


def record_pairs(argv: Sequence[str], ask: Callable[[str], str]) -> int:
    """Record pairs until told to stop, and return the exit code.

    Args:
        argv: Arguments without the program's name.
        ask: Asks for a line; empty for one more pair, anything else to stop.

    Raises:
        DamselError: If the command is wrong, the server does not answer, or the file exists.
    """
    given = _parser().parse_args(argv)
    path = Path(given.output)
    if path.exists() or not path.resolve().parent.is_dir():
        raise InvalidConfigError(
            f"--output {given.output!r} exists or has no folder; allowed: a new file"
        )
    pairs: list[dict[str, list[float]]] = []
    with (
        sawyer_set_up(given.parameters) as found,
        connect_client(found.cfg.addresses, PROGRAM, found.cfg.key) as client,
    ):
        try:
            client.hello()
        except InteraError as error:
            raise RobotError(f"Intera server: {error}") from None
        recorder = PairRecorder(found.node, client, given.topic)
        while not _stopped(ask, len(pairs)):
            try:
                pairs.append(recorder.take())
            except RobotError as error:
                print(error)
                continue
            print(f"pair {len(pairs)}: {pairs[-1]}")
            # After each, so that nothing is lost with the terminal.
            path.write_text(yaml.safe_dump(pairs, default_flow_style=None), encoding="utf-8")
    return 0


def _stopped(ask: Callable[[str], str], taken: int) -> bool:
    missing = max(0, MIN_PAIRS - taken)
    hint = f"{missing} more are needed" if missing else "enough to fit; more are better"
    try:
        return ask(f"touch the marker and press Enter, or q to stop ({hint}) ").strip() != ""
    except EOFError:
        return True


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog=PROGRAM,
        description="Record pairs of points, seen by a camera and touched by the arm.",
        allow_abbrev=False,
    )
    parser.add_argument("--topic", required=True, help="topic of the marker's PoseStamped")
    parser.add_argument("--output", required=True, metavar="FILE", help="new YAML file")
    parser.add_argument(
        "--parameters", default="", metavar="FILE", help="ROS parameter file of your own set-up"
    )
    return parser


if __name__ == "__main__":
    main()
