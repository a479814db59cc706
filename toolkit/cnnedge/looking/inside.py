"""The values inside a .tflite: its first filters, and the feature maps of its layers.

A model and input pixels enter, arrays leave. A value that a runtime would throw away is kept by
naming its tensor as a further output of the graph; the arithmetic stays the same.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bundle import ModelFile, TensorInfo, read_graph, tables
from ..bundle.files import meanings
from ..bundle.layer_names import layer_name
from ..bundle.values import constant
from ..classifier import Classifier
from ..decoding import real
from ..engines import CPU, Engine, load_engine
from ..errors import ModelError

Floats = npt.NDArray[np.float32]

_MAKES_MAPS = frozenset(
    {
        *("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "MAX_POOL_2D", "AVERAGE_POOL_2D"),
        *("ADD", "CONCATENATION"),
    }
)
_SUBGRAPHS, _OUTPUTS = 2, 2


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureMaps:
    """What one layer made of a picture.

    layer: its name. operator: that of the file. values: float32 [height, width, channels].
    """

    layer: str
    operator: str
    values: Floats


def with_outputs(model: ModelFile, further: Sequence[int]) -> ModelFile:
    """The model with further tensors, by index, behind the outputs of its graph.

    The new list of outputs is written behind the file's last byte, and the graph's table points
    there. Raises ModelError for a file that states no outputs.
    """
    place = str(model.path)
    outputs = (*model.graph.outputs, *further)
    data = bytearray(model.data)
    with tables.refusing_damage(place):
        subgraph = next(tables.children(tables.root(data), _SUBGRAPHS))
        at = tables.field(subgraph, _OUTPUTS)
        if not at:
            raise ModelError(f"{place}: the file's graph has no list of outputs")
        # Vectors of whole numbers begin at multiples of four bytes.
        data += b"\0" * (-len(data) % 4)
        struct.pack_into("<I", data, at, len(data) - at)
        data += struct.pack(f"<I{len(outputs)}i", len(outputs), *outputs)
    content = bytes(data)
    graph = read_graph(content, place)
    _, meant = meanings(graph)
    return replace(
        model,
        data=content,
        graph=graph,
        outputs=(*model.outputs, *meant[len(model.outputs) :]),
    )


def map_layers(model: ModelFile) -> tuple[TensorInfo, ...]:
    """The tensors of a graph that are feature maps, in the order of execution.

    A feature map here has the shape [1, height, width, channels] with more than one place.
    """
    found = []
    for operator in model.graph.operators:
        if operator.name not in _MAKES_MAPS:
            continue
        tensor = model.graph.tensors[operator.outputs[0]]
        if len(tensor.shape) == 4 and tensor.shape[0] == 1 and min(tensor.shape[1:3]) > 1:
            found.append(tensor)
    return tuple(found)


class InsideView:
    """A classifier whose feature maps can be read. Not thread-safe; a context manager."""

    def __init__(self, classifier: Classifier, tensors: Sequence[TensorInfo]) -> None:
        """tensors: of `map_layers`. Loads the model once more, on the CPU."""
        self._classifier = classifier
        self._tensors = tuple(tensors)
        self._names = {o.outputs[0]: o.name for o in classifier.model.graph.operators}
        opened = with_outputs(classifier.model, [t.index for t in tensors])
        self._engine: Engine = load_engine(opened, CPU)
        self._first = len(classifier.model.graph.outputs)

    def __enter__(self) -> InsideView:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def maps(self, pixels: npt.NDArray[np.uint8]) -> list[FeatureMaps]:
        """The feature maps of input pixels that the classifier's `prepare` made."""
        self._engine.set_input(self._classifier.encode(pixels))
        self._engine.invoke()
        raw = self._engine.outputs()[self._first :]
        return [
            FeatureMaps(
                layer=layer_name(tensor.name),
                operator=self._names[tensor.index],
                values=map_of(values, tensor),
            )
            for tensor, values in zip(self._tensors, raw, strict=True)
        ]


def map_of(raw: npt.NDArray[Any], tensor: TensorInfo) -> Floats:
    """A feature map's raw values as real numbers, float32 [height, width, channels]."""
    return real(raw, tensor).reshape(tensor.shape[1:])


def first_filters(model: ModelFile) -> Floats | None:
    """The weights of the first convolution, float32 [filters, height, width, channels].

    None where the graph has none, or does not hold its weights.
    """
    for operator in model.graph.operators:
        if operator.name == "CONV_2D":
            return real_constant(model, operator.inputs[1])
    return None


def real_constant(model: ModelFile, index: int) -> Floats | None:
    """A constant tensor's values as real numbers, of its shape; None where it is no constant.

    A half-precision file unpacks its constants by an operator, which is followed back.
    """
    tensor = model.graph.tensors[index]
    stored = constant(model.data, tensor)
    if stored is None:
        for operator in model.graph.operators:
            if index in operator.outputs and operator.name in ("DEQUANTIZE", "DENSIFY"):
                return real_constant(model, operator.inputs[0])
        return None
    values = np.asarray(stored, np.float32)
    if not tensor.scales:
        return values
    along = [1] * values.ndim
    along[tensor.quantized_dimension] = -1
    scales = np.asarray(tensor.scales, np.float32)
    zeros = np.asarray(tensor.zero_points or (0,), np.float32)
    if scales.size == 1:
        return np.asarray((values - zeros[0]) * scales[0], np.float32)
    return np.asarray((values - zeros.reshape(along)) * scales.reshape(along), np.float32)
