"""`damsel-preflight`: looks at everything before the first motion and prints a checklist.

It moves nothing and takes no control, so it may run beside a robot node. Exit codes: 0 when every
check passed, 2 when one failed or the command was wrong.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data

from damsel.bundle import Bundle
from damsel.bundle_path import default_bundle
from damsel.calibration import OBJECT_NAMES, Calibration
from damsel.cli import EXIT_BAD_INPUT, OneLineParser
from damsel.cli import run as run_command
from damsel.errors import DamselError, PerceptionError
from damsel.perception import ObjectPoses
from damsel_intera.client import Client
from damsel_intera.errors import InteraError
from damsel_intera.wire import OperatorReply
from damsel_ros.backends import make_robot
from damsel_ros.backends.pose_clock import PoseClock
from damsel_ros.backends.sawyer_cfg import SawyerCfg
from damsel_ros.backends.server_talk import connect_client
from damsel_ros.backends.state_guard import StateGuard
from damsel_ros.conversions import stamp_s, transform_from_pose
from damsel_ros.parameter_file import value_in
from damsel_ros.pose_log import PoseLog
from damsel_ros.preflight import Sighting, checklist
from damsel_ros.ros_arguments import without_ros_arguments
from damsel_ros.set_up import sawyer_set_up

__all__ = ["main", "preflight"]

PROGRAM = "damsel-preflight"

_LISTENING_S = 2.0
# To find a camera that does not announce itself as often as our nodes do.
_DISCOVERY_S = 5.0


def main() -> None:
    """Run `damsel-preflight`."""
    sys.exit(run_command(lambda: preflight(sys.argv[1:]), PROGRAM))


def preflight(argv: Sequence[str]) -> int:
    """Look at everything, print a checklist, and return the exit code.

    Args:
        argv: Arguments without the program's name.

    Raises:
        DamselError: If the command or a parameter is wrong.
    """
    given = _parser().parse_args(without_ros_arguments(argv))
    with sawyer_set_up(given.parameters) as found:
        seen = _look(found.node, found.cfg, found.calibration())
    checks = list(
        checklist(
            seen,
            description=make_robot("sawyer").description,
            bundle=_bundle(given.bundle, given.parameters),
            placement_tolerance_m=found.cfg.placement_tolerance_m,
            return_cfg=found.cfg.return_motion,
        )
    )
    for check in checks:
        print(check.line())
    failed = sum(not check.passed for check in checks)
    print(f"{failed} of {len(checks)} checks failed" if failed else "ready for the first motion")
    return EXIT_BAD_INPUT if failed else 0


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog=PROGRAM,
        description="Look at everything that a physical Sawyer needs before its first motion.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--bundle",
        default="",
        metavar="DIR",
        help="model bundle (default: that of the parameter file, else models/default)",
    )
    parser.add_argument(
        "--parameters", default="", metavar="FILE", help="ROS parameter file of your own set-up"
    )
    return parser


def _bundle(folder: str, parameters: str) -> Bundle | DamselError:
    if not folder and parameters:
        folder = str(value_in(Path(parameters), "adapt", "bundle") or "")
    try:
        return Bundle.load(Path(folder) if folder else default_bundle())
    except DamselError as error:
        return error


class _Eyes:
    """Hears every pose of the objects, and keeps what it says and why it cannot be used."""

    def __init__(self, node: Node, cfg: SawyerCfg, calibration: Calibration) -> None:
        self.poses = ObjectPoses(cfg.perception)
        # Whatever is seen now is where the objects are.
        self.poses.jumps_allowed = True
        self.refused: dict[str, str] = {}
        self.logs = {name: PoseLog() for name in OBJECT_NAMES}
        self._calibration = calibration
        self._stamps_s: dict[str, float] = {}
        self._node = node
        self._subscriptions = {
            name: node.create_subscription(
                PoseStamped,
                f"objects/{name}/pose",
                partial(self._take, name, PoseClock()),
                qos_profile_sensor_data,
            )
            for name in OBJECT_NAMES
        }

    def _take(self, name: str, clock: PoseClock, message: PoseStamped) -> None:
        now_s = time.monotonic()
        stamped_s = stamp_s(message.header.stamp)
        if stamped_s and stamped_s == self._stamps_s.get(name):
            return  # some cameras go on telling what they saw last
        self._stamps_s[name] = stamped_s
        try:
            if not stamped_s:
                raise PerceptionError("it carries no stamp; allowed: when the picture was taken")
            marker = transform_from_pose(message.pose)
            position = self._calibration.object_position(name, message.header.frame_id, marker)
        except DamselError as error:
            what = name.replace("_", " ")
            self.refused[name] = f"a pose of the {what} was refused: {error}"
        else:
            self.logs[name].add(now_s, time.time() - stamped_s, position)
            self.poses.see(name, position, clock.measured_s(stamped_s, now_s, anew=True), now_s)

    @property
    def open(self) -> bool:
        """Whether something has come of every object."""
        return all(log.heard_s or name in self.refused for name, log in self.logs.items())

    def count(self) -> None:
        """See that one camera tells of every object; of two nobody knows which is right."""
        for name, subscription in self._subscriptions.items():
            topic = subscription.topic_name
            if (nodes := self._node.count_publishers(topic)) > 1:
                self.refused[name] = f"{nodes} nodes publish {topic}; allowed: one"

    def begin(self) -> None:
        """Forget what has come so far, which may have waited."""
        self.logs |= {name: PoseLog() for name in self.logs}
        self.refused.clear()
        self._stamps_s.clear()


def _look(node: Node, cfg: SawyerCfg, calibration: Calibration) -> Sighting:
    """Listen to cameras and server for a while."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        with connect_client(cfg.addresses, PROGRAM, cfg.key) as client:
            reply, error = None, ""
            try:
                reply = client.hello()
            except InteraError as cause:
                error = str(cause)
            # Not before the answer, or poses wait meanwhile and seem to come late.
            eyes = _Eyes(node, cfg, calibration)
            return _listen(client, cfg, eyes, reply, error, lambda: executor.spin_once(0.0))
    finally:
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()


def _listen(
    client: Client,
    cfg: SawyerCfg,
    eyes: _Eyes,
    reply: OperatorReply | None,
    error: str,
    spin: Callable[[], Any],
) -> Sighting:
    guard = StateGuard(cfg.guard)
    # How far our clock is ahead; the way of a state only adds to it.
    server_offsets_s, robot_offsets_s = [], []
    discovered_by_s = time.monotonic() + _DISCOVERY_S
    while not eyes.open and time.monotonic() < discovered_by_s:
        spin()
        client.receive_state(0.002)
    eyes.begin()
    started_s = time.monotonic()
    while time.monotonic() < started_s + _LISTENING_S:
        spin()
        state = client.receive_state(0.002)
        header = client.state_header
        if state is None or header is None:
            continue
        wall_s = time.time()
        guard.take(state, header, time.monotonic())
        server_offsets_s.append(wall_s - header.wall_s)
        robot_offsets_s.append(wall_s - state.robot_stamp_s - state.robot_age_s)
    eyes.count()
    now_s = time.monotonic()
    return Sighting(
        address=f"{cfg.addresses.host}:{cfg.addresses.operator_port}",
        reply=reply,
        error=error,
        guard=guard,
        states=len(server_offsets_s),
        duration_s=now_s - started_s,
        clock_offset_s=min(server_offsets_s, key=abs, default=math.nan),
        robot_clock_offset_s=min(robot_offsets_s, default=math.nan),
        poses=eyes.poses,
        refused_pose="; ".join(eyes.refused.values()),
        pose_logs=eyes.logs,
        now_s=now_s,
    )


if __name__ == "__main__":
    main()
