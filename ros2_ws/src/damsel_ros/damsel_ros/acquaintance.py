"""Whether a node that we see sees us, too.

Discovery has two directions, and DDS tells of one: a server that has not found the reader of a
client's answers yet drops them, and the client waits in vain. A packet lost at the start is enough.
"""

from __future__ import annotations

import time

from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.task import Future

__all__ = ["Acquaintance"]

_ASK_AGAIN_S = 0.2


class Acquaintance:
    """Asks a node for no parameters, again and again, until it answers.

    A participant makes its endpoints known in the order in which they were created, so who
    answers this client has found every client and subscription that the asking node made before.
    """

    def __init__(self, node: Node, other: str) -> None:
        """Make the client; the last of the endpoints that it shall vouch for.

        Args:
            node: Who asks; its executor must spin for an answer to arrive.
            other: Name of the node that is asked, relative to the namespace of who asks.
        """
        self._client = node.create_client(GetParameters, f"{other}/get_parameters")
        self._asked_s = 0.0
        self._asked: list[Future] = []
        self._mutual = False

    def is_mutual(self) -> bool:
        """Whether the other node is there and has answered since it came; asks it if not."""
        if not self._client.service_is_ready():
            self._forget()
            self._mutual = False
        elif not self._mutual:
            self._ask()
        return self._mutual

    def _ask(self) -> None:
        now_s = time.monotonic()
        # An earlier question may be answered late, over a slow network.
        if any(one.done() for one in self._asked):
            self._forget()
            self._mutual = True
        elif not self._asked or now_s - self._asked_s > _ASK_AGAIN_S:
            self._asked_s = now_s
            self._asked.append(self._client.call_async(GetParameters.Request()))

    def _forget(self) -> None:
        for one in self._asked:
            self._client.remove_pending_request(one)
        self._asked.clear()
