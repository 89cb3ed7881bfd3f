"""Quality of service of every topic, in one place because both ends must agree."""

from __future__ import annotations

from rclpy.qos import QoSDurabilityPolicy, QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy

__all__ = ["COMMAND", "JOINTS", "LATCHED", "STANDARD", "STREAM", "TICKS"]


def _reliable(durability: QoSDurabilityPolicy, depth: int) -> QoSProfile:
    return QoSProfile(
        reliability=QoSReliabilityPolicy.RELIABLE,
        durability=durability,
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=depth,
    )


# A context is built from whole trajectories, so nothing may be lost. A subscriber that is matched
# after the first message of a trajectory still gets it; trajectory ids keep old ones out.
STREAM = _reliable(QoSDurabilityPolicy.TRANSIENT_LOCAL, depth=32)
"""`observation`, `applied` and `reward`."""

# A command is never kept for a subscriber that comes later: the arm must not move on an old one.
COMMAND = _reliable(QoSDurabilityPolicy.VOLATILE, depth=1)
"""`command`: only the newest counts."""

LATCHED = _reliable(QoSDurabilityPolicy.TRANSIENT_LOCAL, depth=1)
"""`context`: whoever comes late gets the current one."""

# Ticks come in bursts, as many as there were since the last.
JOINTS = _reliable(QoSDurabilityPolicy.VOLATILE, depth=2000)
"""`/joint_states`; any usual subscription fits it."""

# Nobody hears it until somebody records, who then wants the first one, too.
TICKS = _reliable(QoSDurabilityPolicy.TRANSIENT_LOCAL, depth=2000)
"""`joint_command`."""

STANDARD = _reliable(QoSDurabilityPolicy.VOLATILE, depth=10)
"""`/diagnostics`, as other ROS tools expect them."""
