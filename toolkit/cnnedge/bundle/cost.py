"""What a model costs, counted in its own file: parameters, multiply-accumulates, zeros."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .files import ModelFile
from .graph import Graph, OperatorInfo, TensorInfo
from .layer_names import layer_name
from .tables import refusing_damage
from .values import constant

# Operators whose weights are their second input: they hold a network's parameters.
_MEDIAPIPE_TRANSPOSE = "CUSTOM Convolution2DTransposeBias"
_WEIGHTED = (
    *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "CONV_3D"),
    _MEDIAPIPE_TRANSPOSE,
)
# Weights may reach their operator through these (float16, sparse).
_UNPACKING = ("DEQUANTIZE", "DENSIFY")


def parameters(model: ModelFile) -> int:
    """Constant values of weighted operators: weights and biases."""
    used = {i for op in model.graph.operators if _weighted(op) for i in op.inputs[1:] if i >= 0}
    sources = _behind(model.graph, used)
    return sum(t.values for t in sources if t.constant_bytes)


def macs(graph: Graph) -> int:
    """Multiply-accumulates of one inference, of convolutions and dense layers."""
    return sum(operator_macs(graph, op) for op in graph.operators)


def operator_macs(graph: Graph, op: OperatorInfo) -> int:
    """The same for one operator; 0 for those that are not sums of products with weights."""
    if not _weighted(op):
        return 0
    kernel = graph.tensors[op.inputs[1]]
    output = graph.tensors[op.outputs[0]]
    if op.name == "DEPTHWISE_CONV_2D":
        return output.values * math.prod(kernel.shape[1:3])
    if op.name == "TRANSPOSE_CONV" and len(op.inputs) > 2:
        return graph.tensors[op.inputs[2]].values * math.prod(kernel.shape[:3])
    if op.name == _MEDIAPIPE_TRANSPOSE:
        return graph.tensors[op.inputs[0]].values * math.prod(kernel.shape[:3])
    return output.values * math.prod(kernel.shape[1:])


def sparsity(model: ModelFile) -> float:
    """The fraction of weights that are exactly zero (biases left out); 0 without weights."""
    zeros = values = 0
    for tensor, content in weights(model):
        zeros += _zeros(tensor, content)
        values += content.size
    return zeros / values if values else 0.0


def weights(model: ModelFile) -> Iterator[tuple[TensorInfo, npt.NDArray[np.generic]]]:
    """The kernels of weighted operators with their stored values, in the tensor's shape.

    Values packed to 4 bits become int8, and the zeros that a sparse tensor omits are included.
    """
    kernels = {op.inputs[1] for op in model.graph.operators if _weighted(op)}
    for tensor in _behind(model.graph, kernels):
        with refusing_damage(str(model.path)):
            content = constant(model.data, tensor)
        if content is not None:
            yield tensor, content


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """An operator with weights. name: the Keras layer, where the operator's output still names it.

    operator, shape: of the kernel, as in the file. parameters: values of kernel and bias. macs:
    multiply-accumulates of one inference. sparsity: the fraction of the kernel that is zero. bytes:
    what the kernel takes in the file, with a sparse one's indices.
    """

    name: str
    operator: str
    shape: tuple[int, ...]
    parameters: int
    macs: int
    sparsity: float
    bytes: int


def layer_costs(model: ModelFile) -> tuple[LayerCost, ...]:
    """One row for each operator with weights, in the order of execution."""
    values = {tensor.index: content for tensor, content in weights(model)}
    graph = model.graph
    rows = []
    for op in graph.operators:
        if not _weighted(op):
            continue
        (kernel,) = _behind(graph, {op.inputs[1]})
        constants = _behind(graph, {i for i in op.inputs[1:] if i >= 0})
        rows.append(
            LayerCost(
                name=layer_name(graph.tensors[op.outputs[0]].name),
                operator=op.name,
                shape=tuple(kernel.shape),
                parameters=sum(t.values for t in constants if t.constant_bytes),
                macs=operator_macs(graph, op),
                sparsity=_zeros(kernel, values[kernel.index]) / max(1, kernel.values)
                if kernel.index in values
                else 0.0,
                bytes=kernel.constant_bytes + (kernel.sparse.index_bytes if kernel.sparse else 0),
            )
        )
    return tuple(rows)


def _weighted(op: OperatorInfo) -> bool:
    # A damaged file may lack what the operator needs.
    return op.name in _WEIGHTED and len(op.inputs) > 1 and min(op.inputs[:2]) >= 0 < len(op.outputs)


def _zeros(tensor: TensorInfo, content: npt.NDArray[np.generic]) -> int:
    zero_point = tensor.zero_points[0] if tensor.zero_points else 0
    return int(np.sum(content == zero_point))


def _behind(graph: Graph, indices: set[int]) -> list[TensorInfo]:
    """The tensors whose values the file holds, before they are unpacked at run time."""
    through = {
        op.outputs[0]: op.inputs[0]
        for op in graph.operators
        if op.name in _UNPACKING and op.outputs and op.inputs and op.inputs[0] >= 0
    }
    found = set()
    for index in indices:
        # At most two in a row: DENSIFY, then DEQUANTIZE.
        for _ in range(2):
            index = through.get(index, index)
        found.add(index)
    return [graph.tensors[i] for i in sorted(found)]
