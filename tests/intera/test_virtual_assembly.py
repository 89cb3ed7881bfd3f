"""The virtual robot's state machine behaves as the robot's."""

from __future__ import annotations

import pytest

from damsel_intera.virtual.assembly import Assembly


@pytest.fixture(name="enabled")
def enabled_assembly() -> Assembly:
    assembly = Assembly()
    assembly.enable(True, 0.0)
    assembly.tick(1.0)
    return assembly


def test_motors_come_on_after_a_moment() -> None:
    assembly = Assembly()
    assembly.enable(True, 10.0)
    assembly.tick(10.1)
    assert not assembly.enabled
    assembly.tick(10.2)
    assert assembly.enabled
    assert assembly.ready


def test_asking_again_does_not_put_it_off() -> None:
    assembly = Assembly()
    for tick in range(21):
        assembly.enable(True, 10.0 + 0.01 * tick)
    assembly.tick(10.2)
    assert assembly.enabled


def test_the_button_stops_and_its_release_resumes_nothing(enabled: Assembly) -> None:
    enabled.press()
    assert (enabled.enabled, enabled.stopped) == (False, True)
    assert (enabled.estop_button, enabled.estop_source) == (1, 1)
    enabled.reset()
    assert enabled.stopped, "no reset while it is pressed"
    enabled.release()
    assert (enabled.stopped, enabled.estop_button) == (True, 3)
    enabled.enable(True, 5.0)
    enabled.tick(9.0)
    assert not enabled.enabled, "a stopped robot must be reset first"
    enabled.reset()
    assert (enabled.stopped, enabled.enabled, enabled.estop_button) == (False, False, 0)
    enabled.enable(True, 10.0)
    enabled.tick(11.0)
    assert enabled.enabled


def test_a_stop_by_software_is_told_apart_from_the_button(enabled: Assembly) -> None:
    enabled.stop()
    assert (enabled.stopped, enabled.estop_button) == (True, 2)
    enabled.press()
    enabled.stop()
    assert enabled.estop_button == 1, "the button has the last word"


def test_a_fault_is_cleared_by_a_reset(enabled: Assembly) -> None:
    enabled.fail()
    assert (enabled.error, enabled.stopped, enabled.enabled) == (True, True, False)
    enabled.reset()
    assert (enabled.error, enabled.stopped) == (False, False)


def test_motors_that_are_about_to_come_on_do_not_after_a_stop() -> None:
    assembly = Assembly()
    assembly.enable(True, 0.0)
    assembly.stop()
    assembly.tick(10.0)
    assert not assembly.enabled
