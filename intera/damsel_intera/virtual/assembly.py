"""The robot's own state machine: motors, emergency stop, errors."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Assembly"]

UNPRESSED, PRESSED, BUTTON_UNKNOWN, RELEASED = range(4)
NO_SOURCE, USER, SOURCE_UNKNOWN, FAULT, ENGINE = range(5)

_ENABLING_S = 0.2


@dataclass
class Assembly:
    """Fields as in the robot's message; times are seconds of the caller's clock.

    Attributes:
        enabled: motors are on.
        stopped: stopped, by the button or by software.
        error: a joint has a fault.
        estop_button: 0 unpressed, 1 pressed, 2 unknown, 3 released but still stopped.
        estop_source: 0 none, 1 user, 2 unknown, 3 fault, 4 engine.
    """

    enabled: bool = False
    stopped: bool = False
    error: bool = False
    estop_button: int = UNPRESSED
    estop_source: int = NO_SOURCE
    _enabled_at_s: float = float("inf")

    @property
    def ready(self) -> bool:
        """Whether the robot is enabled and may move."""
        return self.enabled and not self.stopped

    def tick(self, now_s: float) -> None:
        """Let motors that were asked for come on."""
        if now_s >= self._enabled_at_s:
            self.enabled = True
            self._enabled_at_s = float("inf")

    def enable(self, wanted: bool, now_s: float) -> None:
        """Switch the motors on, which takes a moment, or off; a stopped robot stays off."""
        if not wanted or self.stopped:
            self._off()
        elif not self.enabled and self._enabled_at_s == float("inf"):
            self._enabled_at_s = now_s + _ENABLING_S

    def reset(self) -> None:
        """Leave the stopped state with motors off; in vain while the button is pressed."""
        if self.estop_button == PRESSED or not (self.stopped or self.error):
            return
        self._off()
        self.stopped = self.error = False
        self.estop_button, self.estop_source = UNPRESSED, NO_SOURCE

    def stop(self) -> None:
        """Stop by software, as if the button had been pressed."""
        if self.estop_button != PRESSED:
            self._stop(BUTTON_UNKNOWN, SOURCE_UNKNOWN)

    def press(self) -> None:
        """Somebody hits the red button."""
        self._stop(PRESSED, USER)

    def release(self) -> None:
        """Somebody turns the red button free; the robot stays stopped."""
        if self.estop_button == PRESSED:
            self.estop_button = RELEASED

    def fail(self) -> None:
        """A joint reports a fault."""
        self.error = True
        self._stop(BUTTON_UNKNOWN, FAULT)

    def _stop(self, button: int, source: int) -> None:
        self._off()
        self.stopped = True
        self.estop_button, self.estop_source = button, source

    def _off(self) -> None:
        self.enabled = False
        self._enabled_at_s = float("inf")
