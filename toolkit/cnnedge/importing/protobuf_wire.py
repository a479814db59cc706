"""Protocol buffers as they lie in a file: the fields of a message, and nothing is built of them.

The bytes of a message enter; its fields leave, as numbers and as views of the same bytes. What is
damaged is a ValueError.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_LONGEST_VARINT = 10


class Scan:
    """Reads messages of one file; all of them together have no more than `most` fields."""

    def __init__(self, most: int) -> None:
        self._left = most

    def fields(self, message: memoryview) -> Mapping[int, list[int | memoryview]]:
        """By number, in order: varints as integers, everything else as bytes. Raises ValueError."""
        found: defaultdict[int, list[int | memoryview]] = defaultdict(list)
        place = 0
        while place < len(message):
            self._left -= 1
            if self._left < 0:
                raise ValueError("it has more fields than a model needs")
            key, place = _varint(message, place)
            kind = key & 7
            if kind == _VARINT:
                number, place = _varint(message, place)
                found[key >> 3].append(number)
                continue
            if kind == _BYTES:
                length, place = _varint(message, place)
            elif kind in (_EIGHT, _FOUR):
                length = 8 if kind == _EIGHT else 4
            else:
                raise ValueError(f"a field of the unknown kind {kind}")
            if length > len(message) - place:
                raise ValueError("it is cut off")
            found[key >> 3].append(message[place : place + length])
            place += length
        return found


def parts(values: list[int | memoryview]) -> Iterator[memoryview]:
    """The messages, texts and arrays among them. Raises ValueError for a number."""
    for value in values:
        if isinstance(value, int):
            raise ValueError("a number stands where a message is expected")
        yield value


def text(values: list[int | memoryview]) -> str:
    """The last one, as text; empty where there is none."""
    found = list(parts(values))
    return bytes(found[-1]).decode("utf-8", "replace") if found else ""


def number(values: list[int | memoryview]) -> int:
    """The last one, as a signed integer; 0 where there is none. Raises ValueError for bytes."""
    if not values:
        return 0
    last = values[-1]
    if not isinstance(last, int):
        raise ValueError("bytes stand where a number is expected")
    return _signed(last)


def numbers(values: list[int | memoryview]) -> tuple[int, ...]:
    """Signed integers, one by one or packed. Raises ValueError."""
    found: list[int] = []
    for value in values:
        if isinstance(value, int):
            found.append(_signed(value))
            continue
        place = 0
        while place < len(value):
            each, place = _varint(value, place)
            found.append(_signed(each))
    return tuple(found)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """The number at a place, and where the next one begins."""
    value = 0
    for count in range(_LONGEST_VARINT):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value & ((1 << 64) - 1), place
    raise ValueError("it is cut off")
