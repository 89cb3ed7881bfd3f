"""The robot node, with the parameters of the simulated or the physical arm."""

from __future__ import annotations

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, Shutdown
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    """Wire the robot node."""
    robot = LaunchConfiguration("robot")
    folder = PathJoinSubstitution([FindPackageShare("damsel_ros"), "config", robot])
    parameters = ParameterFile([folder, ".yaml"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("robot", default_value="sim", choices=["sim", "sawyer"]),
            DeclareLaunchArgument(
                "mode", default_value="lockstep", choices=["lockstep", "realtime"]
            ),
            Node(
                package="damsel_ros",
                executable="robot",
                name="robot",
                namespace="damsel",
                parameters=[parameters, {"mode": LaunchConfiguration("mode")}],
                on_exit=Shutdown(reason="the robot node ended"),
            ),
        ]
    )
