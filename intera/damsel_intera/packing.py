"""Checked packing of numbers, vectors and short texts, for the messages in `wire`."""

from __future__ import annotations

import math
import struct
from enum import IntEnum
from typing import Iterable, TypeVar

from damsel_intera.errors import WireError

__all__ = ["Reader", "member", "pack", "pack_text", "pack_vector"]

_Member = TypeVar("_Member", bound=IntEnum)


def pack(layout: str, *values: float) -> bytes:
    """Pack numbers by a `struct` layout without byte-order mark.

    Raises:
        WireError: If a number does not fit its field or is not finite.
    """
    if not all(map(math.isfinite, values)):
        raise WireError(f"a number that is not finite among {values}; allowed: finite numbers")
    try:
        return struct.pack("<" + layout, *values)
    except struct.error as error:
        raise WireError(f"a number outside of its field: {error}") from None


def pack_vector(name: str, values: Iterable[float], size: int) -> bytes:
    """Pack `size` finite float64.

    Raises:
        WireError: If there are fewer or more, or one is not finite.
    """
    numbers = [float(value) for value in values]
    if len(numbers) != size:
        raise WireError(f"{name} with {len(numbers)} numbers; allowed: {size}")
    return pack(f"{size}d", *numbers)


def pack_text(name: str, text: str, limit: int) -> bytes:
    """Pack a text as its length (uint16) and its bytes in UTF-8.

    Raises:
        WireError: If it is longer than `limit` bytes or cannot be encoded.
    """
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise WireError(f"{name} is no text that UTF-8 can hold; allowed: Unicode") from None
    if len(data) > limit:
        raise WireError(f"{name} of {len(data)} bytes; allowed: {limit} or less")
    return struct.pack("<H", len(data)) + data


def member(kind: type[_Member], value: int) -> _Member:
    """The member of an enumeration with this number.

    Raises:
        WireError: If there is none.
    """
    try:
        return kind(value)
    except ValueError:
        raise WireError(f"{kind.__name__} {value}; allowed: {[int(one) for one in kind]}") from None


class Reader:
    """Takes fields off a payload, front to back."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._offset = 0

    def numbers(self, layout: str) -> tuple[float, ...]:
        """The next numbers, by a `struct` layout.

        Raises:
            WireError: If the payload ends before, or a number is not finite.
        """
        values: tuple[float, ...] = struct.unpack("<" + layout, self._take("<" + layout))
        if not all(map(math.isfinite, values)):
            raise WireError("a number that is not finite; allowed: finite numbers")
        return values

    def integer(self, layout: str) -> int:
        """The next integer, by a `struct` layout of one."""
        return int(self.numbers(layout)[0])

    def flag(self) -> bool:
        """The next byte, which must be 0 or 1."""
        value = self.integer("B")
        if value > 1:
            raise WireError(f"a flag of {value}; allowed: 0 or 1")
        return bool(value)

    def vector(self, size: int) -> tuple[float, ...]:
        """The next `size` float64."""
        return self.numbers(f"{size}d")

    def text(self, limit: int) -> str:
        """The next text.

        Raises:
            WireError: If it is longer than `limit` bytes, cut short, or no UTF-8.
        """
        length = self.integer("H")
        if length > limit:
            raise WireError(f"a text of {length} bytes; allowed: {limit} or less")
        try:
            return self._take(f"<{length}s").decode("utf-8")
        except UnicodeDecodeError:
            raise WireError("a text that is not UTF-8; allowed: UTF-8") from None

    def finish(self) -> None:
        """Check that nothing is left.

        Raises:
            WireError: If there is.
        """
        left = len(self._payload) - self._offset
        if left:
            raise WireError(f"{left} bytes after the end of a message; allowed: none")

    def _take(self, layout: str) -> bytes:
        end = self._offset + struct.calcsize(layout)
        if end > len(self._payload):
            raise WireError(f"a payload that ends after {len(self._payload)} bytes; allowed: whole")
        part = self._payload[self._offset : end]
        self._offset = end
        return part
