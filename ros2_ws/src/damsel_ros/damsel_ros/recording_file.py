"""A recording in MCAP, profile `ros2`: serialised messages under schemas that explain them."""

from __future__ import annotations

from pathlib import Path

from damsel.errors import DamselError, InvalidConfigError, brief
from damsel_ros.message_definitions import message_definition

__all__ = ["RecordingError", "RecordingFile", "check_new_file"]

# Whoever is killed loses what is not yet in a chunk: about a second at 200 messages a second.
_CHUNK_BYTES = 1 << 15


class RecordingError(DamselError):
    """A recording that cannot be written any more."""


def check_new_file(path: Path, option: str) -> None:
    """Refuse a recording that could not be written, before anything is started.

    Raises:
        InvalidConfigError: If the file is there already, or its folder is not.
    """
    try:
        fits = not path.exists() and path.resolve().parent.is_dir()
    except OSError as error:  # a name that is too long, or no working directory
        raise InvalidConfigError(f"{option} {brief(str(path))}: {error.strerror}") from None
    if not fits:
        raise InvalidConfigError(
            f"{option} {brief(str(path))} exists or has no folder; allowed: a new file"
        )


class RecordingFile:
    """Written chunk by chunk; what is in a complete chunk is readable whatever happens.

    Attributes:
        messages: How many have been written.
    """

    def __init__(self, path: Path) -> None:
        """Begin a recording.

        Raises:
            InvalidConfigError: If the file exists or cannot be written, or MCAP is not installed.
        """
        try:
            from mcap.writer import CompressionType, Writer
        except ModuleNotFoundError as error:
            raise InvalidConfigError(
                f"recording needs the package {error.name}; `make setup` installs all of the "
                "extra `recording`"
            ) from None
        self._name = f"recording {str(path)!r}"
        self.messages = 0
        self._channels: dict[str, int] = {}
        try:
            self._file = path.open("xb")
        except FileExistsError:
            raise InvalidConfigError(f"{self._name} exists; allowed: a new file") from None
        except (OSError, ValueError) as error:  # ValueError: a null byte in the path
            reason = getattr(error, "strerror", None) or str(error)
            raise InvalidConfigError(f"{self._name} cannot be written: {reason}") from None
        self._writer = Writer(self._file, chunk_size=_CHUNK_BYTES, compression=CompressionType.ZSTD)
        self._writer.start(profile="ros2", library="damsel")

    def add_topic(self, topic: str, message: str) -> None:
        """Announce a topic.

        Args:
            topic: Its full name.
            message: Name of its message, such as `sensor_msgs/msg/JointState`.

        Raises:
            InvalidConfigError: If there is no such message.
        """
        definition = message_definition(message)
        schema = self._writer.register_schema(message, "ros2msg", definition.encode())
        self._channels[topic] = self._writer.register_channel(topic, "cdr", schema)

    def write(self, topic: str, data: bytes, *, heard_ns: int, published_ns: int) -> None:
        """Add a serialised message.

        Args:
            topic: An announced topic.
            data: The message in CDR.
            heard_ns: When it arrived, nanoseconds since the epoch.
            published_ns: When it was published, likewise.

        Raises:
            RecordingError: If the file cannot be written any more, as on a full disk.
        """
        self.messages += 1
        try:
            self._writer.add_message(
                self._channels[topic], heard_ns, data, published_ns, sequence=self.messages
            )
            # A chunk is with the kernel as soon as it is complete; otherwise this does nothing.
            self._file.flush()
        except OSError as error:
            raise RecordingError(f"{self._name} is not complete: {error.strerror}") from None

    def close(self) -> None:
        """Write summary and index, and close the file.

        Raises:
            RecordingError: If they cannot be written; complete chunks stay readable.
        """
        try:
            try:
                self._writer.finish()  # type: ignore[no-untyped-call]
            finally:
                self._file.close()  # writes what is buffered, and may fail as well
        except OSError as error:
            raise RecordingError(f"{self._name} is not complete: {error.strerror}") from None
