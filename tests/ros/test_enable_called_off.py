"""Somebody changes their mind while the motors come on: a robot backend over the real server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from damsel.calibration import Calibration
from damsel.errors import RobotError
from damsel_intera.errors import RobotPortError
from damsel_ros.backends.sawyer import SawyerBackend
from damsel_ros.backends.sawyer_cfg import SawyerCfg
from tests.intera.doubles import FakeRobot, served


class SlowRobot(FakeRobot):
    """Takes two seconds to switch its motors on, and looks up meanwhile."""

    def enable(self, cancelled: Callable[[], bool]) -> None:
        end_s = time.monotonic() + 2.0
        while time.monotonic() < end_s:
            if cancelled():
                raise RobotPortError("stopped meanwhile; allowed: enable again")
            time.sleep(0.01)
        super().enable(cancelled)


@pytest.fixture
def slow() -> Iterator[tuple[SlowRobot, SawyerBackend]]:
    robot = SlowRobot()
    with served(robot) as addresses:
        backend = SawyerBackend(SawyerCfg(addresses=addresses), Calibration())
        backend.connect()
        yield robot, backend
        backend.close()


def _await_enable(backend: SawyerBackend) -> None:
    while backend.pending_enable():
        time.sleep(0.01)


def test_a_hold_ends_an_enable_with_the_motors_off(slow: tuple[SlowRobot, SawyerBackend]) -> None:
    robot, backend = slow
    backend.enable()
    time.sleep(0.3)
    backend.hold()
    begin_s = time.monotonic()
    with pytest.raises(RobotError, match="interrupted; allowed: enable again"):
        _await_enable(backend)
    assert time.monotonic() - begin_s < 1.0, "nobody waits for motors that are not wanted"
    assert robot.enables == 0
    assert not robot.now.enabled


def test_leaving_ends_an_enable_with_the_motors_off(slow: tuple[SlowRobot, SawyerBackend]) -> None:
    robot, backend = slow
    backend.enable()
    time.sleep(0.3)
    backend.close()
    time.sleep(2.0)
    assert robot.enables == 0
    assert not robot.now.enabled
