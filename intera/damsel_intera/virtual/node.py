"""The virtual Sawyer as a node of ROS 1, in real time."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np
import zmq

from damsel_intera.errors import SettingError
from damsel_intera.logbook import Logbook
from damsel_intera.messages import message_class
from damsel_intera.ros_node import HAND, JOINT_COMMAND, start_node
from damsel_intera.transport import open_socket
from damsel_intera.virtual.arm import TICK_S, ArmPhysics, VirtualArm
from damsel_intera.virtual.assembly import Assembly
from damsel_intera.virtual.commands import JointCommand, Mode
from damsel_intera.virtual.control import ControlPort
from damsel_intera.virtual.services import KinematicsServices
from damsel_intera.virtual.state_faults import StateFaults
from damsel_intera.virtual.topics import LIMB, RobotTopics
from damsel_intera.wire import JOINT_NAMES, Header, encode

__all__ = ["VirtualSawyer"]

_NEUTRAL = [0.0, -1.18, 0.0, 2.18, 0.0, 0.57, 3.3161]
_SLOW_TOPICS_EVERY = 2  # ticks; joint states and tips come with each
_OBJECTS_EVERY = 2
_LATE_TICKS = 5
_KEPT_ARRIVALS = 20_000
_COLLISION_S = 0.1  # how long a collision is told at least


class VirtualSawyer:
    """One robot; `run` returns after `close`."""

    def __init__(
        self,
        *,
        control_address: str,
        objects_address: str,
        tips: tuple[str, ...] = (HAND, "right_gripper_tip"),
        version: str = "5.3.0",
        physics: ArmPhysics | None = None,
        collision_force_n: float = 40.0,
        log: Logbook,
    ) -> None:
        """Join the ROS 1 that ROS_MASTER_URI names.

        Args:
            control_address: where faults are taken.
            objects_address: where the objects' poses are told.
            tips: points of the hand that the robot tells about.
            version: robot software that it claims to run.
            physics: how the arm differs from the nominal one.
            collision_force_n: contact force on hand or arm that the robot feels as a collision.
            log: for a person.

        Raises:
            RobotPortError: If there is no ROS 1 or no master.
            SettingError: If an address is taken, or the collision force is none.
        """
        if not 0 < collision_force_n < float("inf"):
            raise SettingError(f"a collision force of {collision_force_n} N; allowed: above 0")
        self._collision_force_n = collision_force_n
        rospy = self._rospy = start_node("virtual_sawyer")
        self._log = log
        self._arm = VirtualArm(physics)
        self._assembly = Assembly()
        self._faults: StateFaults[Any] = StateFaults()
        self._collision_until_s = 0.0
        self._collided = False
        self._silent = False
        self._numb = False  # does not say whether it feels collisions
        self._commands = 0
        self._arrivals: deque[tuple[float, float, float]] = deque(maxlen=_KEPT_ARRIVALS)
        self._lock = threading.Lock()
        self._running = True
        self._set_parameters(version)
        self._topics = RobotTopics(rospy, tips)
        self._services = KinematicsServices(rospy)
        self._context: Any = zmq.Context()
        self._objects = open_socket(self._context, zmq.PUB)
        self._objects.bind(objects_address)
        self._objects_sequence = 0
        self._control = ControlPort(control_address, self._handlers())
        self._subscribe()

    def _set_parameters(self, version: str) -> None:
        self._set_version(version)
        for name, value in (
            ("/manifest/robot_class", "sawyer"),
            ("/named_poses/right/poses/neutral", _NEUTRAL),
            ("/robot_config/assembly_names", ["right", "head", "torso"]),
            ("/robot_config/right_config/joint_names", list(JOINT_NAMES)),
        ):
            self._rospy.set_param(name, value)

    def _set_version(self, version: Any) -> None:
        self._rospy.set_param("/manifest/robot_software/version/HLR_VERSION_STRING", str(version))

    def _subscribe(self) -> None:
        from std_msgs.msg import Bool, Empty, Float64

        def subscribe(topic: str, kind: Any, callback: Any) -> None:
            self._rospy.Subscriber(topic, kind, callback, queue_size=1, tcp_nodelay=True)

        self._listen()
        subscribe(f"{LIMB}joint_command_timeout", Float64, self._on_timeout)
        subscribe(f"{LIMB}set_speed_ratio", Float64, self._on_speed_ratio)
        subscribe("/robot/set_super_enable", Bool, self._on_enable)
        subscribe("/robot/set_super_reset", Empty, lambda _: self._locked(self._assembly.reset))
        subscribe("/robot/set_super_stop", Empty, lambda _: self._locked(self._assembly.stop))

    def _listen(self) -> None:
        self._deaf = False
        self._commanded = self._rospy.Subscriber(
            JOINT_COMMAND,
            message_class("JointCommand"),
            self._on_command,
            queue_size=1,
            tcp_nodelay=True,
        )

    def _deafen(self) -> None:
        if not self._deaf:
            self._commanded.unregister()
        self._deaf = True

    def _locked(self, action: Any) -> None:
        with self._lock:
            action()

    def _on_enable(self, message: Any) -> None:
        with self._lock:
            self._assembly.enable(bool(message.data), time.monotonic())

    def _on_timeout(self, message: Any) -> None:
        with self._lock:
            self._arm.set_point.timeout_s = float(np.clip(message.data, 0.0, 1.0))

    def _on_speed_ratio(self, message: Any) -> None:
        with self._lock:
            self._arm.set_point.speed_ratio = float(np.clip(message.data, 0.0, 1.0))

    def _on_command(self, message: Any) -> None:
        now_s, came_s = time.monotonic(), time.time()
        with self._lock:
            self._commands += 1
            first = float(message.position[0]) if message.position else float("nan")
            self._arrivals.append((came_s, message.header.stamp.to_sec(), first))
            command = self._command(message, now_s)
            # Motors that are off forget what they are told.
            if command is not None and self._assembly.ready and not self._collided:
                self._arm.take(command)

    def _command(self, message: Any, now_s: float) -> JointCommand | None:
        """The command in a message, or None with a line in the log."""
        modes = {int(mode): mode for mode in Mode}
        if message.mode not in modes:
            self._log.rarely("mode", f"mode {message.mode} ignored; simulated: {sorted(modes)}")
            return None
        mode = modes[message.mode]
        given = message.position if mode is Mode.POSITION else message.velocity
        values = self._arm.set_point.positions.copy() if mode is Mode.POSITION else np.zeros(7)
        known = set(message.names) <= set(JOINT_NAMES) and len(given) == len(message.names)
        if not known or not np.isfinite(given).all():
            self._log.rarely("command", "a command ignored; allowed: a finite value per joint")
            return None
        for name, value in zip(message.names, given, strict=True):
            values[JOINT_NAMES.index(name)] = value
        return JointCommand(mode, values, now_s)

    def run(self) -> None:
        """Simulate and publish at 100 Hz until `close`."""
        next_s = time.monotonic()
        ticks = 0
        while self._running:
            now_s = time.monotonic()
            if now_s - next_s > _LATE_TICKS * TICK_S:
                self._log.rarely("late", f"{now_s - next_s:.3f} s late; the time is skipped")
                next_s = now_s
            if now_s < next_s:
                time.sleep(next_s - now_s)
            with self._lock:
                self._tick(ticks, next_s)
            next_s += TICK_S
            ticks += 1
        self._control.close()
        self._objects.close()
        self._context.term()
        self._rospy.signal_shutdown("the virtual robot ends")

    def close(self, *_: object) -> None:
        """End `run`."""
        self._running = False

    def _tick(self, ticks: int, due_s: float) -> None:
        now_s = time.monotonic()
        self._control.serve()
        before = replace(self._assembly)
        self._assembly.tick(now_s)
        collided = now_s < self._collision_until_s
        if collided or not self._assembly.ready:
            self._arm.freeze()
        # The controllers of a robot keep their beat. So does this arm's time, and so do its stamps,
        # where this process is late.
        self._arm.tick(due_s)
        if self._arm.contact_force_n > self._collision_force_n:
            self._log.rarely("collision", f"a contact with {self._arm.contact_force_n:.0f} N")
            self._collision_until_s = max(self._collision_until_s, now_s + _COLLISION_S)
            collided = True
        if self._silent:
            return
        self._publish_joints(now_s, max(0.0, now_s - due_s))
        self._topics.publish_endpoints(self._arm)
        changed = collided != self._collided or before != self._assembly
        self._collided = collided
        if changed or ticks % _SLOW_TOPICS_EVERY == 0:
            self._topics.publish_assembly(self._assembly)
            if not self._numb:
                self._topics.publish_collision(collided)
        if ticks % _OBJECTS_EVERY == 0:
            self._publish_objects()

    def _publish_joints(self, now_s: float, late_s: float) -> None:
        message = self._topics.joint_state(self._arm)
        message.header.stamp += self._rospy.Duration.from_sec(self._faults.clock_s - late_s)
        if self._faults.invalid:
            message.position = [float("nan")] * len(message.position)
        for due in self._faults.pass_on(message, now_s):
            self._topics.publish_joints(due)

    def _publish_objects(self) -> None:
        self._objects_sequence += 1
        header = Header.now(sequence=self._objects_sequence)
        self._objects.send(encode(header, self._arm.object_poses()), zmq.NOBLOCK)

    def _handlers(self) -> dict[str, Any]:
        return {
            "arrivals": lambda _: self._take_arrivals(),
            "clear": lambda _: self._clear(),
            "collide": self._collide,
            "deafen": lambda _: self._deafen(),
            "fail": lambda _: self._assembly.fail(),
            "numb": self._numb_to_collisions,
            "press_estop": lambda _: self._assembly.press(),
            "release_estop": lambda _: self._assembly.release(),
            "reset_objects": lambda _: self._arm.reset_objects(),
            "silence": self._silence,
            "state_fault": self._state_fault,
            "status": lambda _: self._status(),
            "stop": lambda _: self._assembly.stop(),
            "version": self._set_version,
        }

    def _take_arrivals(self) -> dict[str, Any]:
        """Joint commands since the last time: wall clock now, stamp, first position in radians."""
        arrivals = list(self._arrivals)
        self._arrivals.clear()
        return {"arrivals": arrivals}

    def _clear(self) -> None:
        self._faults.clear()
        self._silent = self._numb = False
        self._collision_until_s = 0.0
        if self._deaf:
            self._listen()

    def _collide(self, seconds: Any) -> None:
        self._collision_until_s = time.monotonic() + float(
            _COLLISION_S if seconds is None else seconds
        )

    def _silence(self, silent: Any) -> None:
        self._silent = True if silent is None else bool(silent)

    def _numb_to_collisions(self, numb: Any) -> None:
        self._numb = True if numb is None else bool(numb)

    def _state_fault(self, fault: Any) -> None:
        for name, value in dict(fault or {}).items():
            self._faults.set(name, float(value))

    def _status(self) -> dict[str, Any]:
        """What a test wants to know, from the horse's mouth; angles in radians, force in N."""
        return {
            "joint_positions": list(map(float, self._arm.joint_positions)),
            "joint_velocities": list(map(float, self._arm.joint_velocities)),
            "set_point": list(map(float, self._arm.set_point.positions)),
            "enabled": self._assembly.enabled,
            "stopped": self._assembly.stopped,
            "commands": self._commands,
            "timeout_s": self._arm.set_point.timeout_s,
            "speed_ratio": self._arm.set_point.speed_ratio,
            "contact_force_n": self._arm.contact_force_n,
            "peak_force_n": self._arm.peak_force_n,
            "objects": {pose.name: list(pose.position) for pose in self._arm.object_poses().poses},
            "monotonic_s": time.monotonic(),
        }
