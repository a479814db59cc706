"""A float .tflite with operators put in front and behind, by editing the flatbuffer.

The bytes of a float32 model enter; those of a model of raw pixels [1, h, w, c] to probabilities
leave. Every delegate runs what is added: a 1x1 convolution, a transposition, a softmax.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..packing import add_buffer, pack, sign, unpack
from ..specs.pixels import InputSize
from . import heads
from .convention import Convention

Floats = npt.NDArray[np.float32]
_HIDES_WEIGHTS = b"keep_stablehlo_constant"


def pixel_kernel(convention: Convention, channels: int) -> tuple[Floats, Floats]:
    """(pixel - mean) / std and the order of channels as a 1x1 convolution.

    float32 [out, 1, 1, in] and [out].
    """
    scale = np.broadcast_to(np.array(convention.scale, np.float32), (channels,))
    order = np.eye(channels, dtype=np.float32)
    kernel = (order[::-1] if convention.bgr else order) * scale[:, np.newaxis]
    offset = np.broadcast_to(np.array(convention.offset, np.float32), (channels,))
    return kernel.reshape(channels, 1, 1, channels).astype(np.float32), offset.copy()


def wrapped(
    flatbuffer: bytes, size: InputSize, convention: Convention, head: str, *, channels_first: bool
) -> bytes:
    """The whole network. head: SHARES or LOGITS."""
    model = unpack(flatbuffer)
    edit = _Edit(model)
    if channels_first:
        edit.transposed_before(size)
    if not convention.raw:
        edit.convolved_before(size, *pixel_kernel(convention, size.channels))
    if head == heads.LOGITS:
        edit.softmax_behind()
    edit.name_tensors()
    sign(model, "image", "probabilities")
    return pack(model)


def with_softmax(flatbuffer: bytes) -> bytes:
    """The same network with a softmax behind, in the output's own type."""
    model = unpack(flatbuffer)
    _Edit(model).softmax_behind()
    sign(model, "image", "probabilities")
    return pack(model)


def with_signature(flatbuffer: bytes) -> bytes:
    """The same network with the signature that other runtimes and quantisers call it by."""
    model = unpack(flatbuffer)
    _Edit(model).name_tensors()
    sign(model, "image", "probabilities")
    return pack(model)


class _Edit:
    """The first subgraph of a model in the schema's object form, to be changed in place."""

    def __init__(self, model: Any) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema, self._model, self._main = schema, model, model.subgraphs[0]
        self._main.inputs = [int(t) for t in self._main.inputs]
        self._main.outputs = [int(t) for t in self._main.outputs]
        # litert-torch writes it, and TensorFlow's quantiser then takes no weights for weights: it
        # leaves every convolution in float, without a word.
        model.metadata = [m for m in model.metadata or [] if m.name != _HIDES_WEIGHTS]

    def transposed_before(self, size: InputSize) -> None:
        """Takes [1, h, w, c] for a network of [1, c, h, w]."""
        old, new = self._main.inputs[0], self._tensor("image", (1, *size.shape))
        order = self._constant("channels_first", np.array([0, 3, 1, 2], np.int32))
        options = self._schema.TransposeOptionsT()
        self._first("TRANSPOSE", [new, order], old, ("TransposeOptions", options))

    def convolved_before(self, size: InputSize, kernel: Floats, bias: Floats) -> None:
        """A 1x1 convolution of the picture in front."""
        old, new = self._main.inputs[0], self._tensor("image", (1, *size.shape))
        inputs = [new, self._constant("pixels/kernel", kernel), self._constant("pixels/bias", bias)]
        options = self._schema.Conv2DOptionsT()
        options.strideH = options.strideW = 1
        options.padding = self._schema.Padding.VALID
        self._first("CONV_2D", inputs, old, ("Conv2DOptions", options))

    def softmax_behind(self) -> None:
        """Probabilities of the output."""
        old = self._main.outputs[0]
        new = self._tensor("probabilities", tuple(int(n) for n in self._main.tensors[old].shape))
        given, made = self._main.tensors[old], self._main.tensors[new]
        if given.type != self._schema.TensorType.FLOAT32:
            # What the kernels of both types of byte demand.
            made.type = given.type
            made.quantization = self._schema.QuantizationParametersT()
            made.quantization.scale = np.array([1 / 256], np.float32)
            signed = given.type == self._schema.TensorType.INT8
            made.quantization.zeroPoint = np.array([-128 if signed else 0], np.int64)
        options = self._schema.SoftmaxOptionsT()
        options.beta = 1.0
        made = self._operator("SOFTMAX", [old], new, ("SoftmaxOptions", options))
        self._main.operators = [*self._main.operators, made]
        self._main.outputs = [new]

    def name_tensors(self) -> None:
        """Names that are all different: quantisers go by them."""
        seen: set[bytes] = set()
        for number, tensor in enumerate(self._main.tensors):
            name = tensor.name or b"tensor"
            name = name if isinstance(name, bytes) else name.encode()
            tensor.name = name if name not in seen else name + f"_{number}".encode()
            seen.add(tensor.name)

    def _first(self, kind: str, inputs: list[int], output: int, options: tuple[str, Any]) -> None:
        made = self._operator(kind, inputs, output, options)
        self._main.operators = [made, *self._main.operators]
        self._main.inputs = [inputs[0]]

    def _operator(self, kind: str, inputs: list[int], output: int, options: tuple[str, Any]) -> Any:
        made = self._schema.OperatorT()
        made.opcodeIndex = self._code(getattr(self._schema.BuiltinOperator, kind))
        made.inputs, made.outputs = inputs, [output]
        made.builtinOptionsType = getattr(self._schema.BuiltinOptions, options[0])
        made.builtinOptions = options[1]
        return made

    def _code(self, builtin: int) -> int:
        for index, known in enumerate(self._model.operatorCodes):
            if max(known.builtinCode, known.deprecatedBuiltinCode) == builtin and known.version < 2:
                return index
        code = self._schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = builtin
        code.version = 1
        self._model.operatorCodes = [*self._model.operatorCodes, code]
        return len(self._model.operatorCodes) - 1

    def _tensor(self, name: str, shape: tuple[int, ...]) -> int:
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name.encode(), list(shape), 0
        tensor.type = self._schema.TensorType.FLOAT32
        self._main.tensors = [*self._main.tensors, tensor]
        return len(self._main.tensors) - 1

    def _constant(self, name: str, values: npt.NDArray[Any]) -> int:
        number = self._tensor(name, values.shape)
        tensor = self._main.tensors[number]
        tensor.buffer = add_buffer(self._model, values.tobytes())
        if values.dtype == np.int32:
            tensor.type = self._schema.TensorType.INT32
        return number
