"""MuJoCo simulation of the Sawyer tabletop: physics, environments, the robot, pictures."""
