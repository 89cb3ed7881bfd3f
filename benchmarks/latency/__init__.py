"""From observation to applied command through the ROS 2 nodes, beside a bare echo."""
