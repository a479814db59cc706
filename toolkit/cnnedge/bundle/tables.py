"""Flatbuffer tables, read field by field: what a board needs no generated code for.

The bytes of a file enter; tables, and the numbers, texts and lists in their fields leave. Whatever
broken bytes raise becomes one ModelError (`refusing_damage`), and an `Allowance` keeps a file from
asking for more memory than its size can account for.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator
from typing import TypeVar

from flatbuffers import encode, packer
from flatbuffers.table import Table

from ..errors import ModelError
from ..harmless import harmless

T = TypeVar("T")

# What is raised where a table leaves out, or nests, what no true one does.
_CONTRADICTIONS = (AssertionError, AttributeError, ZeroDivisionError, RecursionError, MemoryError)


@contextlib.contextmanager
def refusing_damage(place: str) -> Iterator[None]:
    """Turns what broken tables raise into one ModelError."""
    try:
        yield
    except struct.error:
        raise ModelError(
            f"{place}: the model file is damaged (it refers to data past its end; was it cut "
            "short?). Copy or convert it again"
        ) from None
    except (IndexError, ValueError, TypeError, KeyError, OverflowError, *_CONTRADICTIONS) as error:
        raise ModelError(
            f"{place}: the model file is damaged ({error or type(error).__name__}). "
            "Copy or convert it again"
        ) from None


class Allowance:
    """How many bytes may still be read of a file, each list counted as often as it is read.

    A damaged or hostile file may name one long list a million times; a true one names each of its
    lists about once.
    """

    def __init__(self, data: bytes) -> None:
        self._left = 2 * len(data) + 4096

    def take(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise ValueError("its tables need more bytes than the file has")


def root(data: bytes | bytearray) -> Table:
    """The root table of a flatbuffer."""
    return Table(data, encode.Get(packer.uoffset, data, 0))


def field(table: Table, slot: int) -> int:
    """The absolute position of a field, or 0 if it is absent."""
    offset = table.Offset(4 + 2 * slot)
    return int(offset and table.Pos + offset)


def child(table: Table, slot: int) -> Table | None:
    """The table that a field points to."""
    position = field(table, slot)
    return Table(table.Bytes, table.Indirect(position)) if position else None


def children(table: Table, slot: int) -> Iterator[Table]:
    """The tables of a vector field."""
    offset = table.Offset(4 + 2 * slot)
    if not offset:
        return
    start, count = table.Vector(offset), length(table, offset, 4)
    for i in range(count):
        yield Table(table.Bytes, table.Indirect(start + 4 * i))


def text(table: Table, slot: int) -> str:
    """A string field, harmless to show, or nothing."""
    offset = table.Offset(4 + 2 * slot)
    if not offset:
        return ""
    return harmless(table.String(table.Pos + offset).decode("utf-8", "replace"))


def scalar(table: Table, slot: int, flags: type, default: int = 0) -> int:
    """A whole number field."""
    offset = table.Offset(4 + 2 * slot)
    return int(table.Get(flags, table.Pos + offset)) if offset else default


def numbers(table: Table, slot: int, code: str) -> tuple[float, ...]:
    """A vector of numbers, by struct format code."""
    offset = table.Offset(4 + 2 * slot)
    if not offset:
        return ()
    size = struct.calcsize(code)
    count = length(table, offset, size)
    return struct.unpack_from(f"<{count}{code}", table.Bytes, table.Vector(offset))


def raw(table: Table, slot: int) -> bytes:
    """A vector of bytes."""
    offset = table.Offset(4 + 2 * slot)
    if not offset:
        return b""
    start = table.Vector(offset)
    return bytes(table.Bytes[start : start + length(table, offset, 1)])


def listed(tables: Iterator[Table], make: Callable[[int, Table], T]) -> tuple[T, ...]:
    """What `make` makes of each table and its place in the list."""
    return tuple(make(i, table) for i, table in enumerate(tables))


def whole(values: tuple[float, ...]) -> tuple[int, ...]:
    """Numbers that the schema says are whole."""
    return tuple(int(v) for v in values)


def length(table: Table, offset: int, size: int) -> int:
    """How many items of `size` bytes a list holds; ValueError when it leaves the file."""
    count = int(table.VectorLen(offset))
    if table.Vector(offset) + count * size > len(table.Bytes):
        raise ValueError("a list extends past the end of the file")
    return count
