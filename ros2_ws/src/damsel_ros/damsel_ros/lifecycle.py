"""A lifecycle node that says what went wrong in a transition, and outlives it.

rclpy swallows whatever a transition raises, and ends the process when somebody asks for a
transition that the node's state does not have.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from lifecycle_msgs.srv import ChangeState
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from damsel.errors import DamselError

__all__ = ["OutspokenLifecycleNode", "transition"]

_Node = TypeVar("_Node", bound="OutspokenLifecycleNode")
_Transition = Callable[[_Node, LifecycleState], TransitionCallbackReturn]


class OutspokenLifecycleNode(LifecycleNode):
    """A lifecycle node whose transitions may fail; mark each with `transition`.

    After one that did, the node is unconfigured and may be configured anew.

    Attributes:
        failure: Why the latest transition failed, in one line; empty if it did not.
    """

    def __init__(self, name: str) -> None:
        """Make one that is not configured.

        Args:
            name: Of the node.
        """
        super().__init__(name)
        self.failure = ""
        change = self._service_change_state.callback

        def change_state(
            request: ChangeState.Request, response: ChangeState.Response
        ) -> ChangeState.Response:
            try:
                return change(request, response)
            except rclpy_implementation.RCLError:
                asked = request.transition
                self.get_logger().error(
                    f"transition {asked.label or asked.id} refused in state "
                    f"{self._state_machine.current_state[1]}; allowed: {self._allowed()}"
                )
                return ChangeState.Response(success=False)

        self._service_change_state.callback = change_state

    @property
    def shut_down(self) -> bool:
        """Whether the node has come to its end and can only be started anew."""
        return bool(self._state_machine.current_state[1] == "finalized")

    def come_to_rest(self) -> None:
        """Let go of everything, whatever of it there is; called after a failed transition."""

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that failed: leave nothing half done."""
        try:
            self.come_to_rest()
        except Exception as error:  # noqa: BLE001 whatever it is, it is told
            self.tell_failure(error)
        return super().on_error(state)

    def tell_failure(self, error: Exception) -> None:
        """Keep the cause of a failure and log it.

        Args:
            error: The cause.
        """
        known = isinstance(error, DamselError)
        text = str(error) if known else f"{type(error).__name__}: {error}"
        self.failure = " ".join(text.split())
        self.get_logger().error(self.failure)
        if not known:
            self.get_logger().debug(traceback.format_exc())

    def _allowed(self) -> str:
        allowed = [f"{one[1]} ({one[0]})" for one in self._state_machine.available_transitions]
        return ", ".join(allowed) or "none, start the node anew"


def transition(callback: _Transition[Any]) -> _Transition[Any]:
    """Have an error in a transition told, and nothing left half done: `on_error` comes next.

    Args:
        callback: `on_configure` or one of its kind.
    """

    @functools.wraps(callback)
    def told(node: Any, state: LifecycleState) -> TransitionCallbackReturn:
        node.failure = ""
        try:
            return callback(node, state)
        except Exception as error:  # noqa: BLE001 whatever it is, it is told
            node.tell_failure(error)
            return TransitionCallbackReturn.ERROR

    return told
