"""Keys, so that nobody else on the network can move the arm (CURVE, RFC 26 of ZeroMQ).

`python -m damsel_intera.keys FOLDER` writes `server.key`, which stays next to the robot, and
`client.key`, to be copied to the ROS 2 machine. Each holds its own secret and the other's public
key; either side refuses the other without.
"""

from __future__ import annotations

import json
import os
import stat
import struct
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import zmq
from zmq.utils import z85

from damsel_intera.command_line import OneLineParser
from damsel_intera.errors import InteraError, KeyFileError

__all__ = ["CLIENT_KEY", "SERVER_KEY", "Key", "load_key", "write_keys"]

SERVER_KEY = "server.key"
CLIENT_KEY = "client.key"
_KEY_CHARACTERS = 40  # a CURVE key in Z85
_KEY_BYTES = 32


@dataclass(frozen=True)
class Key:
    """One side's key.

    Attributes:
        role: `server` or `client`.
        secret: this side's secret key, Z85.
        public: this side's public key, Z85.
        other: the other side's public key, Z85.
    """

    role: str
    secret: str
    public: str
    other: str


def write_keys(folder: Path) -> None:
    """Draw both keys and write them, readable by their owner only.

    Raises:
        KeyFileError: If a key is there already, or the folder cannot be written.
    """
    server_public, server_secret = (key.decode() for key in zmq.curve_keypair())
    client_public, client_secret = (key.decode() for key in zmq.curve_keypair())
    keys = {
        SERVER_KEY: Key("server", server_secret, server_public, client_public),
        CLIENT_KEY: Key("client", client_secret, client_public, server_public),
    }
    for name in keys:
        if (folder / name).exists():
            raise KeyFileError(f"{folder / name} exists; allowed: a folder without keys")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, key in keys.items():
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(asdict(key), file, indent=2)
    except OSError as error:
        raise KeyFileError(f"cannot write keys: {error}; allowed: a writable folder") from None


def load_key(path: Path, role: str) -> Key:
    """Read a key file.

    Args:
        path: The file.
        role: Which side reads it, `server` or `client`.

    Raises:
        KeyFileError: If it is missing, damaged, the other side's, or readable by others.
    """
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeyFileError(f"{path} can be read by others; allowed: mode 600")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KeyFileError(f"cannot read the key {path}: {error}") from None
    fields = ("role", "secret", "public", "other")
    if not isinstance(content, dict) or not all(
        isinstance(content.get(field), str) for field in fields
    ):
        raise KeyFileError(f"{path} is no key; allowed: what `damsel_intera.keys` writes")
    key = Key(*(content[field] for field in fields))
    if key.role != role:
        raise KeyFileError(f"{path} is the key of the {key.role!r}; allowed here: {role!r}")
    if not all(map(_is_key, (key.secret, key.public, key.other))):
        raise KeyFileError(f"{path} is damaged; allowed: what `damsel_intera.keys` writes")
    return key


def _is_key(text: str) -> bool:
    if len(text) != _KEY_CHARACTERS:
        return False
    try:
        return len(z85.decode(text.encode("ascii"))) == _KEY_BYTES
    except (KeyError, ValueError, struct.error):
        return False


def main(arguments: list[str] | None = None) -> int:
    """Write both keys; 0 if that went well, else 2."""
    parser = OneLineParser(prog="damsel_intera.keys", description="Write a pair of keys.")
    parser.add_argument("folder", type=Path, help="where to write server.key and client.key")
    folder = parser.parse_args(arguments).folder
    try:
        write_keys(folder)
    except InteraError as error:
        print(f"damsel_intera.keys: error: {error}", file=sys.stderr)
        return 2
    print(f"keep {folder / SERVER_KEY} next to the robot, copy {folder / CLIENT_KEY} to the client")
    return 0


if __name__ == "__main__":
    sys.exit(main())
