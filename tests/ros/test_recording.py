"""A run as MCAP: what is in it, and what is left of it when something ends."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rclpy.executors import SingleThreadedExecutor
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from damsel.errors import InvalidConfigError
from damsel.kinematics import JOINT_NAMES
from damsel_msgs.msg import Context, EndEffectorCommand, Observation, Reward
from damsel_ros.conversions import time_of
from damsel_ros.message_definitions import message_definition
from damsel_ros.nodes import finish_recording, start_recorder
from damsel_ros.processes import NodeProcesses
from damsel_ros.recorder_node import RECORDED, RecorderNode
from damsel_ros.recording_file import RecordingError, RecordingFile
from damsel_sim.arm_parameters import NOMINAL_ARM
from damsel_sim.system_identification.mcap_file import read_recording
from damsel_sim.system_identification.recording import motions
from damsel_sim.system_identification.replay import Replay, gap

JOINTS = JointState(
    header=Header(stamp=time_of(12.5), frame_id="base"), name=list(JOINT_NAMES), position=[0.5] * 7
)


def decoded(path: Path) -> dict[str, list[object]]:
    """What the stock reader finds, by topic."""
    found: dict[str, list[object]] = {}
    with path.open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == "ros2"
        for schema, channel, _, message in reader.iter_decoded_messages():
            assert schema.encoding == "ros2msg"
            assert channel.message_encoding == "cdr"
            found.setdefault(channel.topic, []).append(message)
    return found


def command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", f"damsel_ros.{module}", *arguments]


def test_a_run_is_recorded_and_replays_without_a_gap(tmp_path: Path, long_bundle: Path) -> None:
    file = tmp_path / "run.mcap"
    done = subprocess.run(
        command("adapt_cli", "--bundle", str(long_bundle), "--iterations=1", "--record", str(file)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = decoded(file)
    topics = {topic if topic.startswith("/") else f"/damsel/{topic}" for topic in RECORDED}
    assert set(found) == topics
    steps = [message.step for message in found["/damsel/observation"]]
    assert max(steps) == 100
    assert len(found["/damsel/reward"]) == len(steps)
    carried_out = [message for message in found["/damsel/applied"] if message.status == 0]
    assert len(carried_out) == len(found["/damsel/command"])
    assert found["/damsel/context"][-1].stage == "done"
    # Five targets a control step, and the arm where they lead.
    assert len(found["/damsel/joint_command"]) >= 5 * len(carried_out)
    replayed = gap([Replay(one) for one in motions(read_recording(file))], NOMINAL_ARM)
    assert replayed.end_effector_max_m < 2e-3


def test_control_c_finishes_the_file_and_a_kill_leaves_what_is_complete(
    tmp_path: Path, domain_id: int, long_bundle: Path
) -> None:
    files = [tmp_path / "stopped.mcap", tmp_path / "killed.mcap"]
    recorders = [
        subprocess.Popen(command("record_cli", str(file)), stdout=subprocess.PIPE, text=True)
        for file in files
    ]
    try:
        for recorder in recorders:
            assert recorder.stdout is not None
            assert "until Ctrl-C" in recorder.stdout.readline()
        done = subprocess.run(
            command("record_cli", str(tmp_path / "third.mcap"), "--excite", "--seconds", "10"),
            env={**os.environ, "ROS_DOMAIN_ID": str(domain_id)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        recorders[1].send_signal(signal.SIGKILL)
        recorders[0].send_signal(signal.SIGINT)
        assert recorders[0].wait(10.0) == 0
        assert recorders[0].stdout is not None
        (count, *said) = recorders[0].stdout.readline().split(maxsplit=1)
        assert said == [f"messages recorded: {files[0]}\n"]
    finally:
        for recorder in recorders:
            recorder.kill()
            recorder.wait()
    whole = decoded(files[0])
    assert len(whole["/damsel/joint_command"]) > 900
    assert int(count) == sum(map(len, whole.values()))
    killed = read_recording(files[1])
    assert "cut short" in killed.note
    assert len(killed.targets) > 0.8 * len(whole["/damsel/joint_command"])
    third = read_recording(tmp_path / "third.mcap")
    # None is missing, however fast a simulation in lock-step goes.
    np.testing.assert_allclose(np.diff(third.target_times_s), 0.01, atol=1e-5)
    (motion,) = motions(third)
    assert motion.times_s[-1] == pytest.approx(10.0, abs=0.2)
    assert not Replay(motion).touched


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "there.mcap"
    file.write_text("mine", encoding="utf-8")
    for arguments in (("record_cli", str(file)), ("adapt_cli", "--record", str(file))):
        done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "exists or has no folder; allowed: a new file" in done.stderr
    with pytest.raises(InvalidConfigError, match="exists; allowed: a new file"):
        RecordingFile(file)
    assert file.read_text(encoding="utf-8") == "mine"


def test_a_full_disk_is_said_in_one_line(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    file = RecordingFile(tmp_path / "run.mcap")
    file.add_topic("/joint_states", "sensor_msgs/msg/JointState")
    target = os.open(full, os.O_WRONLY)
    os.dup2(target, file._file.fileno())
    os.close(target)
    noise = np.random.default_rng(0)

    def write_on() -> None:
        for _ in range(100):
            file.write("/joint_states", noise.bytes(1000), heard_ns=1, published_ns=1)

    with pytest.raises(RecordingError, match=r"is not complete: No space left on device"):
        write_on()
    with pytest.raises(RecordingError, match=r"is not complete: No space left on device"):
        file.close()


@pytest.mark.usefixtures("domain_id")
def test_who_started_the_recorder_hears_that_the_end_of_its_file_is_missing(
    tmp_path: Path,
) -> None:
    output = tmp_path / "run.mcap"
    for room, problem in ((None, ""), (0, "is not complete: File too large")):
        output.unlink(missing_ok=True)
        with NodeProcesses() as processes:
            recorder = start_recorder(processes, output, tmp_path)
            deadline_s = time.monotonic() + 20.0
            while not output.exists():
                assert time.monotonic() < deadline_s
                time.sleep(0.05)
            if room is not None:
                resource.prlimit(recorder.pid, resource.RLIMIT_FSIZE, (room, room))
            found = finish_recording(recorder, lambda: time.sleep(0.02))
        assert problem in found
        assert bool(found) == bool(problem)


@pytest.mark.usefixtures("domain_id")
def test_a_disk_that_is_full_at_the_very_end_is_said_too(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    node = RecorderNode(tmp_path / "run.mcap")
    target = os.open(full, os.O_WRONLY)
    os.dup2(target, node._recording._file.fileno())
    os.close(target)
    with pytest.raises(RecordingError, match=r"is not complete: No space left on device"):
        node.finish(SingleThreadedExecutor())
    node.close()
    node.destroy_node()


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in RECORDED.values()}, key=str))
def test_definitions_of_messages_explain_their_bytes(kind: type, tmp_path: Path) -> None:
    filled = {
        Context: Context(stage="probe", family="door", latent=[1.0, -2.0], transitions=7),
        EndEffectorCommand: EndEffectorCommand(trajectory=3, step=4, reason="a word"),
        JointState: JOINTS,
        Observation: Observation(trajectory=5, step=6),
        Reward: Reward(trajectory=1, value=0.25),
    }
    message = filled.get(kind, kind())
    name = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
    file = RecordingFile(tmp_path / "one.mcap")
    file.add_topic("/one", name)
    file.write("/one", serialize_message(message), heard_ns=1, published_ns=1)
    file.close()
    ((read,),) = decoded(tmp_path / "one.mcap").values()
    again = deserialize_message(serialize_message(message), kind)
    for field in again.get_fields_and_field_types():
        if field not in ("header", "status", "displacement"):
            found, there = getattr(read, field), getattr(again, field)
            if hasattr(there, "get_fields_and_field_types"):
                found, there = [found.x, found.y, found.z], [there.x, there.y, there.z]
            elif not isinstance(there, str | int | float):
                found, there = list(found), list(there)
            np.testing.assert_equal(found, there)


def test_a_definition_that_is_not_installed_is_refused() -> None:
    with pytest.raises(InvalidConfigError, match="no definition of the message no_msgs/Nothing"):
        message_definition("no_msgs/msg/Nothing")


def test_definitions_name_every_message_inside_once() -> None:
    text = message_definition("damsel_msgs/msg/Observation")
    names = [line for line in text.splitlines() if line.startswith("MSG: ")]
    assert names == [
        "MSG: std_msgs/Header",
        "MSG: geometry_msgs/Point",
        "MSG: builtin_interfaces/Time",
    ]
