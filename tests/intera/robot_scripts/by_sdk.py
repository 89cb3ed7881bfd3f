"""Uses the vendor's SDK as its own examples do; prints what it found as JSON."""

from __future__ import annotations

import json
import sys
import time

import intera_interface
import rospy

out, sys.stdout = sys.stdout, sys.stderr
rospy.init_node("by_sdk")
found = {"sdk": intera_interface.SDK_VERSION}
robot = intera_interface.RobotEnable(versioned=True)
found["robot_name"] = intera_interface.RobotParams().get_robot_name()
robot.stop()
found["stopped"] = robot.state().stopped
robot.enable()
found["enabled"] = robot.state().enabled
limb = intera_interface.Limb("right")
names = limb.joint_names()
found["joint_names"] = names
limb.move_to_neutral(timeout=15.0, speed=0.5)
found["neutral"] = [limb.joint_angle(name) for name in names]
pose = limb.endpoint_pose()
found["hand"] = list(pose["position"])
found["tips"] = [limb.tip_state(tip) is not None for tip in ("right_gripper_tip", "nose")]
limb.set_command_timeout(0.2)
for _ in range(25):
    limb.set_joint_velocities({"right_j6": -0.2})
    time.sleep(0.02)
found["moving"] = limb.joint_velocity("right_j6")
time.sleep(0.6)
found["after_timeout"] = limb.joint_velocity("right_j6")
limb.exit_control_mode()
angles = limb.joint_angles()
target = limb.joint_angles_to_cartesian_pose(angles)
solution = limb.ik_request(target, joint_seed=angles)
found["ik"] = [solution[name] for name in names] if solution else None
found["angles"] = [angles[name] for name in names]
found["collided"] = limb.has_collided()
found["velocity_limits"] = intera_interface.JointLimits().joint_velocity_limits()
robot.disable()
found["disabled"] = not robot.state().enabled
json.dump(found, out)
