"""Set-up of a clone: `.venv`, the packages in it, and the ROS 2 workspace, each only when needed.

Standard library only, since it runs before anything is installed.
"""
