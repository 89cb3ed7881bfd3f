# The ROS 2 side on an installed ROS 2 Jazzy, with `ros2 launch`:
#
#   docker build -t damsel .
#   docker run --rm damsel                                         # adapts in simulation
#   docker run --rm damsel damsel-adapt --family push --goal 0.17,-0.04
#   docker run --rm damsel ros2 launch damsel_ros adapt.launch.py family:=drawer goal:=0.1
#
# On a physical Sawyer, with your own parameters, keys and calibration in ./lab, in which paths count
# from there (env -C), and whose owner may read the key (--user):
#
#   docker run --rm -it --network host --ulimit rtprio=30 --cap-add SYS_NICE \
#     --user "$(id -u)" -e HOME=/tmp -e ROS_DOMAIN_ID \
#     -v ./lab:/lab damsel env -C /lab damsel-adapt --robot sawyer --parameters lab.yaml
#
# Every step is a script of this repository, which its tests and its CI run, too.
FROM ros:jazzy-ros-base AS build
WORKDIR /opt/damsel
ENV PIP_NO_CACHE_DIR=1
COPY scripts/install_build_tools scripts/make_image_user scripts/
RUN scripts/install_build_tools
RUN scripts/make_image_user /opt/damsel
USER damsel
COPY --chown=damsel . .
RUN scripts/build_with_sourced_ros2

FROM ros:jazzy-ros-base
WORKDIR /opt/damsel
COPY scripts/install_rendering scripts/make_image_user scripts/
RUN scripts/install_rendering
RUN scripts/make_image_user /opt/damsel
COPY --from=build --chown=damsel /opt/damsel .
USER damsel
ENV MUJOCO_GL=egl \
    ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
ENTRYPOINT ["scripts/entry_point"]
CMD ["damsel-adapt"]
