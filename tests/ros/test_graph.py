"""The graph of the running nodes: who may know what."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rclpy.node import Node

from damsel.tasks import Task
from damsel_ros.operator_client import Operator
from damsel_ros.processes import NodeProcess
from tests.ros.watcher import Watcher

Start = Callable[..., dict[str, NodeProcess]]

ADAPT_HEARS = {
    "/damsel/observation": "damsel_msgs/msg/Observation",
    "/damsel/applied": "damsel_msgs/msg/EndEffectorCommand",
    "/damsel/reward": "damsel_msgs/msg/Reward",
}
ADAPT_ASKS = {
    "/damsel/reset": "damsel_msgs/srv/Reset",
    "/damsel/hold": "std_srvs/srv/Trigger",
    "/damsel/robot/get_parameters": "rcl_interfaces/srv/GetParameters",
}
# What anything could carry: a goal has a type of its own, or hides in one of these.
GOAL_SERVICES = {"/damsel/set_task", "/damsel/task/get_outcome", "/damsel/task/get_parameters"}


@pytest.fixture
def graph(start: Start, operator: Operator, watcher: Watcher) -> Node:
    """The graph after a run, when every publisher and client has been used."""
    start()
    operator.wait_for_nodes(20.0)
    operator.set_task(Task("door", (0.5,)))
    operator.adapt(1, lambda *_: None)
    return watcher.node


def test_the_adapt_node_hears_and_asks_nothing_that_carries_the_goal(graph: Node) -> None:
    heard = dict(graph.get_subscriber_names_and_types_by_node("adapt", "/damsel"))
    assert {name: types[0] for name, types in heard.items()} == ADAPT_HEARS
    asked = dict(graph.get_client_names_and_types_by_node("adapt", "/damsel"))
    assert {name: types[0] for name, types in asked.items()} == ADAPT_ASKS
    assert not GOAL_SERVICES & set(asked)


def test_only_the_task_node_offers_what_speaks_of_the_goal(graph: Node) -> None:
    offered = dict(graph.get_service_names_and_types_by_node("task", "/damsel"))
    assert set(offered) >= GOAL_SERVICES
    for node in ("robot", "adapt"):
        others = dict(graph.get_service_names_and_types_by_node(node, "/damsel"))
        assert not {"/damsel/set_task", "/damsel/task/get_outcome"} & set(others)
    assert dict(graph.get_publisher_names_and_types_by_node("task", "/damsel")).keys() == {
        "/damsel/reward",
        "/diagnostics",
        "/parameter_events",
        "/rosout",
    }


def test_only_the_adapt_node_commands_and_only_the_robot_node_listens(graph: Node) -> None:
    publishers = graph.get_publishers_info_by_topic("/damsel/command")
    subscribers = graph.get_subscriptions_info_by_topic("/damsel/command")
    assert [info.node_name for info in publishers] == ["adapt"]
    assert [info.node_name for info in subscribers] == ["robot"]


def test_the_context_is_latched(graph: Node) -> None:
    late = Watcher()
    try:
        late.wait_until(lambda: bool(late.contexts), 5.0)
    finally:
        late.close()
    _, context = late.contexts[-1]
    assert context.stage == context.STAGE_DONE
    assert context.transitions > 0
    assert len(context.latent) == 3
