"""One adaptation to a hidden task, from nothing running to a table.

ros2 launch damsel_ros adapt.launch.py robot:=sim family:=door goal:=0.62
ros2 launch damsel_ros adapt.launch.py robot:=sawyer parameters:=lab.yaml family:=door goal:=0.62
"""

from __future__ import annotations

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    SetEnvironmentVariable,
)
from launch.substitutions import (
    EnvironmentVariable,
    LaunchConfiguration,
    PathJoinSubstitution,
    ThisLaunchFileDir,
)
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

_OPTIONS = {
    "robot": ("sim", "The arm: sim or sawyer."),
    "family": ("", "Family of the hidden task: push, door or drawer; by default door."),
    "goal": (
        "",
        "Hidden goal, such as 0.62 for door or 0.17,-0.04 for push; by default one drawn at random "
        "from the family's range (0.62 without family).",
    ),
    "bundle": ("", "Model bundle; by default that of the parameter files, or models/default."),
    "iterations": ("4", "Adaptation trajectories at most."),
    "json": ("", "File for the result; by default none."),
    "record": ("", "New MCAP file for a recording; by default none."),
}


def generate_launch_description() -> LaunchDescription:
    """Wire robot, task and adapt nodes and the operator, who ends the launch."""
    here = ThisLaunchFileDir()
    operator_options = [[f"--{name}=", LaunchConfiguration(name)] for name in _OPTIONS]
    checked_options = [part for option in operator_options for part in (*option, "\n")]
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in _OPTIONS.items()
            ),
            # Said here as well, for `--show-args`, which does not look into what is included.
            DeclareLaunchArgument(
                "mode",
                default_value="",
                choices=["", "lockstep", "realtime"],
                description="Who makes the control steps; by default as the parameter files say.",
            ),
            DeclareLaunchArgument(
                "parameters",
                default_value=[
                    FindPackageShare("damsel_ros"),
                    "/config/",
                    LaunchConfiguration("robot"),
                    ".yaml",
                ],
                description="Parameter file of your own set-up.",
            ),
            SetEnvironmentVariable(
                "ROS_AUTOMATIC_DISCOVERY_RANGE",
                EnvironmentVariable("ROS_AUTOMATIC_DISCOVERY_RANGE", default_value="LOCALHOST"),
            ),
            IncludeLaunchDescription(
                PathJoinSubstitution([here, "guard.launch.py"]),
                launch_arguments={
                    "damsel_nodes": "robot task adapt",
                    "damsel_operator": checked_options,
                }.items(),
            ),
            IncludeLaunchDescription(PathJoinSubstitution([here, "robot.launch.py"])),
            IncludeLaunchDescription(PathJoinSubstitution([here, "adaptation.launch.py"])),
            Node(
                package="damsel_ros",
                executable="damsel-adapt",
                name="operator",
                arguments=["--attach", *operator_options],
                output="screen",
            ),
        ]
    )
