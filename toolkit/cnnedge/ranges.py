"""The range of every value in a network, over calibration pictures.

A float32 flatbuffer and pictures enter; the same flatbuffer with the smallest and the largest value
of each tensor leaves, which TensorFlow's quantiser takes its scales from.

TensorFlow's own calibrator reads a tensor when the next operator has run, which may have written
its result over it: the sum of a residual block over the convolution, a subtraction over the scaled
pixels. The range is then that of both, up to three times as wide. Here every tensor is an output of
the network, so nothing is written over it; and LiteRT computes them with its fast kernels on all
cores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import conditions
from .bundle import Graph, read_graph
from .bundle.values import constant
from .errors import ModelError
from .packing import add_scalar, pack, unpack
from .preprocess import Pixels

Floats = npt.NDArray[np.float32]
Ranges = Mapping[int, tuple[float, float]]
# What is less stands for minus infinity.
_LEAST = -1e30
# A network is quantised again and again, to find the layers that are better left in float.
_last: dict[str, bytes] = {}


def calibrated(flatbuffer: bytes, calibration: Pixels) -> bytes:
    """The flatbuffer with the range of each tensor that has no constant value.

    flatbuffer: of a float32 network with one input, float32 [1, h, w, c] raw pixels. calibration:
    uint8 [n, h, w, c], at least one picture; of signals float32 [n, length, channels]. Raises
    ModelError where a value is NaN or infinite.
    """
    key = hashlib.sha256(flatbuffer + np.ascontiguousarray(calibration).tobytes()).hexdigest()
    if key not in _last:
        measured = measure(flatbuffer, representative(calibration))
        found = _with_ranges(_padded(flatbuffer, measured), measured)
        _last.clear()
        _last[key] = found
    return _last[key]


def representative(calibration: Pixels) -> Iterator[Floats]:
    """Calibration pictures as the network takes them, float32 [1, h, w, c].

    The first has one black and one white pixel in a corner: so the input's range is exactly
    0..255 and a uint8 pixel is its own quantised value, whatever the pictures hold.
    """
    for i, picture in enumerate(calibration):
        values = picture.astype(np.float32)
        if i == 0 and picture.dtype == np.uint8:
            values[0, 0], values[0, -1] = 0.0, 255.0
        yield values[np.newaxis]


def measure(flatbuffer: bytes, inputs: Iterable[Floats]) -> Ranges:
    """The smallest and the largest value of each tensor, by its number. Raises ModelError.

    A value that is padded by minus infinity for a maximum has the range of what is padded.
    """
    from ai_edge_litert.interpreter import Interpreter

    graph = read_graph(flatbuffer, "the float32 network")
    engine = Interpreter(
        model_content=_showing(flatbuffer, _values(graph)), num_threads=conditions.usable_cores()
    )
    engine.allocate_tensors()
    place = engine.get_input_details()[0]["index"]
    shown = [each["index"] for each in engine.get_output_details()]
    low = np.full(len(shown), np.inf, np.float32)
    high = -low
    for values in inputs:
        engine.set_tensor(place, values)
        engine.invoke()
        for i, number in enumerate(shown):
            # A view, gone before the next run: the engine may move its memory.
            found = engine.tensor(number)().reshape(-1)
            low[i] = np.minimum(low[i], found.min())
            high[i] = np.maximum(high[i], found.max())
            del found
    for padded, value in _padded_below(flatbuffer, graph).items():
        at, of = shown.index(padded), shown.index(value)
        low[at], high[at] = low[of], high[of]
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        bad = shown[int(np.argmin(np.isfinite(low) & np.isfinite(high)))]
        raise ModelError(
            f"the network computes NaN or infinity at '{graph.tensors[bad].name}' for a "
            "calibration picture, so it has no range; its weights are damaged"
        )
    return {n: (float(x), float(y)) for n, x, y in zip(shown, low, high, strict=True)}


def _values(graph: Graph) -> list[int]:
    """The float32 tensors that operators read or write, without constants."""
    numbers = dict.fromkeys(n for op in graph.operators for n in (*op.inputs, *op.outputs))
    return [
        n
        for n in numbers
        if n >= 0 and graph.tensors[n].dtype == "float32" and not graph.tensors[n].constant_bytes
    ]


def _showing(flatbuffer: bytes, numbers: list[int]) -> bytes:
    """The same network with these tensors as its outputs."""
    model = unpack(flatbuffer)
    model.subgraphs[0].outputs = np.array(numbers, np.int32)
    # They name outputs that are no longer there.
    model.signatureDefs = []
    return pack(model)


def _padded_below(flatbuffer: bytes, graph: Graph) -> dict[int, int]:
    """The values that are padded by minus infinity for a maximum, each with what is padded.

    PyTorch's pooling pads so; Keras pools without.
    """
    found = {}
    for operator in graph.operators:
        if operator.name != "PADV2":
            continue
        value, _, pad = operator.inputs
        (padded,) = operator.outputs
        least = constant(flatbuffer, graph.tensors[pad])
        users = {other.name for other in graph.operators if padded in other.inputs}
        if (
            least is not None
            and least.size == 1
            and float(least.item()) < _LEAST
            and users == {"MAX_POOL_2D"}
        ):
            found[padded] = value
    return found


def _padded(flatbuffer: bytes, ranges: Ranges) -> bytes:
    """The network with the least of each range where minus infinity pads.

    An integer is never less than the least of its range, so a maximum never takes the padding
    but where that is what it would have taken.
    """
    found = _padded_below(flatbuffer, read_graph(flatbuffer, "the float32 network"))
    if not found:
        return flatbuffer
    model: Any = unpack(flatbuffer)
    for operator in model.subgraphs[0].operators:
        value = found.get(int(operator.outputs[0]))
        if value is None:
            continue
        operator.inputs[2] = add_scalar(model, ranges[value][0], f"padding/{value}")
    return pack(model)


def _with_ranges(flatbuffer: bytes, ranges: Ranges) -> bytes:
    from ai_edge_litert import schema_py_generated as schema

    model: Any = unpack(flatbuffer)
    for number, (low, high) in ranges.items():
        stated = schema.QuantizationParametersT()
        stated.min, stated.max = np.array([low], np.float32), np.array([high], np.float32)
        model.subgraphs[0].tensors[number].quantization = stated
    return pack(model)
