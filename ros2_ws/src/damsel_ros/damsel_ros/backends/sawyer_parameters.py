"""Parameters of the robot node for the physical Sawyer; it has them whatever its backend."""

from __future__ import annotations

from damsel_ros.parameters import Parameter

__all__ = ["SAWYER_PARAMETERS"]

SAWYER_PARAMETERS = (
    Parameter("sawyer.server_host", "127.0.0.1", "Name or address of the Intera server."),
    Parameter("sawyer.state_port", 47101, "Its TCP port of states.", low=1, high=65535),
    Parameter("sawyer.command_port", 47102, "Its TCP port of commands.", low=1, high=65535),
    Parameter("sawyer.operator_port", 47103, "Its TCP port of requests.", low=1, high=65535),
    Parameter(
        "sawyer.key", "", "File client.key of the pair that the server has; empty for no key."
    ),
    Parameter(
        "sawyer.calibration",
        "",
        "Calibration file; empty if poses come in frame base and markers sit on the spot.",
    ),
    Parameter(
        "sawyer.state_timeout_s",
        0.1,
        "Oldest joint measurement that the arm may move on [s].",
        low=0.03,
        high=0.5,
    ),
    Parameter(
        "sawyer.tracking_limit_rad",
        0.2,
        "How far a joint may be from its target for 0.3 s [rad].",
        low=0.02,
        high=0.5,
    ),
    Parameter(
        "sawyer.pose_timeout_s",
        0.2,
        "Oldest pose of an object that the arm may move on [s].",
        low=0.03,
        high=2.0,
    ),
    Parameter(
        "sawyer.pose_jump_m",
        0.02,
        "How far apart two poses in a row may be, beyond what an object can move [m].",
        low=0.001,
        high=0.2,
    ),
    Parameter(
        "sawyer.return_height_m",
        0.08,
        "z in base at which the finger tips pass over the objects on the way back [m].",
        low=0.03,
        high=0.13,
    ),
    Parameter(
        "sawyer.return_speed_m_s",
        0.08,
        "Speed of the end effector on the way back [m/s].",
        low=0.01,
        high=0.1,
    ),
    Parameter(
        "sawyer.return_velocity_fraction",
        0.2,
        "Part of the joints' velocity limits that the way back may use.",
        low=0.05,
        high=0.5,
    ),
    Parameter(
        "sawyer.placement_tolerance_m",
        0.005,
        "How far from its start an object may be when a trajectory begins [m].",
        low=0.001,
        high=0.05,
    ),
    Parameter(
        "sawyer.confirm_timeout_s",
        600.0,
        "How long a person has to put the objects back [s].",
        low=1.0,
        high=3600.0,
    ),
    Parameter(
        "sawyer.realtime_priority",
        20,
        "Real-time priority of the thread that commands the arm, where permitted; 0 for none. The "
        "node's main thread gets the one below.",
        low=0,
        high=90,
    ),
)
