"""The one exception family of the project.

Every error that a user can cause derives from `DamselError`, and its message is one line that
says what was given and what is allowed. `damsel.cli.run` turns it into exit code 2.
"""

from __future__ import annotations

import reprlib

__all__ = [
    "DamselError",
    "InvalidBundleError",
    "InvalidConfigError",
    "InvalidTaskError",
    "InvalidTrajectoryError",
    "PerceptionError",
    "RobotError",
    "RobotTimeoutError",
    "brief",
]


class DamselError(Exception):
    """Base of every error that this project raises on purpose."""

    def __init__(self, message: str) -> None:
        """Keep the message to one line, whatever was quoted in it.

        Args:
            message: What was given and what is allowed.
        """
        super().__init__(" ".join(message.split()))


class InvalidTaskError(DamselError):
    """A task, goal, family or task file that does not exist or is out of range."""


class InvalidBundleError(DamselError):
    """A model bundle that is damaged, foreign, or made for another robot."""


class InvalidConfigError(DamselError):
    """A configuration value or parameter outside what is allowed."""


class InvalidTrajectoryError(DamselError):
    """Recorded observations, actions or rewards of the wrong shape, or not finite."""


class RobotError(DamselError):
    """The robot cannot do what was asked, or has stopped."""


class PerceptionError(RobotError):
    """Where an object is cannot be told now; the arm holds until it can."""


class RobotTimeoutError(RobotError):
    """The robot, or a node that the robot depends on, did not answer in time."""


_BRIEF = reprlib.Repr()
_BRIEF.maxlevel = 3
_BRIEF.maxstring = 60
_BRIEF.maxother = 60
_BRIEF.maxlong = 40


def brief(value: object) -> str:
    """Return a short one-line representation of any value, for error messages.

    Files from outside can hold values that are huge or contain themselves; `repr` would follow.

    Args:
        value: Anything.

    Returns:
        A representation of roughly a hundred characters at most for flat values.
    """
    try:
        return " ".join(_BRIEF.repr(value).split())
    except ValueError:  # an int with more digits than Python agrees to print
        return f"a {type(value).__name__} too long to print"
