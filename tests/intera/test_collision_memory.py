"""A collision that is over before anybody looks is a collision."""

from __future__ import annotations

import time

import pytest

from damsel_intera.ros_node import CollisionMemory


def test_a_short_collision_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    memory = CollisionMemory()
    assert not memory.recent
    memory.tell(True)
    memory.tell(False)
    assert memory.recent
    now_s += 0.19
    assert memory.recent
    now_s += 0.02
    assert not memory.recent
