"""MuJoCo simulation of the Sawyer tabletop: physics, environments, the simulated robot, pictures."""
