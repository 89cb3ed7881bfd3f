"""Forward kinematics, Jacobian and damped-least-squares inverse kinematics of the Sawyer arm.

Everything is batched over leading rows and pure NumPy, so that the same code runs in the batched
simulation, in the ROS 2 node next to a real arm, and in the tests that compare it with MuJoCo.

Rows never influence one another: a row computed alone and the same row inside a batch give the
same bits, which is what makes a trajectory reproducible between training and deployment.
"""

from damsel.kinematics.arm import JOINT_NAMES, NUM_JOINTS, SAWYER, ArmModel
from damsel.kinematics.forward import (
    EndEffectorPose,
    end_effector_pose,
    end_effector_position,
    geometric_jacobian,
    rotation_error,
    tool_down_rotation,
)
from damsel.kinematics.inverse import DampingCfg, differential_inverse

__all__ = [
    "JOINT_NAMES",
    "NUM_JOINTS",
    "SAWYER",
    "ArmModel",
    "DampingCfg",
    "EndEffectorPose",
    "differential_inverse",
    "end_effector_pose",
    "end_effector_position",
    "geometric_jacobian",
    "rotation_error",
    "tool_down_rotation",
]
