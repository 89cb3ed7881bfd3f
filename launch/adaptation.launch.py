"""The task and adapt nodes, which are the same for simulation and hardware."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, ThisLaunchFileDir
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    """Wire the task and adapt nodes."""
    robot = LaunchConfiguration("robot")
    folder = PathJoinSubstitution([FindPackageShare("damsel_ros"), "config", robot])
    parameters = ParameterFile([folder, ".yaml"])
    own = ParameterFile(LaunchConfiguration("parameters"))

    def adapt_node(context: LaunchContext) -> list[Node]:
        # One that is not given must not win over that of one's own file.
        bundle = LaunchConfiguration("bundle").perform(context)
        given = [{"bundle": ParameterValue(bundle, value_type=str)}] if bundle else []
        return [
            Node(
                package="damsel_ros",
                executable="adapt",
                name="adapt",
                namespace="damsel",
                parameters=[parameters, own, *given],
            )
        ]

    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "robot", default_value="sim", choices=["sim", "sawyer"], description="The arm."
            ),
            DeclareLaunchArgument(
                "bundle",
                default_value="",
                description="Model bundle; by default that of the parameter files, or "
                "models/default.",
            ),
            DeclareLaunchArgument(
                "parameters",
                default_value=[folder, ".yaml"],
                description="Parameter file of your own set-up.",
            ),
            IncludeLaunchDescription(
                PathJoinSubstitution([ThisLaunchFileDir(), "guard.launch.py"]),
                launch_arguments={"damsel_nodes": "task adapt"}.items(),
            ),
            Node(
                package="damsel_ros",
                executable="task",
                name="task",
                namespace="damsel",
                parameters=[parameters, own],
            ),
            OpaqueFunction(function=adapt_node),
        ]
    )
