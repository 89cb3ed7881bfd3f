"""Timers that a wall clock which is set cannot stop."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.timer import Timer

__all__ = ["steady_timer"]


def steady_timer(node: Node, period_s: float, callback: Callable[[], None]) -> Timer:
    """Make a timer on the monotonic clock.

    A node's own timers go by its wall clock: once that is set back by an hour they are silent for
    an hour, those that hold an arm among them.

    Args:
        node: Whose timer it is.
        period_s: Seconds.
        callback: Called every period.
    """
    return node.create_timer(period_s, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))
