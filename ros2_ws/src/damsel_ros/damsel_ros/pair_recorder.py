"""One point as a camera sees it and as the arm touches it, both at rest and both new."""

from __future__ import annotations

import time

import numpy as np
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data

from damsel.errors import PerceptionError, RobotError, brief
from damsel.kinematics import end_effector_position
from damsel_intera.client import Client
from damsel_intera.wire import State
from damsel_ros.conversions import stamp_s

__all__ = ["PairRecorder"]

Array = NDArray[np.float64]

_AVERAGING_S = 0.5
# What was seen while a person was asked waits in the subscription; that long it is thrown away.
_FORGETTING_S = 0.1
_LEAST_SAMPLES = 3
_OLDEST_JOINTS_S = 0.1
# A hand that is still moves the arm, and with it the marker, less than this from the first half to
# the second.
_DRIFT_M = 0.002
# The arm's encoders hardly have noise; single poses of a camera do.
_SPREAD_M = {"marker": 0.015, "arm": 0.002}


class PairRecorder:
    """Takes one pair after another from a camera and an arm.

    Attributes:
        frame_id: Frame of the camera's poses; None before the first pair.
    """

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
        self._seen: list[tuple[str, list[float]]] = []
        self._stamp_s = 0.0
        self.frame_id: str | None = None
        node.create_subscription(PoseStamped, topic, self._on_pose, qos_profile_sensor_data)

    def take(self) -> dict[str, list[float]]:
        """Average both over half a second.

        Returns:
            `camera` and `base`, (3,) each, metres.

        Raises:
            RobotError: If the arm is not heard, or moved meanwhile.
            PerceptionError: If the marker is not seen, moved meanwhile, or is seen in another frame
                than before.
        """
        self._listen(_FORGETTING_S)
        self._seen.clear()
        states = self._listen(_AVERAGING_S)
        fresh = [state for state in states if state.robot_age_s <= _OLDEST_JOINTS_S]
        if len(fresh) < _LEAST_SAMPLES:
            raise RobotError(
                f"the arm is not heard; its joints are {states[-1].robot_age_s:.1f} s old"
                if states
                else "the arm is not heard; no states come from the Intera server"
            )
        if len(self._seen) < _LEAST_SAMPLES:
            raise PerceptionError(
                f"the marker is not seen; no poses with stamps of their own come on {self._topic}"
            )
        marker = np.array([position for _, position in self._seen])
        arm = end_effector_position(np.array([state.joint_positions for state in fresh]))
        _check_still("marker", marker)
        _check_still("arm", arm)
        self._check_frames()
        return {"camera": marker.mean(axis=0).tolist(), "base": arm.mean(axis=0).tolist()}

    def _listen(self, duration_s: float) -> list[State]:
        """Hear both; returns the arm's states, and leaves the marker's poses in `_seen`."""
        states: list[State] = []
        end_s = time.monotonic() + duration_s
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.0)
            state = self._client.receive_state(0.005)
            if state is not None:
                states.append(state)
        return states

    def _check_frames(self) -> None:
        """A camera stands where it stands in its own frame only."""
        frames = list(dict.fromkeys(frame for frame, _ in self._seen))
        known = frames[0] if self.frame_id is None else self.frame_id
        if frames != [known]:
            raise PerceptionError(
                f"poses on {self._topic} are in frame {', '.join(map(brief, frames))}; allowed: "
                f"one frame in all pairs, here {brief(known)}"
            )
        self.frame_id = known

    def _on_pose(self, message: PoseStamped) -> None:
        stamp = stamp_s(message.header.stamp)
        if stamp == self._stamp_s:
            return  # some cameras go on telling what they saw last
        self._stamp_s = stamp
        at = message.pose.position
        self._seen.append((message.header.frame_id, [at.x, at.y, at.z]))


def _check_still(what: str, points: Array) -> None:
    """Judge a drift rather than every single point, which may be noisy."""
    half = len(points) // 2
    drift_m = float(np.abs(points[half:].mean(axis=0) - points[:half].mean(axis=0)).max())
    spread_m = float(np.ptp(points, axis=0).max())
    # Not being small includes NaN.
    if not drift_m < _DRIFT_M:
        raise RobotError(f"the {what} moved by {1000 * drift_m:.1f} mm; keep it still")
    if not spread_m < _SPREAD_M[what]:
        raise RobotError(
            f"the {what} moved to and fro by {1000 * spread_m:.1f} mm (allowed: "
            f"{1000 * _SPREAD_M[what]:g}); keep it still"
        )
