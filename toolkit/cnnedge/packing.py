"""Flatbuffers rewritten, with each vector of numbers stored once.

A model's bytes enter and leave: the same tensors, operators and names, fewer bytes. The converter
writes a zero point of 8 bytes for every channel of every kernel and bias, although all are 0; in
an int8 MobileNetV2 that is a twelfth of the file.
"""

from __future__ import annotations

import copy
import struct
from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np

from .bundle.graph import IDENTIFIER, read_graph
from .bundle.values import constant

# What kernels may read weights by at once; the schema demands it of every buffer.
_ALIGNMENT = 16
# The places of a SubGraph's fields in the schema, as flatbuffers counts them.
_INPUTS, _OUTPUTS, _OPERATORS = 6, 8, 10
_DATA = 4
_OFFSET = struct.Struct("<I")


def pack(model: Any) -> bytes:
    """The bytes of a model in the schema's object form (ModelT), equal vectors stored once."""
    values = sum(len(buffer.data) for buffer in model.buffers or () if buffer.data is not None)
    # Room for all of it at once: growing copies what is written, each time.
    builder = _Builder(values + values // 16 + 65_536)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def repack(flatbuffer: bytes) -> bytes:
    """The same model in fewer bytes. It loads wherever `flatbuffer` does."""
    return pack(unpack(flatbuffer))


def unpack(flatbuffer: bytes) -> Any:
    """A model in the schema's object form (ModelT), all of its values within it.

    Quantisers write the values of larger models behind the tables, where the object form has only
    their places.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bytearray(flatbuffer), 0)
    for buffer in model.buffers or ():
        # 0 and 1 stand for none.
        if buffer.offset > 1 and buffer.size:
            content = flatbuffer[buffer.offset : buffer.offset + buffer.size]
            buffer.data = np.frombuffer(content, np.uint8)
            buffer.offset = buffer.size = 0
    return model


def add_scalar(model: Any, value: float, name: str) -> int:
    """Adds a constant float32 scalar to the main graph of a ModelT; the number of its tensor."""
    from ai_edge_litert import schema_py_generated as schema

    tensor = schema.TensorT()
    tensor.shape, tensor.hasRank = np.array([], np.int32), True
    tensor.buffer, tensor.name = add_buffer(model, np.float32(value).tobytes()), name.encode()
    tensors = model.subgraphs[0].tensors
    tensors.append(tensor)
    return len(tensors) - 1


def add_buffer(model: Any, values: bytes) -> int:
    """Adds a buffer with these bytes to a ModelT; its number."""
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values, np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def sign(model: Any, image: str, answer: str) -> None:
    """Gives a ModelT of one input and one output the signature that other runtimes and quantisers
    call it by; image, answer: what it calls them."""
    from ai_edge_litert import schema_py_generated as schema

    main = model.subgraphs[0]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs, signature.outputs = [], []
    for maps, name, tensor in (
        (signature.inputs, image, main.inputs[0]),
        (signature.outputs, answer, main.outputs[0]),
    ):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name.encode(), int(tensor)
        maps.append(entry)
    model.signatureDefs = [signature]


class _Builder(flatbuffers.Builder):  # type: ignore[misc, unused-ignore]
    """flatbuffers' own, which knows neither the schema's alignment nor what it wrote before."""

    def __init__(self, initial_bytes: int) -> None:
        super().__init__(initial_bytes)
        self._written: dict[tuple[str, bytes], int] = {}

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:
        at = max(alignment, _ALIGNMENT) if elemSize == 1 else alignment
        return int(super().StartVector(elemSize, numElems, at))

    def CreateNumpyVector(self, x: np.ndarray[Any, Any]) -> int:
        if x.itemsize == 1:
            # Buffers, of bytes, stay apart: an engine may take one for its own.
            return int(super().CreateNumpyVector(x))
        key = (x.dtype.str, x.tobytes())
        if key not in self._written:
            self._written[key] = int(super().CreateNumpyVector(x))
        return self._written[key]


class Divisible:
    """A packed model, any of whose operators can be had as a model of their own.

    What the operators refer to stays where it is, and tensors keep their numbers: only the lists
    of operators, inputs and outputs are written anew. Packing each part for itself takes several
    times as long.
    """

    def __init__(self, model: Any) -> None:
        """model: ModelT of one graph."""
        from ai_edge_litert import schema_py_generated as schema

        unsigned = copy.copy(model)
        # A signature names inputs and outputs that a part has not.
        unsigned.signatureDefs = []
        self._content = bytearray(pack(unsigned))
        self._model = schema.Model.GetRootAs(self._content, 0)
        table = self._model.Subgraphs(0)._tab
        self._inputs, self._outputs, operators = (
            table.Pos + table.Offset(field) for field in (_INPUTS, _OUTPUTS, _OPERATORS)
        )
        (at,) = _OFFSET.unpack_from(self._content, operators)
        self._operators = operators + at
        (count,) = _OFFSET.unpack_from(self._content, self._operators)
        places = (self._operators + 4 * i for i in range(1, count + 1))
        # A builder writes what is referred to before what refers to it, from the end on: each
        # operator lies behind the list, as it must for any other list in the same place.
        self._tables = [at + _OFFSET.unpack_from(self._content, at)[0] for at in places]

    def part(
        self, operators: Sequence[int], inputs: Sequence[int], outputs: Sequence[int]
    ) -> bytes:
        """These operators, in this order, from and to the tensors of these numbers."""
        content, behind = self._content, b""
        for field, numbers in ((self._inputs, inputs), (self._outputs, outputs)):
            _OFFSET.pack_into(content, field, len(content) + len(behind) - field)
            behind += np.array([len(numbers), *numbers], np.int32).tobytes()
        _OFFSET.pack_into(content, self._operators, len(operators))
        for i, operator in enumerate(operators, start=1):
            place = self._operators + 4 * i
            _OFFSET.pack_into(content, place, self._tables[operator] - place)
        # Weights are many: copied once.
        return b"".join((content, behind))

    def replace(self, buffer: int, values: bytes) -> None:
        """Other values, as many, in a buffer."""
        table = self._model.Buffers(buffer)._tab
        start = table.Vector(table.Offset(_DATA))
        assert table.VectorLen(table.Offset(_DATA)) == len(values)
        self._content[start : start + len(values)] = values


def dense_where_it_must_be(flatbuffer: bytes) -> bytes:
    """Dense layers' kernels stored with their zeros again: LiteRT loads no sparse int8 ones."""
    graph = read_graph(flatbuffer, "sparse")
    model = unpack(flatbuffer)
    main = model.subgraphs[0]
    unpacked = {op.outputs[0]: op.inputs[0] for op in graph.operators if op.name == "DENSIFY"}
    dense = set()
    for op, operator in zip(graph.operators, main.operators, strict=True):
        kernel = unpacked.get(op.inputs[1]) if op.name == "FULLY_CONNECTED" else None
        if kernel is None or graph.tensors[kernel].dtype != "int8":
            continue
        values = constant(flatbuffer, graph.tensors[kernel])
        assert values is not None
        main.tensors[kernel].buffer = add_buffer(model, values.tobytes())
        main.tensors[kernel].sparsity = None
        operator.inputs[1] = kernel
        dense.add(op.inputs[1])
    main.operators = [
        operator
        for op, operator in zip(graph.operators, main.operators, strict=True)
        if op.name != "DENSIFY" or op.outputs[0] not in dense
    ]
    return pack(model)
