"""The wire format: what goes in comes out, and nothing else gets through."""

from __future__ import annotations

import math
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damsel_intera.errors import WireError
from damsel_intera.frame import MAX_FRAME_BYTES
from damsel_intera.wire import (
    PROTOCOL_VERSION,
    Activity,
    Command,
    EndpointFrame,
    Header,
    HoldReason,
    Message,
    ObjectPose,
    ObjectPoses,
    Operation,
    OperatorReply,
    OperatorRequest,
    Refusal,
    State,
    decode,
    encode,
)
from tests.intera.doubles import header

finite = st.floats(allow_nan=False, allow_infinity=False)
uint64 = st.integers(0, 2**64 - 1)
uint32 = st.integers(0, 2**32 - 1)
uint8 = st.integers(0, 255)
names = st.text(max_size=16)


def vectors(size: int) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(*[finite] * size)


headers = st.builds(
    Header, session=uint64, lease=uint64, sequence=uint64, monotonic_s=finite, wall_s=finite
)
states = st.builds(
    State,
    joint_positions=vectors(7),
    joint_velocities=vectors(7),
    joint_efforts=vectors(7),
    endpoint_position=vectors(3),
    endpoint_frame=st.sampled_from(EndpointFrame),
    enabled=st.booleans(),
    stopped=st.booleans(),
    error=st.booleans(),
    homed=st.booleans(),
    ready=st.booleans(),
    collision=st.booleans(),
    collision_told=st.booleans(),
    estop_button=uint8,
    estop_source=uint8,
    robot_stamp_s=finite,
    robot_age_s=finite,
    activity=st.sampled_from(Activity),
    hold_reason=st.sampled_from(HoldReason),
    lease_number=uint32,
    last_sequence=uint64,
    refused_count=uint64,
    last_refusal=st.sampled_from(Refusal),
)
commands = st.builds(
    Command,
    joint_positions=vectors(7),
    seen_monotonic_s=finite,
)
requests = st.builds(
    OperatorRequest,
    operation=st.sampled_from(Operation),
    name=names,
    seen_monotonic_s=finite,
)
replies = st.builds(
    OperatorReply,
    operation=st.sampled_from(Operation),
    accepted=st.booleans(),
    text=st.text(max_size=75),
    lease_number=uint32,
    sdk_version=names,
    robot=names,
    watchdog_s=finite,
    command_timeout_s=finite,
)
poses = st.builds(
    ObjectPoses,
    st.lists(st.builds(ObjectPose, names, vectors(3), vectors(4)), max_size=16).map(tuple),
)
messages = st.one_of(states, commands, requests, replies, poses)

COMMAND = Command((0.1,) * 7, 2.0)


def framed(payload: bytes, message_type: int, length: int | None = None) -> bytes:
    """A frame with a true checksum around any payload."""
    length = len(payload) if length is None else length
    head = struct.pack(
        "<4sBBHQQQdd", b"DMSL", PROTOCOL_VERSION, message_type, length, 1, 2, 3, 4.0, 5.0
    )
    return head + struct.pack("<I", zlib.crc32(head + payload)) + payload


@given(headers, messages)
def test_what_goes_in_comes_out(sent_header: Header, message: Message) -> None:
    assert decode(encode(sent_header, message)) == (sent_header, message)


@given(st.binary(max_size=MAX_FRAME_BYTES + 10))
def test_any_bytes_are_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(WireError) as refused:
        decode(data)
    assert "\n" not in str(refused.value)


@given(st.binary(max_size=300), uint8)
def test_any_payload_in_a_true_frame_is_a_message_or_refused(payload: bytes, kind: int) -> None:
    try:
        _, message = decode(framed(payload, kind))
    except WireError:
        return
    assert encode(header(), message) == framed(payload, kind)


@given(messages, st.data())
def test_a_changed_byte_is_found(message: Message, data: st.DataObject) -> None:
    frame = bytearray(encode(header(), message))
    where = data.draw(st.integers(0, len(frame) - 1))
    frame[where] ^= data.draw(st.integers(1, 255))
    with pytest.raises(WireError):
        decode(bytes(frame))


@given(messages, st.data())
def test_a_frame_that_is_cut_or_goes_on_is_refused(message: Message, data: st.DataObject) -> None:
    frame = encode(header(), message)
    cut = data.draw(st.integers(0, len(frame) - 1))
    for damaged in (frame[:cut], frame + b"\0", frame + frame):
        with pytest.raises(WireError):
            decode(damaged)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("joint", range(7))
def test_targets_that_are_not_finite_are_neither_sent_nor_taken(joint: int, value: float) -> None:
    joints = [0.0] * 7
    joints[joint] = value
    with pytest.raises(WireError, match="not finite"):
        encode(header(), Command(tuple(joints)))
    with pytest.raises(WireError, match="not finite"):
        decode(framed(struct.pack("<d7d", 0.0, *joints), 2))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "a frame of 0 bytes; allowed: 52 to 4096"),
        (bytes(MAX_FRAME_BYTES + 1), "a frame of 4097 bytes; allowed: 52 to 4096"),
        (bytes(60), "a frame that starts with b'\\x00\\x00\\x00\\x00'; allowed: b'DMSL'"),
        (framed(b"", 9), "message type 9; allowed: [1, 2, 3, 4, 5]"),
        (framed(b"\1", 2, 2), "1 bytes of payload; allowed: 2, as its header says"),
        (framed(b"\11" + bytes(9), 3), "Operation 9; allowed: [1, 2, 3, 4, 5, 6]"),
        (framed(bytes(65), 2), "1 bytes after the end of a message; allowed: none"),
        (framed(b"\21", 5), "17 objects; allowed: 16 or fewer"),
    ],
)
def test_the_refusal_says_what_is_allowed(data: bytes, says: str) -> None:
    with pytest.raises(WireError) as refused:
        decode(data)
    assert str(refused.value) == says


def test_another_version_is_named() -> None:
    frame = bytearray(encode(header(), COMMAND))
    frame[4] = 1
    with pytest.raises(WireError, match="protocol version 1; allowed: 3"):
        decode(bytes(frame))


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (Command((0.0,) * 6), "joint positions with 6 numbers; allowed: 7"),
        (OperatorRequest(Operation.HELLO, "x" * 65), "name of 65 bytes; allowed: 64 or less"),
        (OperatorRequest(Operation.HELLO, "\ud800"), "allowed: Unicode"),
        (ObjectPoses((ObjectPose("a", (0.0,) * 3, (0.0,) * 4),) * 17), "allowed: 16 or fewer"),
    ],
)
def test_what_would_be_refused_is_not_sent(message: Message, says: str) -> None:
    with pytest.raises(WireError, match=says):
        encode(header(), message)


@pytest.mark.parametrize("field", ["session", "lease", "sequence"])
@pytest.mark.parametrize("value", [-1, 2**64])
def test_header_fields_that_do_not_fit_are_not_sent(field: str, value: int) -> None:
    with pytest.raises(WireError, match=f"{field} {value}"):
        encode(header(**{field: value}), COMMAND)


@given(st.floats())
def test_stamps_are_finite(stamp_s: float) -> None:
    if math.isfinite(stamp_s):
        assert decode(encode(header(wall_s=stamp_s), COMMAND))[0].wall_s == stamp_s
    else:
        with pytest.raises(WireError, match="stamp"):
            encode(header(wall_s=stamp_s), COMMAND)


def test_every_reason_is_told_in_words() -> None:
    for reason in (*HoldReason, *Refusal):
        assert reason.text
        assert "\n" not in reason.text
