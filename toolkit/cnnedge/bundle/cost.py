"""What a model costs, counted in its own file: parameters, multiply-accumulates, zeros."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from .files import ModelFile
from .graph import Graph, OperatorInfo, TensorInfo

# Operators whose weights are their second input: those that hold a network's parameters.
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "CONV_3D")


def parameters(model: ModelFile) -> int:
    """Constant values of weighted operators: weights and biases."""
    used = {
        i for op in model.graph.operators if op.name in _WEIGHTED for i in op.inputs[1:] if i >= 0
    }
    # Weights may reach their operator through a DEQUANTIZE (float16).
    sources = _behind(model.graph, used)
    return sum(t.values for t in sources if t.constant_bytes)


def macs(graph: Graph) -> int:
    """Multiply-accumulates of one inference, of convolutions and dense layers."""
    return sum(_operator_macs(graph, op) for op in graph.operators)


def sparsity(model: ModelFile) -> float:
    """The fraction of weights that are exactly zero (biases left out); 0 without weights."""
    zeros = values = 0
    for tensor, content in weights(model):
        zero_point = tensor.zero_points[0] if tensor.zero_points else 0
        zeros += int(np.sum(content == zero_point))
        values += content.size
    return zeros / values if values else 0.0


def weights(model: ModelFile) -> Iterator[tuple[TensorInfo, npt.NDArray[np.generic]]]:
    """The kernels of weighted operators with their stored values (8 bits and wider)."""
    kernels = {op.inputs[1] for op in model.graph.operators if op.name in _WEIGHTED}
    for tensor in _behind(model.graph, kernels):
        # A sparse or packed encoding holds another number of bytes than values.
        try:
            dtype = np.dtype(tensor.dtype)
        except TypeError:
            continue
        if tensor.constant_bytes == tensor.values * dtype.itemsize:
            yield (
                tensor,
                np.frombuffer(model.data, dtype, tensor.values, tensor.constant_at),
            )


def _behind(graph: Graph, indices: set[int]) -> list[TensorInfo]:
    through = {op.outputs[0]: op.inputs[0] for op in graph.operators if op.name == "DEQUANTIZE"}
    return [graph.tensors[through.get(i, i)] for i in sorted(indices)]


def _operator_macs(graph: Graph, op: OperatorInfo) -> int:
    if op.name not in _WEIGHTED:
        return 0
    kernel = graph.tensors[op.inputs[1]]
    output = graph.tensors[op.outputs[0]]
    if op.name == "DEPTHWISE_CONV_2D":
        return output.values * math.prod(kernel.shape[1:3])
    if op.name == "TRANSPOSE_CONV":
        return graph.tensors[op.inputs[2]].values * math.prod(kernel.shape[:3])
    return output.values * math.prod(kernel.shape[1:])
