"""What each operator of a model takes: bytes of the file, multiply-accumulates, memory.

A ModelFile enters; one row for each operator leaves, in the order of execution.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..bundle import ModelFile, TensorInfo
from ..bundle.cost import operator_macs
from ..bundle.layer_names import layer_name
from .nodes import unpacked_constants


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """One operator.

    name: the layer that it was, as far as its output's name shows. weight_bytes: of the constants
    in the file that it is the first to use. macs: multiply-accumulates of one inference.
    output_bytes: of the values that it makes. alive_bytes: of all values alive while it runs.
    """

    index: int
    operator: str
    name: str
    weight_bytes: int
    macs: int
    output_bytes: int
    alive_bytes: int


def layers_of(model: ModelFile, alive: tuple[int, ...]) -> tuple[LayerCost, ...]:
    """The rows; operators that only unpack weights at load are none.

    alive: for each operator, `ArenaPlan.activation_bytes`.
    """
    graph = model.graph
    unpacked = unpacked_constants(model)
    sources = {
        op.outputs[0]: op.inputs[0] for op in graph.operators if _unpacks(op.outputs, unpacked)
    }
    counted: set[int] = set()
    rows = []
    for index, op in enumerate(graph.operators):
        if _unpacks(op.outputs, unpacked):
            continue
        weight_bytes = 0
        for place in op.inputs:
            # At most two in a row: DENSIFY, then DEQUANTIZE.
            for _ in range(2):
                place = sources.get(place, place)
            if place >= 0 and place not in counted:
                weight_bytes += stored_bytes(graph.tensors[place])
                counted.add(place)
        outputs = [graph.tensors[i] for i in op.outputs if i >= 0]
        rows.append(
            LayerCost(
                index=index,
                operator=op.name,
                name=layer_name(outputs[0].name) if outputs else "",
                weight_bytes=weight_bytes,
                macs=operator_macs(graph, op),
                output_bytes=sum(t.size_bytes for t in outputs),
                alive_bytes=alive[index],
            )
        )
    return tuple(rows)


def weight_types(model: ModelFile) -> dict[str, int]:
    """Bytes of the file's constants by dtype, the largest first; equal ones stored once count once.

    All subgraphs together.
    """
    places: dict[tuple[str, int], int] = {}
    for subgraph in model.graph.subgraphs:
        for tensor in subgraph.tensors:
            if tensor.constant_bytes:
                places[tensor.dtype, tensor.constant_at] = stored_bytes(tensor)
    found: dict[str, int] = {}
    for (dtype, _), count in places.items():
        found[dtype] = found.get(dtype, 0) + count
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def stored_bytes(tensor: TensorInfo) -> int:
    """What a constant takes in the file, with a sparse one's indices."""
    return tensor.constant_bytes + (tensor.sparse.index_bytes if tensor.sparse else 0)


def _unpacks(outputs: tuple[int, ...], unpacked: frozenset[int]) -> bool:
    return bool(outputs) and outputs[0] in unpacked
