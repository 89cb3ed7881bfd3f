"""The errors of this package; each message is one line that says what is allowed.

The server runs where nothing else of the project is installed, so the family has its own base.
"""

__all__ = [
    "InteraError",
    "KeyFileError",
    "NoAnswerError",
    "RefusedError",
    "RobotPortError",
    "SettingError",
    "WireError",
]


class InteraError(Exception):
    """Base of every error that this package raises on purpose."""

    def __init__(self, message: str) -> None:
        """Keep the message to one line, whatever was quoted in it.

        Args:
            message: What was given and what is allowed.
        """
        super().__init__(" ".join(message.split()))


class WireError(InteraError):
    """Bytes or values that are no message of the protocol."""


class KeyFileError(InteraError):
    """A key file that is missing, damaged, readable by others, or made for the other side."""


class NoAnswerError(InteraError):
    """The server did not answer in time."""


class RefusedError(InteraError):
    """The server answered, and declined what was asked."""


class RobotPortError(InteraError):
    """The robot, or the software that drives it, cannot do what was asked."""


class SettingError(InteraError):
    """A setting outside what is allowed."""
