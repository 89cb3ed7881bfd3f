"""Everything of a rehearsal that is not ROS 2, as processes: master, virtual Sawyer, server.

The master and the server run on the system's Python, which ROS 1 belongs to, as they would next
to a robot; the virtual Sawyer runs on this one, which has the simulation.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, Sequence

from damsel_intera.errors import InteraError, NoAnswerError, RobotPortError
from damsel_intera.transport import Addresses
from damsel_intera.virtual.__main__ import CONTROL_PORT, OBJECTS_PORT
from damsel_intera.virtual.control import control

__all__ = ["Rehearsal", "free_ports", "missing_ros1"]

SYSTEM_PYTHON = "/usr/bin/python3"
_PACKAGE_FOLDER = Path(__file__).parents[2]
_START_S = 30.0
_END_S = 5.0
_ROS2_VARIABLES = ("PYTHONPATH", "AMENT_PREFIX_PATH", "COLCON_PREFIX_PATH", "LD_LIBRARY_PATH")


def free_ports(count: int) -> list[int]:
    """So many TCP ports that nobody listens at now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def missing_ros1() -> str:
    """What a rehearsal lacks on this machine, or nothing."""
    if shutil.which("rosmaster") is None:
        return "no rosmaster; scripts/install_ros1 installs ROS 1"
    probe = [SYSTEM_PYTHON, "-c", "import rospy, zmq, sensor_msgs.msg"]
    try:
        subprocess.run(probe, check=True, capture_output=True, timeout=60, env=_environment({}))
    except (OSError, subprocess.SubprocessError):
        return f"{SYSTEM_PYTHON} has no rospy or no zmq; scripts/install_ros1 installs them"
    return ""


class Rehearsal:
    """The processes of one rehearsal, each on ports of its own; a context manager.

    Attributes:
        addresses: where the server will listen.
        processes: what runs, by name: `master`, `robot`, `server`.
        logs: folder with a log of each.
    """

    def __init__(
        self, logs: Path, *, sdk: Path | None = None, addresses: Addresses | None = None
    ) -> None:
        """Choose ports; nothing is started yet.

        Args:
            logs: folder for the processes' output.
            sdk: folder with the vendor's SDK, for a server with `robot="sdk"`.
            addresses: where the server shall listen; on free ports by default. With addresses the
                virtual robot uses its usual ports, too.
        """
        master, control_port, objects_port, *ports = free_ports(6)
        if addresses is not None:
            control_port, objects_port = CONTROL_PORT, OBJECTS_PORT
        self.addresses = addresses or Addresses("127.0.0.1", *ports)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.logs = logs
        self._sdk = sdk
        self._master_port = master
        self._control_port, self._objects_port = control_port, objects_port
        self._files: list[IO[bytes]] = []

    @property
    def control_address(self) -> str:
        """Where the virtual robot takes faults."""
        return f"tcp://127.0.0.1:{self._control_port}"

    @property
    def objects_address(self) -> str:
        """Where the virtual robot tells the objects' poses, as `wire.ObjectPoses`."""
        return f"tcp://127.0.0.1:{self._objects_port}"

    @property
    def master_uri(self) -> str:
        """ROS 1's address of the master."""
        return f"http://127.0.0.1:{self._master_port}"

    def __enter__(self) -> Rehearsal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, robot: str = "topics", arm: Sequence[str] = ()) -> None:
        """Start everything, and wait for it.

        Args:
            robot: how the server speaks to the robot.
            arm: further arguments of the virtual robot.

        Raises:
            InteraError: If something does not come up; its log says why.
        """
        self.start_master()
        # The SDK gives up at once on a robot that is not there yet.
        self.start_robot(*arm, wait=robot == "sdk")
        self.start_server(robot)
        self.await_robot()

    def start_master(self) -> None:
        """Start ROS 1's master and wait for it.

        Without roscore, which would start it in a session of its own: it outlives a roscore that
        is killed.
        """
        rosmaster = shutil.which("rosmaster")
        if rosmaster is None:
            raise RobotPortError(missing_ros1())
        command = [SYSTEM_PYTHON, rosmaster, "--core", "-p", str(self._master_port)]
        self._start("master", command, self.ros1_environment())
        self._wait("master", self.master_listens)

    def master_listens(self) -> bool:
        """Whether anybody answers at the master's address."""
        return _listens(self._master_port)

    def start_robot(self, *arguments: str, wait: bool = True) -> None:
        """Start the virtual Sawyer, and wait for it."""
        command = [sys.executable, "-m", "damsel_intera.virtual", *arguments]
        command += ["--control-port", str(self._control_port)]
        command += ["--objects-port", str(self._objects_port)]
        environment = {**os.environ, **self._ros1_variables()}
        self._start("robot", command, environment)
        if wait:
            self.await_robot()

    def await_robot(self) -> None:
        """Wait until the virtual Sawyer answers."""
        self._wait("robot", self._robot_answers)

    def _robot_answers(self) -> bool:
        try:
            control(self.control_address, "status", timeout_s=0.5)
        except NoAnswerError:
            return False
        return True

    def start_server(self, robot: str = "topics", *arguments: str, wait: bool = True) -> None:
        """Start the server, and wait until it listens and has the robot's states."""
        addresses = self.addresses
        command = [SYSTEM_PYTHON, "-m", "damsel_intera.server", "--robot", robot, *arguments]
        command += ["--state-port", str(addresses.state_port)]
        command += ["--command-port", str(addresses.command_port)]
        command += ["--operator-port", str(addresses.operator_port)]
        self._start("server", command, self.ros1_environment())
        if wait:
            self._wait("server", lambda: b"serving" in self.log("server"))

    def inject(self, do: str, value: Any = None) -> dict[str, Any]:
        """Do something to the virtual robot; see `damsel_intera.virtual.inject`."""
        return control(self.control_address, do, value)

    def log(self, name: str) -> bytes:
        """What a process has written since it was last started."""
        return (self.logs / f"{name}.log").read_bytes()

    def kill(self, name: str, signal_number: int = signal.SIGKILL) -> None:
        """End a process that we started and wait for its end."""
        process = self.processes.pop(name)
        process.send_signal(signal_number)
        process.wait(_END_S)

    def close(self) -> None:
        """End everything that still runs, the server first."""
        for name in ("server", "robot", "master"):
            process = self.processes.pop(name, None)
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(_END_S)
        for file in self._files:
            file.close()
        self._files.clear()

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        file = (self.logs / f"{name}.log").open("wb")
        self._files.append(file)
        # In a group of its own, so that a Ctrl-C in the terminal comes to us alone; but should we
        # be killed, it is not to stay behind.
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", "TERM", *command]
        self.processes[name] = subprocess.Popen(
            command, stdout=file, stderr=file, env=environment, start_new_session=True
        )

    def _wait(self, name: str, ready: Any) -> None:
        deadline = time.monotonic() + _START_S
        while not ready():
            code = self.processes[name].poll()
            lines = self.log(name).decode(errors="replace").strip().splitlines()
            last = lines[-1] if lines else "no output"
            if code is not None:
                raise InteraError(f"{name} ended with {code}: {last}")
            if time.monotonic() > deadline:
                raise InteraError(f"{name} was not ready within {_START_S:g} s: {last}")
            time.sleep(0.05)

    def _ros1_variables(self) -> dict[str, str]:
        return {
            "ROS_MASTER_URI": self.master_uri,
            "ROS_IP": "127.0.0.1",
            "ROS_HOME": str(self.logs),
            "ROS_LOG_DIR": str(self.logs),
        }

    def ros1_environment(self) -> dict[str, str]:
        """Environment of a process that speaks ROS 1 on the system's Python."""
        folders = [str(_PACKAGE_FOLDER), *([str(self._sdk)] if self._sdk else [])]
        return _environment({**self._ros1_variables(), "PYTHONPATH": os.pathsep.join(folders)})


def _environment(extra: dict[str, str]) -> dict[str, str]:
    """Ours without what belongs to a ROS 2 or a virtual environment."""
    kept = {name: value for name, value in os.environ.items() if name not in _ROS2_VARIABLES}
    return {**kept, **extra}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
