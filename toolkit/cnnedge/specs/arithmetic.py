"""The arithmetic of a network, without building it.

A ModelSpec, an input size and a number of classes enter; one row per layer, and one for a
backbone, leaves: output shape, parameters, multiply-accumulates, receptive field and the sum that
gives the size. It follows
TensorFlow's padding exactly, so the rows equal what Keras builds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import SpecError
from .backbones import BACKBONES, Backbone
from .layers import resolve
from .model import LayerSpec, ModelSpec
from .signals import Sample, SignalSize

Arguments = Mapping[str, Any]

BACKBONE_INDEX = -1
# The largest published image networks have a few billion; nothing here trains so many.
MOST_PARAMETERS = 2**31
MOST_VALUES = 2**31


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """What one layer does to shape and cost.

    index: the layer's place in the definition, from 0; -1 for the backbone. type: the layer's Keras
    name, or the backbone's. output_shape: without the batch.
    activation_values: numbers in the output of one picture (4 bytes each as float32, 1 as uint8).
    parameters: all; trainable_parameters: without batch statistics.
    macs: multiply-accumulates of convolutions and fully connected layers for one picture; scaling
    and batch normalisation count nothing, as conversion folds them into their neighbours.
    receptive_field: (height, width) in input pixels that one output value can depend on at most,
    never more than the picture.
    arithmetic: the sum that gives the output size, as text.
    dense_equivalent, dense_equivalent_macs: parameters and macs if a convolution were a fully
    connected layer between the same values; any other layer's own.
    """

    index: int
    type: str
    output_shape: tuple[int, ...]
    activation_values: int
    parameters: int
    trainable_parameters: int
    macs: int
    receptive_field: tuple[int, int]
    arithmetic: str
    dense_equivalent: int
    dense_equivalent_macs: int


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One direction of a feature map, and which input pixels its values see.

    Value i sees `span` pixels from `start + i * jump` on (Araujo et al., "Computing Receptive
    Fields of Convolutional Neural Networks", Distill 2019); pixels outside are padding.
    """

    size: int
    jump: int = 1
    start: int = 0
    span: int = 1

    def window(self, size: int, kernel: int, stride: int, before: int) -> Axis:
        """After a window of `kernel` values, moved by `stride`, with `before` values padded."""
        return Axis(
            size=size,
            jump=self.jump * stride,
            start=self.start - before * self.jump,
            span=self.span + (kernel - 1) * self.jump,
        )

    def whole(self) -> Axis:
        """After one value has seen all of this direction."""
        return self.window(1, self.size, 1, 0)

    def visible(self, pixels: int) -> int:
        """The most of the picture's `pixels` that one value sees."""
        # What is seen grows until a value's pixels reach both ends of the picture, then shrinks.
        turns = (-self.start, pixels - self.span - self.start)
        places = {0, self.size - 1, *(t // self.jump + k for t in turns for k in (0, 1))}
        starts = (self.start + i * self.jump for i in places if 0 <= i < self.size)
        return max(min(pixels, s + self.span) - max(0, s) for s in starts)


@dataclass(frozen=True, kw_only=True)
class _Step:
    """A layer's outcome: the shape and axes that the next one gets, and the costs."""

    shape: tuple[int, ...]
    axes: tuple[Axis, Axis]
    parameters: int = 0
    frozen: int = 0
    macs: int = 0
    arithmetic: str = ""
    dense: tuple[int, int] | None = None


def trace(model: ModelSpec, size: Sample | None, classes: int) -> list[LayerRow]:
    """One row per layer of `model`, in order, after one for its backbone if it has one.

    size: the input picture or signal, None for the model's own; classes: the number of classes.
    Raises SpecError for shapes that cannot be, and for a model that does not end in one softmax
    probability per class.
    """
    if classes < 2:
        raise SpecError(f"a classifier needs at least 2 classes, found {classes}")
    picture = size or model.input
    height, width, _ = picture.map
    step = _Step(shape=picture.map, axes=(Axis(size=height), Axis(size=width)))
    rows = []
    complaint = model.check_input(picture)
    if complaint:
        raise SpecError(complaint)
    if model.backbone:
        step = _backbone(step, model.backbone)
        rows.append(_row(BACKBONE_INDEX, model.backbone, step, picture))
    for index, layer in enumerate(model.layers):
        try:
            step = _STEPS[layer.type](step, layer.type, resolve(layer.arguments, classes))
        except SpecError as error:
            raise SpecError(
                f"layers[{index}].{layer.type}: {error} (input {picture.noun} "
                f"{_times(picture.shape)})"
            ) from None
        rows.append(_row(index, layer.type, step, picture))
        _check_size(rows)
    _check_end(model.layers, rows, classes)
    return rows


def _row(index: int, layer: str, step: _Step, picture: Sample) -> LayerRow:
    vertical, horizontal = step.axes
    dense, dense_macs = step.dense or (step.parameters, step.macs)
    height, width, _ = picture.map
    one_row = isinstance(picture, SignalSize) and len(step.shape) == 3
    return LayerRow(
        index=index,
        type=layer,
        output_shape=step.shape[1:] if one_row else step.shape,
        activation_values=math.prod(step.shape),
        parameters=step.parameters,
        trainable_parameters=step.parameters - step.frozen,
        macs=step.macs,
        receptive_field=(vertical.visible(height), horizontal.visible(width)),
        arithmetic=_along(step.arithmetic) if one_row else step.arithmetic,
        dense_equivalent=dense,
        dense_equivalent_macs=dense_macs,
    )


def _check_size(rows: list[LayerRow]) -> None:
    """Raises SpecError before Keras asks for memory that no machine has."""
    last = rows[-1]
    parameters = sum(row.parameters for row in rows)
    for count, most, what in (
        (parameters, MOST_PARAMETERS, "parameters up to here"),
        (last.activation_values, MOST_VALUES, "values in its output"),
    ):
        if count > most:
            raise SpecError(
                f"layers[{last.index}].{last.type}: {count:,} {what}; the limit is {most:,}. Use "
                "fewer channels or units, or more pooling before it"
            )


def _check_end(layers: tuple[LayerSpec, ...], rows: list[LayerRow], classes: int) -> None:
    last = rows[-1]
    where = f"layers[{last.index}].{last.type}"
    if last.output_shape != (classes,):
        raise SpecError(
            f"{where}: the model ends in shape [{_times(last.output_shape)}], but it must end in "
            f"one value for each of the {classes} classes. End it with Dense: {{units: classes, "
            "activation: softmax}, after Flatten or GlobalAveragePooling2D"
        )
    if layers[-1].arguments.get("activation") != "softmax":
        raise SpecError(
            f"{where}: the model must end in probabilities. Give its last layer "
            f"'activation: softmax', or add Activation: {{activation: softmax}}"
        )


def _backbone(before: _Step, name: str) -> _Step:
    backbone = BACKBONES[name]
    height, width = (axis.size for axis in before.axes)
    (vertical, down), (horizontal, across) = (
        _backbone_axis(backbone, pixels) for pixels in (height, width)
    )
    return _Step(
        shape=(vertical.size, horizontal.size, backbone.channels),
        axes=(vertical, horizontal),
        parameters=backbone.parameters,
        frozen=backbone.parameters - backbone.trainable_parameters,
        macs=backbone.macs(height, width),
        arithmetic=_both(down, across),
    )


def _backbone_axis(backbone: Backbone, pixels: int) -> tuple[Axis, str]:
    places = backbone.map_size(pixels)
    # Twice the picture, centred, reaches both of its ends from every place.
    span = backbone.receptive_field or 2 * (places + 1) * backbone.stride
    start = (backbone.stride - span) // 2
    quotient = f"{pixels}/{backbone.stride}"
    text = f"ceil({quotient})" if pixels % backbone.stride else quotient
    axis = Axis(size=places, jump=backbone.stride, start=start, span=span)
    return axis, f"{text} = {places}"


def _both(vertical: str, horizontal: str) -> str:
    return vertical if vertical == horizontal else f"height {vertical}, width {horizontal}"


def _along(both: str) -> str:
    """Of a map of one row, the sum that says something."""
    return both.partition(", width ")[2] or both


def _picture(before: _Step) -> tuple[int, int, int]:
    if len(before.shape) != 3:
        raise SpecError(
            "this layer needs a feature map of height x width x channels, but its input is a row "
            f"of {_times(before.shape)} values. Move it before Flatten, Dense or global pooling"
        )
    height, width, channels = before.shape
    return height, width, channels


def _slide(
    before: _Step, kernel: tuple[int, int], arguments: Arguments, strides: tuple[int, int]
) -> tuple[tuple[Axis, Axis], str]:
    """Both axes after a moving window, and the sums that give their sizes."""
    _picture(before)
    same = arguments.get("padding", "valid") == "same"
    dilation = arguments.get("dilation_rate", (1, 1))
    if not same:
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        if any(r > a.size for r, a in zip(reach, before.axes, strict=True)):
            raise SpecError(
                f"its window of {_times(reach)} is larger than its input of "
                f"{_times(before.shape[:2])}. Use 'padding: same', a smaller window, less "
                f"pooling before it or a larger input picture"
            )
    axes, sums = zip(
        *(
            _slide_axis(axis, k, d, s, same)
            for axis, k, d, s in zip(before.axes, kernel, dilation, strides, strict=True)
        ),
        strict=True,
    )
    vertical, horizontal = axes
    return (vertical, horizontal), _both(sums[0], sums[1])


def same_padding(size: int, reach: int, stride: int) -> tuple[int, int]:
    """How many values `padding: same` puts before and behind an axis of `size`.

    TensorFlow's rule: it gives ceil(size / stride), and pads the odd value at the end. reach: of
    the window, with its dilation.
    """
    total = max((math.ceil(size / stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def _slide_axis(
    axis: Axis, kernel: int, dilation: int, stride: int, same: bool
) -> tuple[Axis, str]:
    reach = (kernel - 1) * dilation + 1
    first, last = same_padding(axis.size, reach, stride) if same else (0, 0)
    total = first + last
    size = (axis.size + total - reach) // stride + 1
    pad = f" + 2*{first}" if total == 2 * first else f" + {first}+{last}"
    pad = pad if total else ""
    window = f"{kernel}" if dilation == 1 else f"({dilation}*({kernel} - 1) + 1)"
    quotient = f"({axis.size}{pad} - {window})/{stride}"
    if (axis.size + total - reach) % stride:
        quotient = f"floor({quotient})"
    return axis.window(size, reach, stride, first), f"{quotient} + 1 = {size}"


def _convolution(before: _Step, layer: str, arguments: Arguments) -> _Step:
    channels = _picture(before)[2]
    kernel = arguments["kernel_size"]
    axes, text = _slide(before, kernel, arguments, arguments.get("strides", (1, 1)))
    wide = channels * arguments.get("depth_multiplier", 1)
    if layer == "DepthwiseConv2D":
        out, weights = wide, math.prod(kernel) * wide
    elif layer == "SeparableConv2D":
        out = arguments["filters"]
        weights = math.prod(kernel) * wide + wide * out
    else:
        out = arguments["filters"]
        weights = math.prod(kernel) * channels * out
    biased = arguments.get("use_bias", True)
    places = axes[0].size * axes[1].size
    dense = math.prod(before.shape) * places * out
    return _Step(
        shape=(axes[0].size, axes[1].size, out),
        axes=axes,
        parameters=weights + (out if biased else 0),
        macs=places * weights,
        arithmetic=text,
        dense=(dense + (places * out if biased else 0), dense),
    )


def _pooling(before: _Step, layer: str, arguments: Arguments) -> _Step:
    kernel = arguments.get("pool_size", (2, 2))
    axes, text = _slide(before, kernel, arguments, arguments.get("strides", kernel))
    shape = (axes[0].size, axes[1].size, _picture(before)[2])
    return _Step(shape=shape, axes=axes, arithmetic=text)


def _global_pooling(before: _Step, layer: str, arguments: Arguments) -> _Step:
    height, width, channels = _picture(before)
    axes = (before.axes[0].whole(), before.axes[1].whole())
    return _Step(shape=(channels,), axes=axes, arithmetic=f"{height}x{width} -> 1, per channel")


def _zero_padding(before: _Step, layer: str, arguments: Arguments) -> _Step:
    height, width, channels = _picture(before)
    sides = arguments.get("padding", ((1, 1), (1, 1)))
    axes = [
        axis.window(axis.size + first + last, 1, 1, first)
        for axis, (first, last) in zip(before.axes, sides, strict=True)
    ]
    sums = [
        f"{n} + {first} + {last} = {n + first + last}"
        for n, (first, last) in zip((height, width), sides, strict=True)
    ]
    shape = (axes[0].size, axes[1].size, channels)
    return _Step(shape=shape, axes=(axes[0], axes[1]), arithmetic=_both(sums[0], sums[1]))


def _flatten(before: _Step, layer: str, arguments: Arguments) -> _Step:
    values = math.prod(before.shape)
    text = f"{'*'.join(str(n) for n in before.shape)} = {values}" if len(before.shape) > 1 else ""
    return _Step(shape=(values,), axes=before.axes, arithmetic=text)


def _dense(before: _Step, layer: str, arguments: Arguments) -> _Step:
    *places, inputs = before.shape
    units = arguments["units"]
    weights = inputs * units
    flat = not places
    return _Step(
        shape=(*places, units),
        axes=(before.axes[0].whole(), before.axes[1].whole()) if flat else before.axes,
        parameters=weights + (units if arguments.get("use_bias", True) else 0),
        macs=math.prod(places) * weights,
        arithmetic=f"{inputs} -> {units}",
    )


def _normalization(before: _Step, layer: str, arguments: Arguments) -> _Step:
    channels = before.shape[-1]
    learned = arguments.get("center", True) + arguments.get("scale", True)
    return _passed(before, parameters=(2 + learned) * channels, frozen=2 * channels)


def _map_wise(before: _Step, layer: str, arguments: Arguments) -> _Step:
    _picture(before)
    return _passed(before)


def _value_wise(before: _Step, layer: str, arguments: Arguments) -> _Step:
    return _passed(before)


def _passed(before: _Step, parameters: int = 0, frozen: int = 0) -> _Step:
    kept = _Step(shape=before.shape, axes=before.axes)
    return replace(kept, parameters=parameters, frozen=frozen)


def _times(numbers: tuple[int, ...] | list[int]) -> str:
    return "x".join(str(n) for n in numbers)


_STEPS: Mapping[str, Callable[[_Step, str, Arguments], _Step]] = {
    "Rescaling": _value_wise,
    "Conv2D": _convolution,
    "DepthwiseConv2D": _convolution,
    "SeparableConv2D": _convolution,
    "Conv1D": _convolution,
    "MaxPooling1D": _pooling,
    "AveragePooling1D": _pooling,
    "GlobalAveragePooling1D": _global_pooling,
    "GlobalMaxPooling1D": _global_pooling,
    "MaxPooling2D": _pooling,
    "AveragePooling2D": _pooling,
    "GlobalAveragePooling2D": _global_pooling,
    "GlobalMaxPooling2D": _global_pooling,
    "ZeroPadding2D": _zero_padding,
    "Flatten": _flatten,
    "Dense": _dense,
    "Dropout": _value_wise,
    "SpatialDropout2D": _map_wise,
    "BatchNormalization": _normalization,
    "Activation": _value_wise,
    "ReLU": _value_wise,
    "LeakyReLU": _value_wise,
}
