"""Reading recordings, and the commands that replay them and fit the arm to them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from mcap_ros2.writer import Writer

from damsel.errors import InvalidConfigError
from damsel.kinematics import JOINT_NAMES
from damsel_sim.arm_parameters import ArmParameters
from damsel_sim.system_identification.arm_file import load_arm, save_arm
from damsel_sim.system_identification.cli import fit_main, replay_main
from damsel_sim.system_identification.mcap_file import read_recording
from damsel_sim.system_identification.recording import InvalidRecordingError, Recording
from tests.sim.test_system_identification import UP, simulated

SEPARATOR = "=" * 80
JOINT_STATE = f"""std_msgs/Header header
string[] name
float64[] position
float64[] velocity
float64[] effort
{SEPARATOR}
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
{SEPARATOR}
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""
TOPICS = ("/damsel/joint_command", "/joint_states")


def write(
    path: Path,
    recording: Recording,
    names: tuple[str, ...] = JOINT_NAMES,
    states_on: tuple[str, ...] = (TOPICS[1],),
    robot_ahead_s: float = 0.0,
) -> Path:
    """Write a recording with the stock writer, as somebody else might."""
    with path.open("wb") as stream:
        writer = Writer(stream, chunk_size=4096)
        schema = writer.register_msgdef("sensor_msgs/msg/JointState", JOINT_STATE)
        heard = [
            (time_s, topic, positions)
            for topic, times, values in (
                (TOPICS[0], recording.target_times_s, recording.targets),
                *((one, recording.state_times_s, recording.positions) for one in states_on),
            )
            for time_s, positions in zip(times, values, strict=True)
        ]
        for time_s, topic, positions in sorted(heard, key=lambda one: one[0]):
            stamp_s = 1000.0 + time_s + (robot_ahead_s if topic in states_on else 0.0)
            sec, nanosec = divmod(round(1e9 * stamp_s), 10**9)
            message = {
                "header": {"stamp": {"sec": sec, "nanosec": nanosec}, "frame_id": ""},
                "name": list(names),
                "position": positions.tolist(),
                "velocity": [],
                "effort": [],
            }
            writer.write_message(topic, schema, message, log_time=round(1e9 * time_s))
        writer.finish()
    return path


@pytest.fixture(scope="module")
def moving() -> Recording:
    return simulated(UP, 30)


@pytest.fixture
def file(tmp_path: Path, moving: Recording) -> Path:
    return write(tmp_path / "run.mcap", moving)


def test_a_recording_is_read_back(file: Path, moving: Recording) -> None:
    found = read_recording(file)
    assert found.note == ""
    np.testing.assert_allclose(found.target_times_s, 1000.0 + moving.target_times_s, atol=1e-6)
    np.testing.assert_array_equal(found.targets, moving.targets)
    np.testing.assert_array_equal(found.positions, moving.positions)


def test_joints_are_found_by_name(tmp_path: Path, moving: Recording) -> None:
    names = ("head_pan", *reversed(JOINT_NAMES))
    turned = Recording(
        "turned",
        moving.target_times_s,
        np.pad(moving.targets[:, ::-1], ((0, 0), (1, 0))),
        moving.state_times_s,
        np.pad(moving.positions[:, ::-1], ((0, 0), (1, 0))),
    )
    found = read_recording(write(tmp_path / "turned.mcap", turned, names))
    np.testing.assert_array_equal(found.targets, moving.targets)


def test_complete_chunks_of_a_recording_that_was_cut_short_are_read(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 9 // 10])
    found = read_recording(file)
    assert "is cut short or damaged" in found.note
    assert 50 < len(found.positions) < 150


def test_a_byte_that_changed_is_noticed(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[content.index(b"zstd", len(content) // 3) + 200] ^= 0xFF
    file.write_bytes(bytes(content))
    assert "is cut short or damaged" in read_recording(file).note


@pytest.mark.parametrize("at", [-9, 11])  # of a chunk's size in memory, and of that in the file
def test_a_length_beyond_all_bounds_is_noticed(at: int, file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[content.index(b"zstd", len(content) // 3) + at] = 0xFF
    file.write_bytes(bytes(content))
    assert "is cut short or damaged" in read_recording(file).note


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no MCAP file that can be read: it ends in the middle"),
        (b"PK\x03\x04 something else", "is no MCAP file that can be read"),
        (None, "does not exist"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(
    content: bytes | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "foreign.mcap"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidRecordingError, match=words):
        read_recording(path)
    assert replay_main([str(path)]) == 2
    assert fit_main([str(path), "-o", str(tmp_path / "arm.yaml")]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 2
    assert error[0].startswith("damsel-replay: error: recording ")


def test_a_recording_of_something_else_is_refused(
    tmp_path: Path, moving: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write(tmp_path / "other.mcap", moving, tuple(f"left_{i}" for i in range(7)))
    assert replay_main([str(other)]) == 2
    assert "/joint_states is of joints ['left_0', " in capsys.readouterr().err


def test_one_arm_is_read_and_not_two(tmp_path: Path, moving: Recording) -> None:
    beside = write(tmp_path / "beside.mcap", moving, states_on=(TOPICS[1], "/other/joint_states"))
    assert len(read_recording(beside).positions) == len(moving.positions)
    foreign = write(tmp_path / "foreign.mcap", moving, states_on=("/robot/joint_states",))
    assert len(read_recording(foreign).positions) == len(moving.positions)
    both = ("/a/joint_states", "/b/joint_states")
    with pytest.raises(InvalidRecordingError, match=r"holds joint_states on /a/joint_states, /b/"):
        read_recording(write(tmp_path / "both.mcap", moving, states_on=both))


@pytest.mark.parametrize(("ahead_s", "way"), [(0.06, "earlier"), (-0.06, "later")])
def test_clocks_that_are_apart_are_no_delay(
    ahead_s: float,
    way: str,
    tmp_path: Path,
    moving: Recording,
    capsys: pytest.CaptureFixture[str],
) -> None:
    apart = write(tmp_path / "apart.mcap", moving, robot_ahead_s=ahead_s)
    assert fit_main([str(apart), "-o", str(tmp_path / "arm.yaml")]) == 2
    said = f"joint states came 60 ms {way} than targets (allowed: 20 ms)"
    assert said in capsys.readouterr().err
    assert not (tmp_path / "arm.yaml").exists()
    assert replay_main([str(apart)]) == 0
    assert said in capsys.readouterr().err


def test_an_arm_that_did_something_else_is_not_fitted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    free = simulated(UP / 2, 110)
    stuck = replace(free, positions=free.positions.copy())
    stuck.positions[:, 1] = stuck.positions[0, 1]
    file = write(tmp_path / "stuck.mcap", stuck)
    assert fit_main([str(file), "-o", str(tmp_path / "arm.yaml")]) == 2
    assert "right_j1" in capsys.readouterr().err
    assert not (tmp_path / "arm.yaml").exists()


def test_the_gap_is_told_and_written(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arm = tmp_path / "arm.yaml"
    save_arm(arm, ArmParameters(delay_s=0.05), {})
    output = tmp_path / "gap.json"
    assert replay_main([str(file), "--parameters", str(arm), "--json", str(output)]) == 0
    found = json.loads(output.read_text(encoding="utf-8"))
    assert list(found["joints"]) == list(JOINT_NAMES)
    # 50 ms late at 0.08 m/s.
    assert found["end_effector"]["rms_mm"] == pytest.approx(50 * np.linalg.norm(UP) / 0.05, rel=0.2)
    assert f"{found['end_effector']['rms_mm']:.2f} mm" in capsys.readouterr().out


def test_the_fit_is_written_so_that_training_can_read_it(tmp_path: Path) -> None:
    file = write(tmp_path / "run.mcap", simulated(UP / 4, 101))
    output = tmp_path / "arm.yaml"
    assert fit_main([str(file), "-o", str(output)]) == 0
    arm = load_arm(output)
    assert arm.delay_s == pytest.approx(0.0, abs=1e-3)
    content = yaml.safe_load(output.read_text(encoding="utf-8"))
    assert content["recording"]["file"] == "run.mcap"
    assert content["gap"]["fitted"]["end_effector"]["rms_mm"] < 0.1


def test_what_is_read_is_not_written_over(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = file.read_bytes()
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    for output in (file, tmp_path / ".." / tmp_path.name / "run.mcap", link):
        assert fit_main([str(file), "-o", str(output)]) == 2
        assert replay_main([str(file), "--json", str(output)]) == 2
    arm = tmp_path / "arm.yaml"
    save_arm(arm, ArmParameters(), {})
    assert replay_main([str(file), "--parameters", str(arm), "--json", str(arm)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 7
    assert all("is read, too; allowed: another file" in error for error in errors)
    assert file.read_bytes() == content


def test_a_gap_that_cannot_be_written_is_one_line(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay_main([str(file), "--json", "/dev/full"]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("damsel-replay: error: '/dev/full' cannot be written: No space left")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "allowed: schema damsel/arm/1"),
        ("schema: damsel/arm/1\narm: {mass: 1.0}", "allowed: friction, damping_scale, gain_scale"),
        ("schema: damsel/arm/1\narm: {friction: yes}", "friction is True; allowed: a number"),
        ("schema: damsel/arm/1\narm: {friction: 1.5}", "friction is 1.5; allowed: 0 to 0.3"),
        ("schema: damsel/arm/1\narm: {friction: .nan}", "friction is nan; allowed: 0 to 0.3"),
    ],
)
def test_a_file_that_is_no_arm_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "arm.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidConfigError, match=words):
        load_arm(path)
