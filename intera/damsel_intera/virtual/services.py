"""The robot's kinematics services."""

from __future__ import annotations

from typing import Any

import numpy as np

from damsel.scene import HOME_JOINT_POSITIONS
from damsel_intera.messages import message_class, service_class
from damsel_intera.virtual.kinematics import RobotKinematics
from damsel_intera.virtual.topics import pose_of, set_pose
from damsel_intera.wire import JOINT_NAMES

__all__ = ["KinematicsServices"]

_FOLDER = "/ExternalTools/right/PositionKinematicsNode/"


class KinematicsServices:
    """Serves FKService and IKService; each answers several questions at once."""

    def __init__(self, rospy: Any) -> None:
        from geometry_msgs.msg import PoseStamped
        from sensor_msgs.msg import JointState

        self._pose_stamped, self._joint_state = PoseStamped, JointState
        self._kinematics = RobotKinematics()
        self._fk_response = message_class("SolvePositionFKResponse")
        self._ik_response = message_class("SolvePositionIKResponse")
        self._services = [
            rospy.Service(f"{_FOLDER}FKService", service_class("SolvePositionFK"), self._forward),
            rospy.Service(f"{_FOLDER}IKService", service_class("SolvePositionIK"), self._inverse),
        ]

    def _forward(self, request: Any) -> Any:
        response = self._fk_response()
        for joints, tip in zip(request.configuration, request.tip_names, strict=False):
            positions = _positions(joints)
            known = positions is not None and tip in self._kinematics.TIPS
            message = self._pose_stamped()
            message.header.frame_id = "base"
            if positions is not None and known:
                set_pose(message.pose, self._kinematics.forward(positions, tip))
            response.pose_stamp.append(message)
            response.isValid.append(known)
            response.inCollision.append(False)
        return response

    def _inverse(self, request: Any) -> Any:
        response = self._ik_response()
        for index, (pose, tip) in enumerate(
            zip(request.pose_stamp, request.tip_names, strict=False)
        ):
            seed = None
            if index < len(request.seed_angles):
                seed = _positions(request.seed_angles[index])
            message, result = self._joint_state(), response.IK_ENDPOINT_DOES_NOT_EXIST
            if tip in self._kinematics.TIPS:
                start = HOME_JOINT_POSITIONS if seed is None else seed
                joints = self._kinematics.inverse(pose_of(pose.pose), tip, start)
                result = response.IK_FAILED
                if joints is not None:
                    result = request.SEED_USER if seed is not None else request.SEED_CURRENT
                    message.name, message.position = list(JOINT_NAMES), list(map(float, joints))
            response.joints.append(message)
            response.result_type.append(result)
        return response


def _positions(message: Any) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    values = dict(zip(message.name, message.position, strict=False))
    if not set(JOINT_NAMES) <= set(values):
        return None
    return np.array([values[name] for name in JOINT_NAMES], np.float64)
