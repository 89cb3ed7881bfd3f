# damsel on an installed ROS 2 Jazzy, with `ros2 launch`:
#
#   docker build -t damsel .
#   docker run --rm damsel
#   docker run --rm damsel make adapt FAMILY=push GOAL=0.17,-0.04
#   docker run --rm damsel ros2 launch damsel_ros adapt.launch.py family:=drawer goal:=0.1
FROM ros:jazzy-ros-base

RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential python3-dev python3-venv \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/damsel

COPY scripts/install_rendering scripts/
RUN scripts/install_rendering && rm -rf /var/lib/apt/lists/*

COPY . .

# The same set-up as everywhere; it finds the ROS 2 that is sourced.
RUN . /opt/ros/jazzy/setup.sh && make setup-run

# The image's entry point sources ROS 2; `ros2 launch` also wants our workspace.
RUN sed -i 's|^exec |. /opt/damsel/ros2_ws/install/setup.bash --\nexec |' /ros_entrypoint.sh

ENV MUJOCO_GL=egl \
    ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST

CMD ["make", "adapt"]
