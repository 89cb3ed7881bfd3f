"""Motors come on when they are asked for, and not because somebody turned the e-stop free."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import pytest

from damsel_intera.errors import RobotPortError
from damsel_intera.reasons import EndpointFrame
from damsel_intera.robot import RobotState
from damsel_intera.ros_node import switch_on
from damsel_intera.virtual.assembly import Assembly

RESETTING_S = 0.1


class Robot:
    """A robot whose reset takes a moment, and to which things happen at their time."""

    def __init__(self, events: Mapping[float, Callable[[Assembly], None]], silent: bool = False):
        self.assembly = Assembly()
        self._events = dict(events)
        self._silent = silent
        self._began_s = time.monotonic()
        self._resets_s: list[float] = []
        self.cancelled = False

    def state(self) -> RobotState:
        now_s = time.monotonic()
        for at_s in [at_s for at_s in self._events if now_s - self._began_s >= at_s]:
            self._events.pop(at_s)(self.assembly)
        self.assembly.tick(now_s)
        return RobotState(
            joint_positions=(0.0,) * 7,
            joint_velocities=(0.0,) * 7,
            joint_efforts=(0.0,) * 7,
            endpoint_position=(0.0, 0.0, 0.0),
            endpoint_frame=EndpointFrame.NONE,
            enabled=self.assembly.enabled,
            stopped=self.assembly.stopped,
            error=self.assembly.error,
            homed=True,
            ready=self.assembly.ready,
            collision=False,
            collision_told_s=None,
            estop_button=self.assembly.estop_button,
            estop_source=self.assembly.estop_source,
            robot_stamp_s=now_s,
            received_s=now_s,
            assembly_received_s=now_s - 1.0 if self._silent else now_s,
        )

    def reset(self) -> None:
        self._resets_s.append(time.monotonic())
        if self._resets_s[-1] - self._resets_s[0] > RESETTING_S:
            self.assembly.reset()

    def enable(self) -> None:
        self.assembly.enable(True, time.monotonic())

    def switch_on(self) -> None:
        switch_on(self.state, self.reset, self.enable, lambda: self.cancelled)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_robot_is_switched_on_and_reset_before_if_it_is_stopped(stopped: bool) -> None:
    robot = Robot({0.0: Assembly.stop} if stopped else {})
    robot.switch_on()
    assert robot.assembly.ready


@pytest.mark.parametrize("pressed_s", [0.0, 0.06, RESETTING_S + 0.1])
def test_who_presses_the_e_stop_meanwhile_and_turns_it_free_switches_nothing_on(
    pressed_s: float,
) -> None:
    events = {0.0: Assembly.stop, pressed_s: Assembly.press, pressed_s + 0.1: Assembly.release}
    robot = Robot(events)
    with pytest.raises(RobotPortError, match="the e-stop is pressed; allowed: release it"):
        robot.switch_on()
    time.sleep(0.3)
    robot.state()
    assert not robot.assembly.enabled
    robot.switch_on()  # whoever asks again, after it is turned free, means it
    assert robot.assembly.ready


def test_a_robot_that_has_gone_silent_is_not_switched_on() -> None:
    robot = Robot({}, silent=True)
    with pytest.raises(RobotPortError, match="the robot sends no state"):
        robot.switch_on()
    assert not robot.assembly.enabled


@pytest.mark.parametrize("after_s", [0.0, RESETTING_S / 2])
def test_a_stop_that_is_asked_for_meanwhile_ends_it(after_s: float) -> None:
    robot = Robot({0.0: Assembly.stop})
    stop = threading.Timer(after_s, setattr, (robot, "cancelled", True))
    stop.start()
    with pytest.raises(RobotPortError, match="stopped meanwhile; allowed: enable again"):
        robot.switch_on()
    stop.join()
    assert not robot.assembly.enabled
