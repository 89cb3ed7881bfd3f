"""The robot node, with the parameters of the simulated or the physical arm."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, ThisLaunchFileDir
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    """Wire the robot node."""
    robot = LaunchConfiguration("robot")
    folder = PathJoinSubstitution([FindPackageShare("damsel_ros"), "config", robot])
    parameters = ParameterFile([folder, ".yaml"])
    own = ParameterFile(LaunchConfiguration("parameters"))

    def robot_node(context: LaunchContext) -> list[Node]:
        # One that is not given must not win over that of one's own file.
        mode = LaunchConfiguration("mode").perform(context)
        given = [{"mode": mode}] if mode else []
        # A file of one's own cannot make an arm out of a simulation.
        given.append({"backend": robot})
        return [
            Node(
                package="damsel_ros",
                executable="robot",
                name="robot",
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
                "mode",
                default_value="",
                choices=["", "lockstep", "realtime"],
                description="Who makes the control steps; by default as the parameter files say.",
            ),
            DeclareLaunchArgument(
                "parameters",
                default_value=[folder, ".yaml"],
                description="Parameter file of your own set-up.",
            ),
            IncludeLaunchDescription(
                PathJoinSubstitution([ThisLaunchFileDir(), "guard.launch.py"]),
                launch_arguments={"damsel_nodes": "robot"}.items(),
            ),
            OpaqueFunction(function=robot_node),
        ]
    )
