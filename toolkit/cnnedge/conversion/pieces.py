"""Parts of a converted model, run alone.

A flatbuffer enters and is read once; any of its operators leave as a model of their own, with the
kernels that the whole model runs on. Tensors keep their indices.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bundle import Graph, OperatorInfo, TensorInfo, read_graph
from ..bundle.values import constant
from ..packing import Divisible, pack, unpack

Floats = npt.NDArray[np.float32]
Values = npt.NDArray[Any]

# What the converter puts between operators and constants, and no layer asked for.
PACKING = ("QUANTIZE", "DEQUANTIZE", "DENSIFY")


class Source:
    """A flatbuffer whose operators can be run in parts. Raises ModelError for broken bytes."""

    def __init__(self, flatbuffer: bytes, place: str) -> None:
        self.graph: Graph = read_graph(flatbuffer, place)
        self._data = flatbuffer
        self._model = unpack(flatbuffer)
        self._parts: Divisible | None = None
        self._producers = {t: i for i, op in enumerate(self.graph.operators) for t in op.outputs}

    def operator(self, index: int) -> OperatorInfo:
        return self.graph.operators[index]

    def constant(self, index: int) -> Values | None:
        """The values that the file holds of a tensor, as stored; None where it holds none."""
        return constant(self._data, self.graph.tensors[index])

    def separate(self, indices: Iterable[int]) -> None:
        """Gives each of these constants a buffer of its own: converters store equal ones once."""
        from ai_edge_litert import schema_py_generated as schema

        tensors, buffers = self._model.subgraphs[0].tensors, self._model.buffers
        users = Counter(tensor.buffer for tensor in tensors)
        for tensor in (tensors[index] for index in indices):
            if users[tensor.buffer] == 1:
                continue
            users[tensor.buffer] -= 1
            own = schema.BufferT()
            own.data, tensor.buffer = buffers[tensor.buffer].data, len(buffers)
            users[tensor.buffer] = 1
            buffers.append(own)
            self._parts = None

    def replace_constant(self, index: int, values: Values) -> None:
        """Other values of a constant tensor, of its size and dtype, for all that leaves later.

        `constant` goes on giving those of the file. Where several are replaced, `separate` them
        first: the next piece after each that shared its buffer packs the whole model anew.
        """
        self.separate([index])
        buffer = self._model.subgraphs[0].tensors[index].buffer
        stored = np.ascontiguousarray(values).tobytes()
        self._model.buffers[buffer].data = np.frombuffer(stored, np.uint8)
        if self._parts is not None:
            self._parts.replace(buffer, stored)

    def content(self) -> bytes:
        """The whole flatbuffer, with what was replaced."""
        return pack(self._model)

    def inputs(self, operators: Collection[int]) -> list[int]:
        """The tensors that the operators and their packing take from outside, without constants."""
        operators = self._with_packing(operators)
        made = {t for i in operators for t in self.operator(i).outputs}
        taken = (t for i in operators for t in self.operator(i).inputs if t >= 0)
        return [
            t
            for t in dict.fromkeys(taken)
            if t not in made and (t in self._producers or t in self.graph.inputs)
        ]

    def between(self, tensor: int, end: int) -> list[int]:
        """The operators through which one tensor reaches another, in order."""
        reached, after = {tensor}, []
        for i, op in enumerate(self.graph.operators):
            if reached.intersection(op.inputs):
                reached.update(op.outputs)
                after.append(i)
        needed, between = {end}, []
        for i in reversed(after):
            if needed.intersection(self.operator(i).outputs):
                needed.update(self.operator(i).inputs)
                between.append(i)
        return between[::-1]

    def constant_bytes(self, operators: Collection[int]) -> int:
        """Of the constants that the operators and their packing take, each counted once."""
        taken = {t for i in self._with_packing(operators) for t in self.operator(i).inputs}
        return sum(self.graph.tensors[t].constant_bytes for t in taken if t >= 0)

    def piece(self, operators: Sequence[int], outputs: Sequence[int], *, threads: int = 1) -> Piece:
        """The operators, and what packs for them, as a model that gives the tensors `outputs`."""
        operators = self._with_packing(operators)
        taken = self.inputs(operators)
        if self._parts is None:
            self._parts = Divisible(self._model)
        return Piece(self._parts.part(operators, taken, outputs), taken, outputs, threads)

    def _with_packing(self, operators: Collection[int]) -> list[int]:
        """The operators and those that only pack or unpack what they take, in order."""
        found, open_ones = set(operators), list(operators)
        while open_ones:
            for before in self._before(open_ones.pop()):
                if before not in found and self.operator(before).name in PACKING:
                    found.add(before)
                    open_ones.append(before)
        return sorted(found)

    def _before(self, operator: int) -> list[int]:
        taken = self.operator(operator).inputs
        return [self._producers[t] for t in taken if t in self._producers]


class Piece:
    """A part of a model in LiteRT; `inputs` and `outputs` are the whole model's indices."""

    def __init__(
        self, content: bytes, inputs: Sequence[int], outputs: Sequence[int], threads: int
    ) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        self._interpreter.allocate_tensors()

    def run(self, values: Mapping[int, Values]) -> dict[int, Values]:
        """Tensors in, tensors out, each of its own shape and dtype."""
        for index in self.inputs:
            self._interpreter.set_tensor(index, values[index])
        self._interpreter.invoke()
        return {index: self._interpreter.get_tensor(index) for index in self.outputs}

    def milliseconds(self, values: Mapping[int, Values], times: int) -> float:
        """The fastest of some inferences on these values, after one that is not counted."""
        self.run(values)
        spent = []
        for _ in range(times):
            started = time.perf_counter()
            self._interpreter.invoke()
            spent.append(1000 * (time.perf_counter() - started))
        return min(spent)


def quantised(values: Floats, tensor: TensorInfo) -> Values:
    """Values as the tensor holds them: rounded to its scale and cut to its range."""
    if not tensor.scales:
        return values
    limits = np.iinfo(tensor.dtype)
    steps = np.rint(values / tensor.scales[0]) + tensor.zero_points[0]
    stored: Values = np.clip(steps, limits.min, limits.max).astype(tensor.dtype)
    return stored


def dequantised(values: Values, tensor: TensorInfo) -> Floats:
    """The numbers that a tensor's stored values mean; one scale, as activations have."""
    if not tensor.scales:
        return values.astype(np.float32)
    zero, scale = tensor.zero_points[0], tensor.scales[0]
    return ((values.astype(np.float32) - zero) * scale).astype(np.float32)
