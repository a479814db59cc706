"""Small classifiers made of the schema alone, for mutators to start from: no TensorFlow is needed.

Nothing enters; the bytes of .tflite flatbuffers leave, without metadata. Each runs in LiteRT.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

SIDE, CLASSES = 16, 4
LABELS = tuple(f"class {i}" for i in range(CLASSES))

_OPERATORS = schema.BuiltinOperator
_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.uint8): schema.TensorType.UINT8,
}


class Sketch:
    """A model under construction."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.operatorCodes, self.model.buffers = [], [schema.BufferT()]
        self.graph = schema.SubGraphT()
        self.graph.name = b"main"
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs = [self.graph]

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: Any,
        *,
        scales: Sequence[float] = (),
        zero: int = 0,
        values: np.ndarray | None = None,
    ) -> int:
        """The index of a new tensor. scales: one, or one for each place of the first dimension."""
        made = schema.TensorT()
        made.name, made.shape, made.type = name.encode(), list(shape), _TYPES[np.dtype(dtype)]
        if scales:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale = list(scales)
            made.quantization.zeroPoint = [zero] * len(scales)
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.asarray(values, dtype).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            made.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def operator(
        self,
        code: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        kind: str = "",
        **options: Any,
    ) -> None:
        """Adds an operator. kind: of its table of options, whose names are the schema's."""
        entry = schema.OperatorCodeT()
        entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 3
        if code in (_OPERATORS.SOFTMAX, _OPERATORS.QUANTIZE, _OPERATORS.MEAN):
            entry.version = 2
        if code == _OPERATORS.RESHAPE:
            entry.version = 1
        self.model.operatorCodes.append(entry)
        made = schema.OperatorT()
        made.opcodeIndex = len(self.model.operatorCodes) - 1
        made.inputs, made.outputs = list(inputs), list(outputs)
        if kind:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            made.builtinOptions = getattr(schema, f"{kind}T")()
            for name, value in options.items():
                setattr(made.builtinOptions, name, value)
        self.graph.operators.append(made)

    def finished(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The flatbuffer."""
        self.graph.inputs, self.graph.outputs = list(inputs), list(outputs)
        return packed(self.model)


def packed(model: Any) -> bytes:
    """An object tree of the schema as a flatbuffer."""
    builder = flatbuffers.Builder(2**14)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def float_network() -> bytes:
    """Convolution, depthwise convolution, pooling, mean, dense layer, softmax; pixels 0..255 in."""
    random, sketch = np.random.default_rng(0), Sketch()
    ends = _float_layers(sketch, random)
    return sketch.finished(*ends)


def _float_layers(sketch: Sketch, random: np.random.Generator) -> tuple[list[int], list[int]]:
    def weights(name: str, *shape: int) -> int:
        values = random.normal(0, 0.05, shape).astype(np.float32)
        return sketch.tensor(name, shape, np.float32, values=values)

    f4, half = np.float32, SIDE // 2
    image = sketch.tensor("image", (1, SIDE, SIDE, 3), f4)
    a = sketch.tensor("a", (1, half, half, 8), f4)
    window = {"padding": 0, "strideW": 2, "strideH": 2, "fusedActivationFunction": 3}
    kernels = [image, weights("w1", 8, 3, 3, 3), weights("b1", 8)]
    sketch.operator(_OPERATORS.CONV_2D, kernels, [a], "Conv2DOptions", **window)
    b = sketch.tensor("b", (1, half, half, 8), f4)
    window = {"padding": 0, "strideW": 1, "strideH": 1, "depthMultiplier": 1}
    kernels = [a, weights("w2", 1, 3, 3, 8), weights("b2", 8)]
    sketch.operator(_OPERATORS.DEPTHWISE_CONV_2D, kernels, [b], "DepthwiseConv2DOptions", **window)
    c = sketch.tensor("c", (1, half // 2, half // 2, 8), f4)
    window = {"padding": 1, "strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2}
    sketch.operator(_OPERATORS.MAX_POOL_2D, [b], [c], "Pool2DOptions", **window)
    axes = sketch.tensor("axes", (2,), np.int32, values=np.array([1, 2]))
    d = sketch.tensor("d", (1, 8), f4)
    sketch.operator(_OPERATORS.MEAN, [c, axes], [d], "ReducerOptions", keepDims=False)
    e = sketch.tensor("e", (1, CLASSES), f4)
    kernels = [d, weights("w3", CLASSES, 8), weights("b3", CLASSES)]
    sketch.operator(_OPERATORS.FULLY_CONNECTED, kernels, [e], "FullyConnectedOptions")
    scores = sketch.tensor("scores", (1, CLASSES), f4)
    sketch.operator(_OPERATORS.SOFTMAX, [e], [scores], "SoftmaxOptions", beta=1.0)
    return [image], [scores]


def int8_network() -> bytes:
    """As a converter writes it: uint8 in and out, int8 inside, a scale for each channel."""
    random, sketch = np.random.default_rng(1), Sketch()
    half, i1 = SIDE // 2, np.int8
    image = sketch.tensor("image", (1, SIDE, SIDE, 3), np.uint8, scales=[1.0], zero=0)
    inside = sketch.tensor("inside", (1, SIDE, SIDE, 3), i1, scales=[1.0], zero=-128)
    sketch.operator(_OPERATORS.QUANTIZE, [image], [inside], "QuantizeOptions")
    a = sketch.tensor("a", (1, half, half, 8), i1, scales=[0.5], zero=-128)
    kernel = random.integers(-127, 128, (8, 3, 3, 3))
    bias = random.integers(-1000, 1000, 8)
    channels = [0.001 * (i + 1) for i in range(8)]
    inputs = [
        inside,
        sketch.tensor("w1", kernel.shape, i1, scales=channels, values=kernel),
        sketch.tensor("b1", (8,), np.int32, scales=channels, values=bias),
    ]
    window = {"padding": 0, "strideW": 2, "strideH": 2, "fusedActivationFunction": 1}
    sketch.operator(_OPERATORS.CONV_2D, inputs, [a], "Conv2DOptions", **window)
    axes = sketch.tensor("axes", (2,), np.int32, values=np.array([1, 2]))
    b = sketch.tensor("b", (1, 8), i1, scales=[0.5], zero=-128)
    sketch.operator(_OPERATORS.MEAN, [a, axes], [b], "ReducerOptions", keepDims=False)
    c = sketch.tensor("c", (1, CLASSES), i1, scales=[0.2], zero=0)
    kernel = random.integers(-127, 128, (CLASSES, 8))
    bias = random.integers(-1000, 1000, CLASSES)
    inputs = [
        b,
        sketch.tensor("w2", kernel.shape, i1, scales=[0.005], values=kernel),
        sketch.tensor("b2", (CLASSES,), np.int32, scales=[0.0025], values=bias),
    ]
    sketch.operator(_OPERATORS.FULLY_CONNECTED, inputs, [c], "FullyConnectedOptions")
    d = sketch.tensor("d", (1, CLASSES), i1, scales=[1 / 256], zero=-128)
    sketch.operator(_OPERATORS.SOFTMAX, [c], [d], "SoftmaxOptions", beta=1.0)
    scores = sketch.tensor("scores", (1, CLASSES), np.uint8, scales=[1 / 256], zero=0)
    sketch.operator(_OPERATORS.QUANTIZE, [d], [scores], "QuantizeOptions")
    return sketch.finished([image], [scores])
