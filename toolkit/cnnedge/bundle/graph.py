"""What is inside a .tflite flatbuffer: tensors, operators, metadata entries.

Bytes enter, frozen dataclasses leave. The tables are read with the flatbuffers library by the
field numbers of the TFLite schema (tensorflow/compiler/mlir/lite/schema/schema.fbs), so that a
board needs no generated code. Broken bytes raise ModelError.
"""

from __future__ import annotations

import contextlib
import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from flatbuffers import encode, packer
from flatbuffers import number_types as N
from flatbuffers.table import Table

from ..errors import ModelError
from .operators import BUILTIN_OPERATORS

T = TypeVar("T")

IDENTIFIER = b"TFL3"
DTYPES = (
    "float32",
    "float16",
    "int32",
    "uint8",
    "int64",
    "string",
    "bool",
    "int16",
    "complex64",
    "int8",
    "float64",
    "complex128",
    "uint64",
    "resource",
    "variant",
    "uint32",
    "uint16",
    "int4",
    "bfloat16",
    "int2",
    "uint4",
)
BITS = {
    "float32": 32,
    "float16": 16,
    "int32": 32,
    "uint8": 8,
    "int64": 64,
    "bool": 8,
    "int16": 16,
    "complex64": 64,
    "int8": 8,
    "float64": 64,
    "complex128": 128,
    "uint64": 64,
    "uint32": 32,
    "uint16": 16,
    "int4": 4,
    "uint4": 4,
    "int2": 2,
    "bfloat16": 16,
}


@dataclass(frozen=True, kw_only=True)
class NumbersAt:
    """Where the file holds a list of whole numbers: `count` of dtype `dtype` from byte `at` on."""

    at: int
    count: int
    dtype: str


@dataclass(frozen=True, kw_only=True)
class SparseLevel:
    """One level of a sparse tensor's tree.

    size: of a dense level; a compressed one has segments and indices instead (CSR).
    """

    size: int = 0
    segments: NumbersAt | None = None
    indices: NumbersAt | None = None


@dataclass(frozen=True, kw_only=True)
class SparseLayout:
    """How a sparse tensor's stored values lie in it (SparsityParameters of the schema).

    order: the dimension that each level walks, those of blocks counted on behind the tensor's
    own. blocks: the tensor's dimension that each block dimension cuts.
    """

    order: tuple[int, ...]
    blocks: tuple[int, ...]
    levels: tuple[SparseLevel, ...]

    @property
    def index_bytes(self) -> int:
        """What the lists take in the file beside the values."""
        lists = (a for level in self.levels for a in (level.segments, level.indices) if a)
        return sum(a.count * BITS[a.dtype] // 8 for a in lists)


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """One tensor.

    scales/zero_points are empty for unquantised, longer than 1 for per-channel. constant_at and
    constant_bytes: where the file holds its values, 0 where they come at run time. sparse: None
    where all values are stored.
    """

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    constant_bytes: int = 0
    constant_at: int = 0
    sparse: SparseLayout | None = None

    @property
    def values(self) -> int:
        """How many values it holds (dynamic dimensions counted as 1)."""
        return math.prod(abs(d) for d in self.shape)


@dataclass(frozen=True, kw_only=True)
class OperatorInfo:
    """One operator: its builtin or custom name, and the indices of its tensors (-1: absent).

    version: what a runtime must have of it at least, as the file's writer states.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    version: int = 1


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The first subgraph of a model file, and the model's metadata entries."""

    version: int
    description: str
    tensors: tuple[TensorInfo, ...]
    operators: tuple[OperatorInfo, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    metadata: dict[str, bytes]
    subgraph_count: int
    signatures: tuple[str, ...]


def read_graph(data: bytes, place: str) -> Graph:
    """The graph in the bytes of a .tflite; `place` names the file in messages.

    Raises ModelError when the bytes are no TFLite model.
    """
    if not data:
        raise ModelError(f"{place}: the file is empty; expected a .tflite model")
    if data[4:8] != IDENTIFIER:
        raise ModelError(
            f"{place}: this is no TFLite model: bytes 4 to 8 are {data[4:8]!r}, "
            f"expected {IDENTIFIER!r}. cnnedge convert makes one"
        )
    with refusing_damage(place):
        return _read(data)


@contextlib.contextmanager
def refusing_damage(place: str) -> Iterator[None]:
    """Turns what broken tables raise into one ModelError."""
    try:
        yield
    except struct.error:
        raise ModelError(
            f"{place}: the model file is damaged (it points past its own end; was it cut short?). "
            "Copy or convert it again"
        ) from None
    except (IndexError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise ModelError(
            f"{place}: the model file is damaged ({error or type(error).__name__}). "
            "Copy or convert it again"
        ) from None


def root(data: bytes | bytearray) -> Table:
    """The root table of a flatbuffer."""
    return Table(data, encode.Get(packer.uoffset, data, 0))


def field(table: Table, slot: int) -> int:
    """The absolute position of a field, or 0 where it is absent."""
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
    start, count = table.Vector(offset), _length(table, offset, 4)
    for i in range(count):
        yield Table(table.Bytes, table.Indirect(start + 4 * i))


def text(table: Table, slot: int) -> str:
    """A string field, or nothing."""
    offset = table.Offset(4 + 2 * slot)
    return table.String(table.Pos + offset).decode("utf-8", "replace") if offset else ""


def scalar(table: Table, slot: int, flags: type, default: int = 0) -> int:
    """A number field."""
    offset = table.Offset(4 + 2 * slot)
    return int(table.Get(flags, table.Pos + offset)) if offset else default


def numbers(table: Table, slot: int, code: str) -> tuple[float, ...]:
    """A vector of numbers, by struct format code."""
    offset = table.Offset(4 + 2 * slot)
    if not offset:
        return ()
    size = struct.calcsize(code)
    count = _length(table, offset, size)
    return struct.unpack_from(f"<{count}{code}", table.Bytes, table.Vector(offset))


def raw(table: Table, slot: int) -> bytes:
    """A vector of bytes."""
    offset = table.Offset(4 + 2 * slot)
    if not offset:
        return b""
    start = table.Vector(offset)
    return bytes(table.Bytes[start : start + _length(table, offset, 1)])


def _length(table: Table, offset: int, size: int) -> int:
    count = int(table.VectorLen(offset))
    if table.Vector(offset) + count * size > len(table.Bytes):
        raise ValueError("a list reaches past the end of the file")
    return count


def _whole(values: tuple[float, ...]) -> tuple[int, ...]:
    return tuple(int(v) for v in values)


def _read(data: bytes) -> Graph:
    model = root(data)
    codes = [(_operator_name(c), scalar(c, 2, N.Int32Flags, 1)) for c in children(model, 1)]
    subgraphs = list(children(model, 2))
    if not subgraphs:
        raise ValueError("it holds no graph")
    buffers = list(children(model, 4))
    graph = subgraphs[0]
    tensors = _list(children(graph, 0), lambda i, t: _tensor(i, t, buffers))
    operators = _list(children(graph, 3), lambda _, op: _operator(op, codes))
    inputs, outputs = _whole(numbers(graph, 1, "i")), _whole(numbers(graph, 2, "i"))
    if any(not 0 <= i < len(tensors) for i in inputs + outputs) or not inputs or not outputs:
        raise ValueError("its inputs or outputs name tensors that are not there")
    return Graph(
        version=scalar(model, 0, N.Uint32Flags),
        description=text(model, 3),
        tensors=tensors,
        operators=operators,
        inputs=inputs,
        outputs=outputs,
        metadata={
            text(entry, 0): raw(buffers[scalar(entry, 1, N.Uint32Flags)], 0)
            for entry in children(model, 6)
        },
        subgraph_count=len(subgraphs),
        signatures=tuple(text(s, 2) for s in children(model, 7)),
    )


def _list(tables: Iterator[Table], make: Callable[[int, Table], T]) -> tuple[T, ...]:
    return tuple(make(i, table) for i, table in enumerate(tables))


def _operator(table: Table, codes: list[tuple[str, int]]) -> OperatorInfo:
    name, version = codes[scalar(table, 0, N.Uint32Flags)]
    return OperatorInfo(
        name=name,
        inputs=_whole(numbers(table, 1, "i")),
        outputs=_whole(numbers(table, 2, "i")),
        version=version,
    )


def _tensor(index: int, table: Table, buffers: list[Table]) -> TensorInfo:
    quantization, sparsity = child(table, 4), child(table, 6)
    code = scalar(table, 1, N.Int8Flags)
    buffer = buffers[scalar(table, 2, N.Uint32Flags)]
    offset = buffer.Offset(4)
    return TensorInfo(
        index=index,
        name=text(table, 3),
        dtype=DTYPES[code] if 0 <= code < len(DTYPES) else f"type {code}",
        shape=_whole(numbers(table, 0, "i")),
        scales=numbers(quantization, 2, "f") if quantization else (),
        zero_points=_whole(numbers(quantization, 3, "q")) if quantization else (),
        constant_bytes=_length(buffer, offset, 1) if offset else 0,
        constant_at=int(buffer.Vector(offset)) if offset else 0,
        sparse=_sparse(sparsity) if sparsity else None,
    )


def _sparse(table: Table) -> SparseLayout:
    return SparseLayout(
        order=_whole(numbers(table, 0, "i")),
        blocks=_whole(numbers(table, 1, "i")),
        levels=_list(children(table, 2), lambda _, level: _sparse_level(level)),
    )


def _sparse_level(table: Table) -> SparseLevel:
    if scalar(table, 0, N.Int8Flags):
        return SparseLevel(segments=_numbers_at(table, 2), indices=_numbers_at(table, 4))
    return SparseLevel(size=scalar(table, 1, N.Int32Flags))


def _numbers_at(table: Table, slot: int) -> NumbersAt:
    """A list in one of three widths: a union, its kind in one field and itself in the next."""
    dtype = {1: "int32", 2: "uint16", 3: "uint8"}[scalar(table, slot, N.Uint8Flags)]
    vector = child(table, slot + 1)
    offset = vector.Offset(4) if vector else 0
    if vector is None or not offset:
        return NumbersAt(at=0, count=0, dtype=dtype)
    count = _length(vector, offset, BITS[dtype] // 8)
    return NumbersAt(at=int(vector.Vector(offset)), count=count, dtype=dtype)


def _operator_name(code: Table) -> str:
    # Field 0 is the byte of old files; codes past 127 are only in field 3.
    builtin = max(scalar(code, 0, N.Int8Flags), scalar(code, 3, N.Int32Flags))
    name = BUILTIN_OPERATORS.get(builtin, f"builtin {builtin}")
    return f"CUSTOM {text(code, 1)}" if name == "CUSTOM" else name
