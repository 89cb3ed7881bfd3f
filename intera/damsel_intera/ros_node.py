"""What both ways to the robot share: this process as a node of the robot's ROS 1."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import deque
from typing import Any, Callable, Iterator, Tuple

from damsel_intera import ros1
from damsel_intera.errors import RobotPortError
from damsel_intera.limits import JOINT_NAMES
from damsel_intera.reasons import EndpointFrame
from damsel_intera.robot import PRESSED, RobotState

__all__ = [
    "GRIPPER_TIP",
    "HAND",
    "JOINT_COMMAND",
    "CollisionMemory",
    "Endpoint",
    "Listener",
    "arm_joints",
    "point_of",
    "software_version",
    "start_node",
    "switch_on",
    "telling",
    "wait_until",
]

GRIPPER_TIP = "right_gripper_tip"
HAND = "right_hand"

JOINT_COMMAND = "/robot/limb/right/joint_command"

_VERSION_PARAMETER = "/manifest/robot_software/version/HLR_VERSION_STRING"
_POLL_S = 0.02
_LISTENER_S = 5.0
_TRANSITION_S = 5.0  # the vendor allows as much for each
_STATE_FRESH_S = 0.5
_COLLISION_S = 0.2
_REPEATS, _REPEATS_S = 5, 1.0

Endpoint = Tuple[Tuple[float, ...], EndpointFrame]


def start_node(name: str) -> Any:
    """Join the ROS 1 that ROS_MASTER_URI names, as a node with a number behind its name.

    Returns:
        The module rospy.

    Raises:
        RobotPortError: If there is no ROS 1 here, or no master there.
    """
    ros1.activate()
    import rosgraph
    import rospy

    uri = os.environ.get("ROS_MASTER_URI", "")
    try:
        # Without this look rospy would wait for a master for ever.
        rosgraph.Master(f"/{name}", uri or None).getPid()
    except (OSError, ValueError) as error:
        raise RobotPortError(
            f"no ROS master at {uri!r}: {error}; allowed: ROS_MASTER_URI of the robot"
        ) from None
    except rosgraph.MasterException as error:
        raise RobotPortError(f"the ROS master at {uri!r} does not answer: {error}") from None
    # Signals are the server's own affair: it holds the arm before it goes.
    rospy.init_node(name, anonymous=True, disable_signals=True)
    return rospy


def software_version(rospy: Any) -> str:
    """Version of the robot's software, from the robot's own parameter.

    Raises:
        RobotPortError: If the parameter is missing.
    """
    version = rospy.get_param(_VERSION_PARAMETER, "")
    if not isinstance(version, str) or not version:
        raise RobotPortError(f"the robot has no parameter {_VERSION_PARAMETER}; allowed: a Sawyer")
    return version


def wait_until(
    test: Callable[[], bool],
    timeout_s: float,
    what: str,
    body: Callable[[], None] | None = None,
) -> None:
    """Wait for the robot, asking anew all the while.

    Args:
        test: whether it has come to that.
        timeout_s: how long to wait, seconds.
        what: what is waited for, for the error.
        body: what to ask again and again.

    Raises:
        RobotPortError: If it does not come in time.
    """
    deadline = time.monotonic() + timeout_s
    while not test():
        if time.monotonic() >= deadline:
            raise RobotPortError(f"the robot did not {what} within {timeout_s:g} s")
        if body is not None:
            body()
        time.sleep(_POLL_S)


def switch_on(
    state: Callable[[], RobotState | None],
    ask_reset: Callable[[], None],
    ask_enable: Callable[[], None],
    cancelled: Callable[[], bool],
) -> None:
    """Reset a stopped robot and switch its motors on, unless somebody stops it.

    Both are asked for again and again. Whoever presses the e-stop meanwhile ends that for good:
    turning it free switches nothing on. So does a stop that is asked for.

    Args:
        state: the newest state of the robot.
        ask_reset: asks the robot to leave the stopped state.
        ask_enable: asks it to switch its motors on.
        cancelled: whether somebody has asked for a stop meanwhile.

    Raises:
        RobotPortError: If it does not come to that, e.g. with the e-stop pressed.
    """

    def undisturbed() -> RobotState:
        if cancelled():
            raise RobotPortError("stopped meanwhile; allowed: enable again")
        now = state()
        if now is None or time.monotonic() - now.assembly_received_s > _STATE_FRESH_S:
            raise RobotPortError("the robot sends no state; allowed: a robot that does")
        if now.estop_button == PRESSED:
            raise RobotPortError("the e-stop is pressed; allowed: release it, then enable")
        return now

    def is_reset() -> bool:
        now = undisturbed()
        return not (now.stopped or now.error or now.estop_button or now.estop_source)

    begun = undisturbed()
    if begun.stopped or begun.error:
        wait_until(is_reset, _TRANSITION_S, "reset", ask_reset)
    wait_until(lambda: undisturbed().enabled, _TRANSITION_S, "switch its motors on", ask_enable)


class CollisionMemory:
    """What the robot tells of collisions.

    Attributes:
        told_s: this machine's monotonic clock when the robot last told, seconds; None as long as
            it tells of changes only, if at all.
    """

    def __init__(self) -> None:
        self._felt_s = float("-inf")
        self._last: bool | None = None
        self._repeated_s: deque[float] = deque(maxlen=_REPEATS)
        self.told_s: float | None = None

    def tell(self, felt: bool) -> None:
        """Take what the robot says now."""
        now_s = time.monotonic()
        if felt is self._last:
            self._repeated_s.append(now_s)
        # Who says the same again and again does not wait for news, and is missed when silent. A
        # topic that keeps its last message repeats it to every new connection.
        often = len(self._repeated_s) == _REPEATS and now_s - self._repeated_s[0] < _REPEATS_S
        if self.told_s is not None or often:
            self.told_s = now_s
        self._last = felt
        if felt:
            self._felt_s = now_s

    @property
    def recent(self) -> bool:
        """Whether it told of one within the last fifth of a second, however short it was."""
        return time.monotonic() - self._felt_s < _COLLISION_S


@contextlib.contextmanager
def telling(rospy: Any, what: str) -> Iterator[None]:
    """Publish within this to have ROS 1's refusal, as after its end, in words.

    Raises:
        RobotPortError: If ROS 1 has shut down under us.
    """
    try:
        yield
    except rospy.ROSException as error:
        raise RobotPortError(f"cannot {what}: {error}") from None


class Listener:
    """Whether the robot hears our joint commands: ROS 1 does not tell.

    Whoever else listens, such as a recorder, is none of its nodes: those publish below `/robot`.
    """

    def __init__(self, command: Any) -> None:
        """Know nobody yet.

        Args:
            command: rospy's publisher of joint commands.
        """
        self._command = command
        self._names: frozenset[str] = frozenset()

    def find(self) -> None:
        """Ask the ROS master anew which nodes of the robot want to hear joint commands.

        Where none of its nodes does both, as far as the master knows, anybody who listens counts.
        """
        import rosgraph

        master = rosgraph.Master("/damsel_intera_server")
        with contextlib.suppress(OSError, rosgraph.MasterException):
            publishers, subscribers, _ = master.getSystemState()
            listeners = set(dict(subscribers).get(JOINT_COMMAND, ()))
            speakers = {
                name for topic, names in publishers if topic.startswith("/robot/") for name in names
            }
            # Who is not there any more is missed.
            self._names = frozenset(listeners & speakers) or self._names

    @property
    def hears(self) -> bool:
        """Whether it is connected to us."""
        connections = list(self._command.impl.connections) if self._command.impl else []
        return any(not self._names or one.endpoint_id in self._names for one in connections)

    def check(self) -> None:
        """Refuse to command nobody.

        Raises:
            RobotPortError: If the robot does not listen.
        """
        if not self.hears:
            raise RobotPortError(f"the robot does not listen to {JOINT_COMMAND}")

    def wait(self) -> None:
        """Wait until the robot listens, whose nodes may be others than before.

        Raises:
            RobotPortError: If it does not after five seconds.
        """

        def heard() -> bool:
            if not (self._names and self.hears):
                self.find()
            return self.hears

        wait_until(heard, _LISTENER_S, f"listen to {JOINT_COMMAND}")


def point_of(state: Any, frame: EndpointFrame) -> Endpoint:
    """Position and frame in a message EndpointState; NONE if it is not to be trusted."""
    position = state.pose.position
    point = (float(position.x), float(position.y), float(position.z))
    if not all(map(math.isfinite, point)):
        return (0.0, 0.0, 0.0), EndpointFrame.NONE
    return point, frame


def arm_joints(message: Any) -> tuple[tuple[float, ...], ...]:
    """Positions, velocities and efforts of the arm's joints; those that lack are left out.

    Args:
        message: a sensor_msgs/JointState.
    """
    where: dict[str, int] = {name: index for index, name in enumerate(message.name)}
    indices: list[int] = [where[name] for name in JOINT_NAMES if name in where]
    return tuple(
        tuple(float(values[index]) for index in indices if index < len(values))
        for values in (message.position, message.velocity, message.effort)
    )
