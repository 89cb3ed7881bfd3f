"""What the robot tells of collisions, and what its silence means."""

from __future__ import annotations

import time

import pytest

from damsel_intera.ros_node import CollisionMemory


class Clock:
    now_s = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now_s)
    return clock


def test_a_short_collision_is_remembered_for_a_while(clock: Clock) -> None:
    memory = CollisionMemory()
    assert not memory.recent
    memory.tell(True)
    memory.tell(False)
    assert memory.recent
    clock.now_s += 0.19
    assert memory.recent
    clock.now_s += 0.02
    assert not memory.recent


def test_a_robot_that_tells_of_changes_only_is_not_missed(clock: Clock) -> None:
    memory = CollisionMemory()
    assert memory.told_s is None
    for felt in (False, True, False, True):
        memory.tell(felt)
        assert memory.told_s is None


def test_a_topic_that_keeps_its_last_message_is_not_missed(clock: Clock) -> None:
    memory = CollisionMemory()
    for _ in range(20):  # connections, one after the other
        memory.tell(False)
        clock.now_s += 0.5
    assert memory.told_s is None


def test_a_robot_that_tells_again_and_again_is_missed(clock: Clock) -> None:
    memory = CollisionMemory()
    for _ in range(10):
        memory.tell(False)
        clock.now_s += 0.01
    memory.tell(True)
    assert memory.told_s == clock.now_s
    clock.now_s += 5.0
    assert memory.told_s == pytest.approx(clock.now_s - 5.0)
