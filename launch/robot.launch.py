"""The robot node, with the parameters of the simulated or the physical arm."""

from __future__ import annotations

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, Shutdown
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, PythonExpression
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
                "mode",
                # A physical arm does not wait.
                default_value=PythonExpression(
                    ["'lockstep' if '", robot, "' == 'sim' else 'realtime'"]
                ),
                choices=["lockstep", "realtime"],
            ),
            DeclareLaunchArgument(
                "parameters",
                default_value=[folder, ".yaml"],
                description="Parameter file of your own set-up.",
            ),
            Node(
                package="damsel_ros",
                executable="robot",
                name="robot",
                namespace="damsel",
                parameters=[
                    parameters,
                    ParameterFile(LaunchConfiguration("parameters")),
                    {"mode": LaunchConfiguration("mode")},
                ],
                on_exit=Shutdown(reason="the robot node ended"),
            ),
        ]
    )
