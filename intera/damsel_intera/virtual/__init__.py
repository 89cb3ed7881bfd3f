"""The virtual Sawyer: the robot's own ROS 1 topics, services and parameters, out of MuJoCo.

It stands in for the robot before anything is tried on one. This is the only part of the package
that needs the simulation (`damsel_sim`); everything else runs next to a real robot.
"""
