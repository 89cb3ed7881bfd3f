"""The launch files, where a ROS 2 installation brings `launch`; PyPI has none."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom

import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from damsel_intera.virtual.rehearsal import Rehearsal, missing_ros1
from damsel_ros.attendant import Attendant
from damsel_ros.nodes import NAMESPACE
from damsel_ros.processes import NodeProcesses, free_domain_id
from damsel_ros.rehearse_cli import surroundings_of

REASON = "needs a ROS 2 installation: PyPI has no launch"
pytest.importorskip("launch", reason=REASON)
pytest.importorskip("launch_ros", reason=REASON)

LAUNCH_FILE = Path(__file__).parents[2] / "launch" / "adapt.launch.py"

# The Python that `ros2` runs on sees nothing of ours but what it starts.
BLIND = "import sys; sys.modules.update(damsel=None, damsel_ros=None); "

PROGRAM = f"""
{BLIND}
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
arguments = dict(argument.split(":=") for argument in sys.argv[2:])
service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments.items())]))
sys.exit(service.run())
"""


def launch(**arguments: str) -> subprocess.CompletedProcess[str]:
    """Launch and wait until the launch is over, which it should be by itself."""
    given = [f"{name}:={value}" for name, value in arguments.items()]
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(LAUNCH_FILE), *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
        check=False,
        env={**os.environ, "ROS_DOMAIN_ID": str(free_domain_id(SystemRandom()))},
    )


def test_a_launch_adapts_prints_the_table_and_ends(tmp_path: Path, long_bundle: Path) -> None:
    file = tmp_path / "result.json"
    done = launch(
        robot="sim",
        family="push",
        goal="0.15,0.06",
        bundle=str(long_bundle),
        iterations="1",
        json=str(file),
    )
    assert "olved: the hidden task was push" in done.stdout
    assert json.loads(file.read_text(encoding="utf-8"))["family_true"] == "push"
    for node in ("robot", "task", "adapt", "damsel-adapt"):
        assert f"process has finished cleanly [pid {pid_of(node, done.stdout)}]" in done.stdout


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"family": "push", "goal": "9,9"}, "push goal (9.0, 9.0) is out of range"),
        ({"bundle": "/nowhere"}, "bundle '/nowhere': no bundle.yaml there"),
        ({"iterations": "0"}, "--iterations is 0; allowed: 1 to 100"),
        ({"mode": "fast"}, 'Argument "mode" provided value "fast" is not valid'),
        ({"parameters": "/nowhere/lab.yaml"}, "parameters:= '/nowhere/lab.yaml' is not there"),
    ],
)
def test_what_is_not_allowed_is_refused_before_anything_starts(
    given: dict[str, str], says: str
) -> None:
    done = launch(**given)
    assert done.returncode == 1
    assert says in done.stdout
    assert "process started" not in done.stdout


def test_a_parameter_file_of_no_node_is_refused_before_anything_starts(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text("/damsel/robbot: {ros__parameters: {mode: lockstep}}", "utf-8")
    done = launch(family="door", goal="0.5", parameters=str(file))
    assert done.returncode == 1
    assert "names '/damsel/robbot'; allowed: parameters of /damsel/robot" in done.stdout
    assert "process started" not in done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_launch_that_is_ended_leaves_no_node_behind(
    number: signal.Signals, tmp_path: Path, domain_id: int
) -> None:
    with running(tmp_path) as process:
        pids = node_pids(process)
        process.send_signal(number)
        process.wait(timeout=10)
        deadline_s = time.monotonic() + 10.0
        while any(is_alive(pid) for pid in pids):
            assert time.monotonic() < deadline_s, "a node is left behind"
            time.sleep(0.1)


def test_ctrl_c_brings_the_arm_to_rest_and_says_so(tmp_path: Path, domain_id: int) -> None:
    with running(tmp_path) as process:
        node_pids(process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        said = process.communicate(timeout=30)[0]
    assert "damsel-adapt: interrupted, the arm holds" in said
    assert said.count("process has finished cleanly") == 3
    assert "Traceback" not in said


def test_a_node_that_dies_ends_the_launch_with_an_exit_code(tmp_path: Path, domain_id: int) -> None:
    with running(tmp_path) as process:
        os.kill(node_pids(process)[0], signal.SIGKILL)
        said = process.communicate(timeout=30)[0]
    assert "robot died: exit code -9" in said
    assert process.returncode == 1


def test_a_second_launch_leaves_a_running_one_alone(tmp_path: Path, domain_id: int) -> None:
    with running(tmp_path) as process:
        node_pids(process)
        second = ros2_launch()
        assert "a robot node is in /damsel of this DDS domain already" in second.communicate()[0]
        assert second.returncode == 1
        said = process.communicate(timeout=60)[0]
    assert "the hidden task was door" in said
    assert process.returncode == 0


def test_ros2_launch_shows_the_arguments() -> None:
    shown = ros2_launch("--show-args").communicate(timeout=60)[0]
    for name in ("robot", "family", "goal", "bundle", "iterations", "json", "parameters"):
        assert f"'{name}':" in shown


@pytest.mark.slow
@pytest.mark.parametrize("robot", ["sim", "sawyer"])
def test_ros2_launch_adapts_either_robot(
    robot: str, tmp_path: Path, long_bundle: Path, domain_id: int
) -> None:
    file = tmp_path / "result.json"
    given = {"family": "door", "goal": "0.5", "bundle": str(long_bundle), "iterations": "1"}
    given |= {"robot": robot, "json": str(file)}
    with contextlib.ExitStack() as stack:
        if robot == "sawyer":
            rehearsal = stack.enter_context(rehearsed(tmp_path))
            given["parameters"] = str(own_parameters(rehearsal, tmp_path))
            camera = stack.enter_context(NodeProcesses())
            camera.start("object_bridge", "damsel_ros.object_bridge_node", camera_of(rehearsal))
            process = ros2_launch(*(f"{name}:={value}" for name, value in given.items()))
            stack.callback(process.kill)
            look_after(rehearsal, process)
        else:
            process = ros2_launch(*(f"{name}:={value}" for name, value in given.items()))
            stack.callback(process.kill)
        said = process.communicate(timeout=60)[0]
    assert "olved: the hidden task was door" in said
    assert json.loads(file.read_text(encoding="utf-8"))["family_true"] == "door"
    for node in ("robot", "task", "adapt", "damsel-adapt"):
        assert f"process has finished cleanly [pid {pid_of(node, said)}]" in said


@contextlib.contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A launch that takes its time."""
    file = folder / "slow.yaml"
    file.write_text("/damsel/robot: {ros__parameters: {mode: realtime}}", "utf-8")
    process = ros2_launch(f"parameters:={file}", "family:=door", "goal:=0.5")
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def node_pids(process: subprocess.Popen[str]) -> list[int]:
    """Of robot, task, adapt and operator, once the first trajectory is told of."""
    assert process.stdout is not None
    pids = []
    for line in process.stdout:
        if "process started with pid" in line:
            pids.append(int(pid_of_line(line)))
        if "probe" in line:
            break
    assert len(pids) == 4
    return pids


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def ros2_launch(*arguments: str) -> subprocess.Popen[str]:
    """Start `ros2 launch damsel_ros adapt.launch.py`, in the domain of this process."""
    pytest.importorskip("ros2launch", reason=REASON)
    ros2 = f"{BLIND}from ros2cli.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", ros2, "launch", "damsel_ros", "adapt.launch.py", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@contextlib.contextmanager
def rehearsed(folder: Path) -> Iterator[Rehearsal]:
    """The robot's side, where ROS 1 is installed."""
    if missing := missing_ros1():
        pytest.skip(missing)
    with Rehearsal(folder) as rehearsal:
        rehearsal.start()
        yield rehearsal


def own_parameters(rehearsal: Rehearsal, folder: Path) -> Path:
    """A file as somebody with a set-up of their own has it."""
    file = folder / "lab.yaml"
    values = surroundings_of(rehearsal).overrides["robot"]
    file.write_text(json.dumps({f"{NAMESPACE}/robot": {"ros__parameters": values}}), "utf-8")
    return file


def camera_of(rehearsal: Rehearsal) -> list[str]:
    """ROS arguments of the object bridge."""
    arguments = ["--ros-args", "-r", f"__ns:={NAMESPACE}"]
    return [*arguments, "-p", f"objects_address:={rehearsal.objects_address}"]


def look_after(
    rehearsal: Rehearsal, process: subprocess.Popen[str], timeout_s: float = 240
) -> None:
    """Be the person, through the robot node's services, until the launch is over."""
    node = Node("person", namespace=NAMESPACE)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    deadline_s = time.monotonic() + timeout_s

    def poll() -> None:
        executor.spin_once(timeout_sec=0.02)
        assert time.monotonic() < deadline_s, "the launch does not end"

    attendant = Attendant(node, surroundings_of(rehearsal).person(lambda _: None))
    attendant.enable(poll, 60.0)
    while process.poll() is None:
        attendant.poll()
        poll()
    node.destroy_node()


def test_a_launch_for_an_arm_that_does_not_answer_says_so_and_ends(long_bundle: Path) -> None:
    done = launch(robot="sawyer", bundle=str(long_bundle))
    assert done.returncode == 1
    assert "Intera server: no answer from tcp://127.0.0.1:47103" in done.stdout


def pid_of(process: str, log: str) -> str:
    (line,) = [one for one in log.splitlines() if f"[{process}-" in one and "started" in one]
    return pid_of_line(line)


def pid_of_line(line: str) -> str:
    return line.strip().split("[")[-1].rstrip("]")
