"""ROS 2 nodes of damsel: thin shells around the runtime core."""
