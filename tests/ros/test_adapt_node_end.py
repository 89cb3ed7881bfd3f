"""An adaptation says that the arm holds once nothing that it asked for can move it any more."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import Mock

import numpy as np
import pytest
from rclpy.task import Future
from std_srvs.srv import Trigger

from damsel.adaptation import Adaptation, Request
from damsel_msgs.srv import Reset
from damsel_ros.adapt_effects import BeginTrajectory, Ended, Hold, Outcome
from damsel_ros.adapt_node import AdaptNode


class Service:
    """A robot node's service that answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[Future] = []

    def call_async(self, _: object) -> Future:
        self.asked.append(Future())
        return self.asked[-1]


@pytest.fixture
def node(domain_id: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[AdaptNode]:
    """A node in the middle of a run that it ends now, with a reset under way."""
    node = AdaptNode()
    with monkeypatch.context() as patch:
        patch.setattr(node, "_run", Mock(tick=lambda *_: [], robot_failed=lambda *_: []))
        patch.setattr(node, "_adaptation", Mock(spec=Adaptation, **SO_FAR))
        patch.setattr(node, "_reset", Service())
        patch.setattr(node, "_hold", Service())
        request = Request("probe", "door", 0, np.zeros(5))
        node._perform([BeginTrajectory(request, 0)])
        node._perform([Hold(), Ended(Outcome.ABORTED, "no reward")])
        yield node
    node.destroy_node()


SO_FAR = {"records": [], "latent": None, "family": None, "context_transitions": 0}
HELD = Trigger.Response(success=True)


def test_a_hold_that_overtakes_the_reset_is_asked_for_again(node: AdaptNode) -> None:
    (reset,) = node._reset.asked
    node._hold.asked[0].set_result(HELD)
    assert not node._end.done()
    reset.set_result(Reset.Response(success=True, trajectory=3))
    assert len(node._hold.asked) == 2
    assert not node._end.done()
    node._hold.asked[1].set_result(HELD)
    assert node._end.done()
    assert node._holds


def test_a_reset_that_is_not_answered_leaves_open_whether_the_arm_holds(node: AdaptNode) -> None:
    node._hold.asked[0].set_result(HELD)
    node._ending_deadline_s = 0.0
    node._on_tick()
    assert node._end.done()
    assert not node._holds


def test_a_reset_that_is_over_needs_one_hold(node: AdaptNode) -> None:
    node._ending = None
    node._reset.asked[0].set_result(Reset.Response(success=False, message="gone"))
    node._perform([Ended(Outcome.ABORTED, "gone")])
    node._hold.asked[0].set_result(HELD)
    assert node._end.done()
    assert node._holds
    assert len(node._hold.asked) == 1


def test_a_reset_that_nobody_answers_goes_with_its_client(node: AdaptNode) -> None:
    asked = node._reset
    node._ending_deadline_s = 0.0
    node._on_tick()
    assert node._end.done()
    assert not node._holds
    assert node._reset is not asked
