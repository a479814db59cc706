"""What is inside a .tflite flatbuffer: tensors, operators, metadata entries.

Bytes enter, frozen dataclasses leave. The tables are read by the field numbers of the TFLite
schema (tensorflow/compiler/mlir/lite/schema/schema.fbs). Broken bytes raise ModelError.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from flatbuffers import number_types as N
from flatbuffers.table import Table

from ..errors import ModelError
from .operators import BUILTIN_OPERATORS
from .options import options_of
from .tables import (
    Allowance,
    child,
    children,
    length,
    listed,
    numbers,
    raw,
    refusing_damage,
    root,
    scalar,
    text,
    whole,
)

IDENTIFIER = b"TFL3"
_LFS = b"version https://git-lfs.github.com/spec/"
# The minimum size of a tensor in a file, with its place in the list.
_TABLE_BYTES = 24
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
    "float8_e4m3fn",
    "float8_e5m2",
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
    "float8_e4m3fn": 8,
    "float8_e5m2": 8,
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
        """The size of the lists in the file, besides the values."""
        lists = (a for level in self.levels for a in (level.segments, level.indices) if a)
        return sum(a.count * BITS[a.dtype] // 8 for a in lists)


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """One tensor.

    scales/zero_points are empty for unquantised, longer than 1 for per-channel, then one for each
    place along quantized_dimension. shape_signature: the shape with -1 for what the caller may
    choose; empty if nothing may be. constant_at and constant_bytes: where the file holds its
    values, 0 if they come at run time. sparse: None if all values are stored. variable:
    kept from one inference to the next.
    """

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    quantized_dimension: int = 0
    shape_signature: tuple[int, ...] = ()
    constant_bytes: int = 0
    constant_at: int = 0
    sparse: SparseLayout | None = None
    variable: bool = False

    @property
    def values(self) -> int:
        """The number of its values (dynamic dimensions count as 1)."""
        return math.prod(abs(d) for d in self.shape)

    @property
    def size_bytes(self) -> int:
        """The memory for all its values; 0 for texts and handles."""
        return (self.values * BITS.get(self.dtype, 0) + 7) // 8

    @property
    def dynamic(self) -> bool:
        """Whether the caller may choose part of its shape."""
        return any(d < 0 for d in (*self.shape, *self.shape_signature))


@dataclass(frozen=True, kw_only=True)
class OperatorInfo:
    """One operator: its builtin or custom name, and the indices of its tensors (-1: absent).

    version: the minimum that a runtime must have, as the file's writer states. options: those
    of its table that decide what can run it (`options.options_of`).
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    version: int = 1
    options: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Subgraph:
    """One graph of a model file: the first is what runs, others are called by its operators."""

    name: str
    tensors: tuple[TensorInfo, ...]
    operators: tuple[OperatorInfo, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A name for a subgraph, its inputs and outputs: callers may use it instead of indices."""

    key: str
    subgraph: int
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Graph(Subgraph):
    """The first subgraph of a model file, what else it calls, and the model's metadata entries."""

    version: int
    description: str
    others: tuple[Subgraph, ...]
    metadata: Mapping[str, bytes]
    signatures: tuple[Signature, ...]

    @property
    def subgraphs(self) -> tuple[Subgraph, ...]:
        """All of the file's, this one first."""
        return (self, *self.others)


def read_graph(data: bytes, place: str) -> Graph:
    """The graph in the bytes of a .tflite; `place` names the file in messages.

    Raises ModelError if the bytes are not a TFLite model.
    """
    if not data:
        raise ModelError(f"{place}: the file is empty; expected a .tflite model")
    if data.startswith(_LFS):
        raise ModelError(
            f"{place}: this is a Git LFS pointer, not the model itself. In its repository run 'git "
            "lfs pull', or download the file from its page"
        )
    if data[4:8] != IDENTIFIER:
        raise ModelError(
            f"{place}: this is not a TFLite model: bytes 4 to 8 are {data[4:8]!r}, expected "
            f"{IDENTIFIER!r}. 'cnnedge convert' writes .tflite files"
        )
    with refusing_damage(place):
        return _Reader(data).graph()


class _Reader:
    """One pass over a model file. Lists are counted, so that no file is read forever."""

    def __init__(self, data: bytes) -> None:
        self._model = root(data)
        self._size = len(data)
        self._allowance = Allowance(data)
        self._codes = [
            (_operator_name(c), scalar(c, 2, N.Int32Flags, 1)) for c in children(self._model, 1)
        ]
        self._buffers = list(children(self._model, 4))

    def graph(self) -> Graph:
        subgraphs = listed(children(self._model, 2), lambda _, t: self._subgraph(t))
        if not subgraphs:
            raise ValueError("it contains no graph")
        if not subgraphs[0].inputs or not subgraphs[0].outputs:
            raise ValueError("its inputs or outputs refer to tensors that do not exist")
        first, *others = subgraphs
        return Graph(
            name=first.name,
            tensors=first.tensors,
            operators=first.operators,
            inputs=first.inputs,
            outputs=first.outputs,
            version=scalar(self._model, 0, N.Uint32Flags),
            description=text(self._model, 3),
            others=tuple(others),
            metadata={text(t, 0): self._metadata(t) for t in children(self._model, 6)},
            signatures=listed(children(self._model, 7), lambda _, t: self._signature(t, subgraphs)),
        )

    def _subgraph(self, table: Table) -> Subgraph:
        tensors = listed(children(table, 0), self._tensor)
        return Subgraph(
            name=text(table, 4),
            tensors=tensors,
            operators=listed(children(table, 3), lambda _, t: self._operator(t, len(tensors))),
            inputs=self._indices(table, 1, len(tensors), least=0),
            outputs=self._indices(table, 2, len(tensors), least=0),
        )

    def _tensor(self, index: int, table: Table) -> TensorInfo:
        quantization, sparsity = child(table, 4), child(table, 6)
        code = scalar(table, 1, N.Int8Flags)
        at, count = self._content(scalar(table, 2, N.Uint32Flags))
        info = TensorInfo(
            index=index,
            name=text(table, 3),
            dtype=DTYPES[code] if 0 <= code < len(DTYPES) else f"type {code}",
            shape=whole(numbers(table, 0, "i")),
            scales=numbers(quantization, 2, "f") if quantization else (),
            zero_points=whole(numbers(quantization, 3, "q")) if quantization else (),
            quantized_dimension=scalar(quantization, 6, N.Int32Flags) if quantization else 0,
            shape_signature=whole(numbers(table, 7, "i")),
            constant_bytes=count,
            constant_at=at,
            sparse=_sparse(sparsity) if sparsity else None,
            variable=bool(scalar(table, 5, N.BoolFlags)),
        )
        lists = len(info.shape) + len(info.scales) + 2 * len(info.zero_points)
        self._allowance.take(_TABLE_BYTES + len(info.name) + 4 * lists)
        return info

    def _content(self, number: int) -> tuple[int, int]:
        """Where a buffer's bytes are, and how many; files past 2 GB keep them outside."""
        if number == 0 and not self._buffers:
            # Buffer 0 is the empty one: a file that needs no other may leave the list out.
            return 0, 0
        buffer = self._buffers[number]
        offset = buffer.Offset(4)
        if offset:
            return int(buffer.Vector(offset)), length(buffer, offset, 1)
        at, count = scalar(buffer, 1, N.Uint64Flags), scalar(buffer, 2, N.Uint64Flags)
        # 0 and 1 stand for none.
        if at <= 1 or not count:
            return 0, 0
        if at + count > self._size:
            raise ValueError("a tensor's values reach past the end of the file")
        return at, count

    def _operator(self, table: Table, tensors: int) -> OperatorInfo:
        name, version = self._codes[scalar(table, 0, N.Uint32Flags)]
        return OperatorInfo(
            name=name,
            inputs=self._indices(table, 1, tensors, least=-1),
            outputs=self._indices(table, 2, tensors, least=-1),
            version=version,
            options=options_of(table, name),
        )

    def _indices(self, table: Table, slot: int, tensors: int, least: int) -> tuple[int, ...]:
        found = whole(numbers(table, slot, "i"))
        self._allowance.take(_TABLE_BYTES // 2 + 4 * len(found))
        if any(not least <= i < tensors for i in found):
            raise ValueError("its inputs or outputs refer to tensors that do not exist")
        return found

    def _metadata(self, entry: Table) -> bytes:
        content = raw(self._buffers[scalar(entry, 1, N.Uint32Flags)], 0)
        self._allowance.take(len(content))
        return content

    def _signature(self, table: Table, subgraphs: tuple[Subgraph, ...]) -> Signature:
        subgraph = scalar(table, 4, N.Uint32Flags)
        tensors = len(subgraphs[subgraph].tensors)
        inputs, outputs = (
            {text(t, 0): scalar(t, 1, N.Uint32Flags) for t in children(table, s)} for s in (0, 1)
        )
        self._allowance.take(_TABLE_BYTES * (1 + len(inputs) + len(outputs)))
        if any(i >= tensors for i in (*inputs.values(), *outputs.values())):
            raise ValueError("a signature refers to tensors that do not exist")
        return Signature(key=text(table, 2), subgraph=subgraph, inputs=inputs, outputs=outputs)


def _sparse(table: Table) -> SparseLayout:
    return SparseLayout(
        order=whole(numbers(table, 0, "i")),
        blocks=whole(numbers(table, 1, "i")),
        levels=listed(children(table, 2), lambda _, level: _sparse_level(level)),
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
    count = length(vector, offset, BITS[dtype] // 8)
    return NumbersAt(at=int(vector.Vector(offset)), count=count, dtype=dtype)


def _operator_name(code: Table) -> str:
    # Field 0 is the byte of old files; codes past 127 are only in field 3.
    builtin = max(scalar(code, 0, N.Int8Flags), scalar(code, 3, N.Int32Flags))
    name = BUILTIN_OPERATORS.get(builtin, f"builtin {builtin}")
    return f"CUSTOM {text(code, 1)}" if name == "CUSTOM" else name
