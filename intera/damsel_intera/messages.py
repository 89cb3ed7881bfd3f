"""The vendor's messages, made at run time from their documented fields.

The vendor's message package is not needed, only ROS 1's own. A ROS 1 robot accepts a message by
the MD5 sum of its fields, so the sums prove that what is made here is what a Sawyer understands:
`python3 -m damsel_intera.messages` prints them.
"""

from __future__ import annotations

import hashlib
from typing import Any

from damsel_intera import ros1

__all__ = ["MESSAGES", "SERVICES", "checksums", "message_class", "service_class"]

_PACKAGE = "intera_core_msgs"
_SEPARATOR = "\n" + "=" * 80 + "\n"

# Constants and fields, in the order that the sums are made from.
MESSAGES: dict[str, str] = {
    "JointCommand": """
        int32 POSITION_MODE=1
        int32 VELOCITY_MODE=2
        int32 TORQUE_MODE=3
        int32 TRAJECTORY_MODE=4
        std_msgs/Header header
        int32 mode
        string[] names
        float64[] position
        float64[] velocity
        float64[] acceleration
        float64[] effort
        """,
    "RobotAssemblyState": """
        uint8 ESTOP_BUTTON_UNPRESSED=0
        uint8 ESTOP_BUTTON_PRESSED=1
        uint8 ESTOP_BUTTON_UNKNOWN=2
        uint8 ESTOP_BUTTON_RELEASED=3
        uint8 ESTOP_SOURCE_NONE=0
        uint8 ESTOP_SOURCE_USER=1
        uint8 ESTOP_SOURCE_UNKNOWN=2
        uint8 ESTOP_SOURCE_FAULT=3
        uint8 ESTOP_SOURCE_ENGINE=4
        bool homed
        bool ready
        bool enabled
        bool stopped
        bool error
        bool lowVoltage
        uint8 estop_button
        uint8 estop_source
        """,
    "EndpointState": """
        std_msgs/Header header
        geometry_msgs/Pose pose
        geometry_msgs/Twist twist
        geometry_msgs/Wrench wrench
        bool valid
        """,
    "EndpointStates": """
        std_msgs/Header header
        string[] names
        intera_core_msgs/EndpointState[] states
        """,
    "CollisionDetectionState": """
        std_msgs/Header header
        bool collision_state
        """,
    "CollisionAvoidanceState": """
        std_msgs/Header header
        bool other_arm
        string[] collision_object
        """,
    "JointLimits": """
        string[] joint_names
        float64[] position_lower
        float64[] position_upper
        float64[] velocity
        float64[] accel
        float64[] effort
        """,
    "SolvePositionFKRequest": """
        sensor_msgs/JointState[] configuration
        string[] tip_names
        """,
    "SolvePositionFKResponse": """
        geometry_msgs/PoseStamped[] pose_stamp
        bool[] isValid
        bool[] inCollision
        """,
    "SolvePositionIKRequest": """
        int8 SEED_AUTO=0
        int8 SEED_USER=1
        int8 SEED_CURRENT=2
        int8 SEED_NS_MAP=3
        geometry_msgs/PoseStamped[] pose_stamp
        sensor_msgs/JointState[] seed_angles
        int8 seed_mode
        bool[] use_nullspace_goal
        sensor_msgs/JointState[] nullspace_goal
        float64[] nullspace_gain
        string[] tip_names
        """,
    "SolvePositionIKResponse": """
        int8 IK_FAILED=-1
        int8 IK_IN_COLLISION=-2
        int8 IK_ENDPOINT_DOES_NOT_EXIST=-3
        sensor_msgs/JointState[] joints
        int8[] result_type
        """,
}

SERVICES = ("SolvePositionFK", "SolvePositionIK")

_classes: dict[str, Any] = {}


def message_class(name: str) -> Any:
    """The class of a message of the vendor's, as rospy wants it.

    Args:
        name: one of `MESSAGES`.

    Raises:
        RobotPortError: If there is no ROS 1.
    """
    if name not in _classes:
        ros1.activate()
        from genpy.dynamic import generate_dynamic

        kind = f"{_PACKAGE}/{name}"
        _classes[name] = generate_dynamic(kind, _with_dependencies(name))[kind]
    return _classes[name]


def service_class(name: str) -> Any:
    """The class of a service of the vendor's, as rospy wants it.

    Args:
        name: one of `SERVICES`.

    Raises:
        RobotPortError: If there is no ROS 1.
    """
    if name not in _classes:
        request, response = message_class(f"{name}Request"), message_class(f"{name}Response")
        _classes[name] = type(
            name,
            (),
            {
                "_type": f"{_PACKAGE}/{name}",
                "_md5sum": _service_checksum(request, response),
                "_request_class": request,
                "_response_class": response,
            },
        )
    return _classes[name]


def checksums() -> dict[str, str]:
    """MD5 sums of all messages and services, by name."""
    sums = {name: str(message_class(name)._md5sum) for name in MESSAGES}
    sums.update({name: str(service_class(name)._md5sum) for name in SERVICES})
    return sums


def _definition(name: str) -> str:
    return "\n".join(line.strip() for line in MESSAGES[name].strip().splitlines())


def _types_in(definition: str) -> list[str]:
    types = (line.split()[0].replace("[]", "") for line in definition.splitlines())
    return [one for one in types if "/" in one]


def _with_dependencies(name: str) -> str:
    """The definition of a message and of all that it contains, as genpy wants them."""
    sections = {f"{_PACKAGE}/{name}": _definition(name)}
    waiting = _types_in(_definition(name))
    while waiting:
        kind = waiting.pop()
        if kind in sections:
            continue
        package, base = kind.split("/")
        if package == _PACKAGE:
            sections[kind] = _definition(base)
            waiting += _types_in(sections[kind])
            continue
        module = __import__(f"{package}.msg", fromlist=[base])
        own, *rest = getattr(module, base)._full_text.split(_SEPARATOR)
        sections[kind] = own
        for section in rest:
            title, _, text = section.partition("\n")
            sections.setdefault(title.replace("MSG: ", "").strip(), text)
    first, *others = sections.items()
    return _SEPARATOR.join([first[1], *(f"MSG: {kind}\n{text}" for kind, text in others)])


def _service_checksum(request: Any, response: Any) -> str:
    """ROS 1's sum over both halves of a service."""
    from genmsg import MsgContext
    from genmsg.gentools import compute_md5_text

    digest = hashlib.md5()  # a name for a format, as ROS 1 has it
    context = MsgContext.create_default()
    for half in (request, response):
        for kind, spec in _specs(half).items():
            context.register(kind, spec)
        digest.update(compute_md5_text(context, half._spec).strip().encode())
    return digest.hexdigest()


def _specs(half: Any) -> dict[str, Any]:
    from genmsg import MsgContext
    from genmsg.msg_loader import load_msg_from_string

    name = half._spec.full_name.split("/")[1]
    context = MsgContext.create_default()
    specs: dict[str, Any] = {half._spec.full_name: half._spec}
    for section in _with_dependencies(name).split(_SEPARATOR)[1:]:
        title, _, text = section.partition("\n")
        kind = title.replace("MSG: ", "")
        specs[kind] = load_msg_from_string(context, text, kind)
    return specs


if __name__ == "__main__":
    for name, checksum in checksums().items():
        print(checksum, name)
