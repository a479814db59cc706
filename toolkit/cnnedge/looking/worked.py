"""One output pixel of a convolution, worked out number by number.

A model definition, the name of one of its convolutions and a picture enter; the window, the
weights, the sum of each channel, the bias and the result leave. The weights are made up: a
definition has none yet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SpecError
from ..preprocess import Pixels
from ..specs.arithmetic import same_padding
from ..specs.layers import resolve
from ..specs.limits import closest
from ..specs.model import LayerSpec, ModelSpec

Numbers = npt.NDArray[np.float64]
_Pad = tuple[tuple[int, int], tuple[int, int]]

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D")
# As Keras names layers that nobody named.
_KERAS_NAMES = {
    "Conv2D": "conv2d",
    "DepthwiseConv2D": "depthwise_conv2d",
}
SEED = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Worked:
    """One value of a convolution's output, and all that it was made of.

    layer: as Keras names it. row, column, filter: the place of the value in the output. top, left:
    of the window in the layer's input, negative in the padding. window, weights: float64
    [height, width, channels]; the padding is 0. channels: the input's channels in them, by number.
    bias: 0 where the layer has none, then biased is False. total: products and bias, added up.
    result: after the activation.
    """

    layer: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    row: int
    column: int
    filter: int
    top: int
    left: int
    window: Numbers
    weights: Numbers
    channels: tuple[int, ...]
    bias: float
    biased: bool
    total: float
    activation: str
    result: float

    @property
    def sums(self) -> Numbers:
        """The sum of the products of each channel, float64 [channels]."""
        return np.asarray((self.window * self.weights).sum(axis=(0, 1)), np.float64)


def convolutions(model: ModelSpec) -> dict[str, int]:
    """The names of a definition's convolutions, and their places in its list of layers."""
    counts: dict[str, int] = {}
    found = {}
    for place, layer in enumerate(model.layers):
        if layer.type not in _CONVOLUTIONS:
            continue
        name = _KERAS_NAMES[layer.type]
        number = counts.get(name, 0)
        counts[name] = number + 1
        found[f"{name}_{number}" if number else name] = place
    return found


def worked(model: ModelSpec, name: str, pixels: Pixels) -> Worked:
    """Works out the largest value of the convolution `name` for a picture.

    pixels: uint8 [height, width, channels], of the size that the definition is to take. Raises
    SpecError for a name that is none of `convolutions`, and for a layer behind a backbone.
    """
    known = convolutions(model)
    if model.backbone:
        raise SpecError(
            f"--worked {name}: the layers inside the backbone {model.backbone} are not in the "
            "definition. Choose a model without a backbone, such as lenet"
        )
    if name not in known:
        listed = f" Its convolutions: {', '.join(known)}" if known else " It has no convolution"
        raise SpecError(f"--worked {name}: no such layer.{closest(name, known)}{listed}")
    rng = np.random.default_rng(SEED)
    values = pixels.astype(np.float64)
    for layer in model.layers[: known[name]]:
        values = _forward(layer, values, rng)
    return _largest(name, model.layers[known[name]], values, rng)


def _largest(name: str, layer: LayerSpec, values: Numbers, rng: np.random.Generator) -> Worked:
    arguments = resolve(layer.arguments, 2)
    weights, bias = made_up_weights(layer.type, arguments, values.shape[2], rng)
    totals = _convolved(layer.type, arguments, values, weights) + bias
    activation = str(arguments.get("activation", "linear"))
    row, column, index = (int(i) for i in np.unravel_index(totals.argmax(), totals.shape))
    (first_row, _), (first_column, _) = _padding(arguments, arguments["kernel_size"], values)
    strides = arguments.get("strides", (1, 1))
    top, left = row * strides[0] - first_row, column * strides[1] - first_column
    window = _window(values, (top, left), arguments)
    channels: tuple[int, ...] = tuple(range(values.shape[2]))
    used = weights[..., index] if layer.type == "Conv2D" else weights[:, :, index, None]
    if layer.type != "Conv2D":
        channels = (index // arguments.get("depth_multiplier", 1),)
        window = window[:, :, channels[0], None]
    total = float(totals[row, column, index])
    return Worked(
        layer=name,
        input_shape=values.shape,
        output_shape=totals.shape,
        row=row,
        column=column,
        filter=index,
        top=top,
        left=left,
        window=window,
        weights=used,
        channels=channels,
        bias=float(bias[index]),
        biased=bool(arguments.get("use_bias", True)),
        total=total,
        activation=activation,
        result=float(_ACTIVATIONS.get(activation, _same)(np.asarray(total))),
    )


def _window(values: Numbers, corner: tuple[int, int], arguments: Mapping[str, Any]) -> Numbers:
    """The part of a map that the kernel covers; 0 beyond its border."""
    high, wide = arguments["kernel_size"]
    down, across = arguments.get("dilation_rate", (1, 1))
    found = np.zeros((high, wide, values.shape[2]))
    for i in range(high):
        for j in range(wide):
            row, column = corner[0] + i * down, corner[1] + j * across
            if 0 <= row < values.shape[0] and 0 <= column < values.shape[1]:
                found[i, j] = values[row, column]
    return found


def made_up_weights(
    layer: str, arguments: Mapping[str, Any], channels: int, rng: np.random.Generator
) -> tuple[Numbers, Numbers]:
    """Weights of two decimals, as large as He et al. (2015) begin with; and biases.

    Returns float64 [height, width, channels, filters] (depthwise: [height, width, filters]) and
    float64 [filters].
    """
    kernel = arguments["kernel_size"]
    if layer == "Conv2D":
        out = arguments["filters"]
        shape, inputs = (*kernel, channels, out), channels
    else:
        out = channels * arguments.get("depth_multiplier", 1)
        shape, inputs = (*kernel, out), 1
    deviation = math.sqrt(2 / (math.prod(kernel) * inputs))
    weights = np.round(rng.normal(0, deviation, shape), 2)
    bias = np.round(rng.uniform(-0.1, 0.1, out), 2) if arguments.get("use_bias", True) else 0.0
    return weights, np.broadcast_to(np.asarray(bias, np.float64), (out,))


def _forward(layer: LayerSpec, values: Numbers, rng: np.random.Generator) -> Numbers:
    """What one layer makes of a map."""
    arguments = resolve(layer.arguments, 2)
    kind = layer.type
    if kind in (*_CONVOLUTIONS, "SeparableConv2D"):
        values = _convolution(kind, arguments, values, rng)
        activation = _ACTIVATIONS.get(str(arguments.get("activation", "linear")), _same)
        return activation(values)
    if kind in ("MaxPooling2D", "AveragePooling2D"):
        return _pooled(kind, arguments, values)
    return _SIMPLE.get(kind, _passed)(values, arguments)


def _convolution(
    kind: str, arguments: Mapping[str, Any], values: Numbers, rng: np.random.Generator
) -> Numbers:
    if kind == "SeparableConv2D":
        depthwise = {k: v for k, v in arguments.items() if k not in ("filters", "activation")}
        values = _convolution("DepthwiseConv2D", {**depthwise, "use_bias": False}, values, rng)
        pointwise = {"filters": arguments["filters"], "kernel_size": (1, 1)}
        return _convolution("Conv2D", pointwise, values, rng)
    weights, bias = made_up_weights(kind, arguments, values.shape[2], rng)
    return _convolved(kind, arguments, values, weights) + bias


def _convolved(
    kind: str, arguments: Mapping[str, Any], values: Numbers, weights: Numbers
) -> Numbers:
    """Sums of products, float64 [height, width, filters]."""
    windows = _windows(arguments, arguments["kernel_size"], values, beyond=0.0)
    if kind == "Conv2D":
        return np.asarray(np.einsum("yxcij,ijcf->yxf", windows, weights), np.float64)
    times = weights.shape[2] // values.shape[2]
    return np.asarray(
        np.einsum("yxcij,ijc->yxc", np.repeat(windows, times, axis=2), weights), np.float64
    )


def _pooled(kind: str, arguments: Mapping[str, Any], values: Numbers) -> Numbers:
    pool = arguments.get("pool_size", (2, 2))
    arguments = {"strides": pool, **arguments}
    average = kind == "AveragePooling2D"
    windows = _windows(arguments, pool, values, beyond=np.nan if average else -np.inf)
    pooled = np.nanmean(windows, axis=(3, 4)) if average else windows.max(axis=(3, 4))
    return np.asarray(pooled, np.float64)


def _windows(
    arguments: Mapping[str, Any], kernel: tuple[int, int], values: Numbers, *, beyond: float
) -> Numbers:
    """All windows of a map: [rows, columns, channels, kernel height, kernel width]."""
    padded = np.pad(values, (*_padding(arguments, kernel, values), (0, 0)), constant_values=beyond)
    down, across = arguments.get("dilation_rate", (1, 1))
    reach = (kernel[0] - 1) * down + 1, (kernel[1] - 1) * across + 1
    found = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(0, 1))
    rows, columns = arguments.get("strides", (1, 1))
    return found[::rows, ::columns, :, ::down, ::across]


def _padding(arguments: Mapping[str, Any], kernel: tuple[int, int], values: Numbers) -> _Pad:
    """Values before and behind each axis."""
    if arguments.get("padding", "valid") != "same":
        return (0, 0), (0, 0)
    pads = []
    for size, length, stride, dilation in zip(
        values.shape[:2],
        kernel,
        arguments.get("strides", (1, 1)),
        arguments.get("dilation_rate", (1, 1)),
        strict=True,
    ):
        pads.append(same_padding(size, (length - 1) * dilation + 1, stride))
    return pads[0], pads[1]


def _same(values: Numbers) -> Numbers:
    return values


def _passed(values: Numbers, _: Mapping[str, Any]) -> Numbers:
    return values


def _rectified(values: Numbers, arguments: Mapping[str, Any]) -> Numbers:
    slope = float(arguments.get("negative_slope", arguments.get("alpha", 0.0)))
    most = float(arguments.get("max_value", math.inf))
    return np.asarray(np.minimum(np.where(values > 0, values, slope * values), most), np.float64)


_ACTIVATIONS: Mapping[str, Callable[[Numbers], Numbers]] = {
    "relu": lambda v: np.maximum(v, 0),
    "relu6": lambda v: np.clip(v, 0, 6),
    "tanh": lambda v: np.asarray(np.tanh(v), np.float64),
    "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "swish": lambda v: v / (1 + np.exp(-v)),
    "elu": lambda v: np.where(v > 0, v, np.expm1(v)),
    "softplus": lambda v: np.log1p(np.exp(v)),
    "hard_sigmoid": lambda v: np.clip(0.2 * v + 0.5, 0, 1),
}
# Layers that are not here leave an untrained network's values as they are.
_SIMPLE: Mapping[str, Callable[[Numbers, Mapping[str, Any]], Numbers]] = {
    "Rescaling": lambda v, a: v * a["scale"] + a.get("offset", 0.0),
    "ZeroPadding2D": lambda v, a: np.pad(v, (*a.get("padding", ((1, 1), (1, 1))), (0, 0))),
    # Fresh, it has seen a mean of 0 and a variance of 1.
    "BatchNormalization": lambda v, a: v / math.sqrt(1 + a.get("epsilon", 1e-3)),
    "ReLU": _rectified,
    "LeakyReLU": lambda v, a: _rectified(v, {"alpha": 0.3, **a}),
    "Activation": lambda v, a: _ACTIVATIONS.get(a["activation"], _same)(v),
}
