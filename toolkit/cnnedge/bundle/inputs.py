"""What the inputs of a .tflite take, as the file states.

A graph and its standard metadata enter; one frozen InputMeaning for each input leaves: how its
dimensions are laid out, which of them are open, and how pixels are scaled.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from ..errors import ModelError
from ..specs.pixels import InputSize
from ..specs.signals import Sample, SignalSize
from . import metadata
from .graph import Graph, TensorInfo

# What pictures can be written as.
PICTURE_DTYPES = (
    *("uint8", "int8", "uint16", "int16", "int32", "int64"),
    *("float32", "float16", "float64"),
)
# Where height, width and channels are, by layout; -1: one value. Before them: pictures at once.
_AXES: dict[str, tuple[int, int, int]] = {
    "NHWC": (1, 2, 3),
    "NCHW": (2, 3, 1),
    "HWC": (0, 1, 2),
    "CHW": (1, 2, 0),
    "NHW": (1, 2, -1),
    "HW": (0, 1, -1),
}
# One row of all values; only a person can say how a picture is laid out in it.
FLAT = "flat"
# A signal: values in time, in channels.
SIGNAL = "NLC"
_COLOURS = (1, 3)

Dimension = int | None


@dataclass(frozen=True, kw_only=True)
class InputMeaning:
    """One input.

    layout: a picture's, like `NHWC`; `flat` for a row of values, `NLC` for a signal, whose length
    is its width, "" if it is neither. batch: at once; height, width, batch None: the caller
    chooses. default: height and
    width that the metadata states. normalization: the metadata's mean and std.
    """

    tensor: TensorInfo
    layout: str
    batch: Dimension
    height: Dimension
    width: Dimension
    channels: int
    default: tuple[int, int] | None
    normalization: metadata.Normalization | None

    @property
    def open(self) -> bool:
        """Whether the caller chooses a picture's height or width."""
        return self.layout not in ("", FLAT, SIGNAL) and None in (self.height, self.width)

    @property
    def real_range(self) -> tuple[float, float] | None:
        """The range of real numbers of a quantised input; None for others."""
        return real_range(self.tensor)

    def shape(self, size: Sample) -> tuple[int, ...]:
        """The tensor's shape for one sample of a size."""
        if self.layout in (FLAT, SIGNAL):
            return tuple(self.tensor.shape)
        shape = [1] * len(self.tensor.shape)
        for axis, length in zip(_AXES[self.layout], size.shape, strict=True):
            if axis >= 0:
                shape[axis] = length
        return tuple(shape)

    def as_json(self) -> dict[str, Any]:
        """For `inspect`."""
        found = self.real_range
        return {
            "layout": self.layout or None,
            "batch": self.batch,
            "height": self.height,
            "width": self.width,
            "channels": self.channels or None,
            "default_size": list(self.default) if self.default else None,
            "normalization": dataclasses.asdict(self.normalization) if self.normalization else None,
            "real_range": list(found) if found else None,
        }


def real_range(tensor: TensorInfo) -> tuple[float, float] | None:
    """The lowest and highest real number of a tensor with one scale; None without."""
    if len(tensor.scales) != 1 or not tensor.dtype.startswith(("int", "uint")):
        return None
    bits = int(tensor.dtype.lstrip("uint"))
    low = 0 if tensor.dtype[0] == "u" else -(2 ** (bits - 1))
    high = low + 2**bits - 1
    zero = tensor.zero_points[0] if tensor.zero_points else 0
    scale = tensor.scales[0]
    return (low - zero) * scale, (high - zero) * scale


def describe_inputs(graph: Graph, described: bytes | None) -> tuple[InputMeaning, ...]:
    """One description for each input, in the graph's order. described: the standard metadata."""
    first = graph.inputs[0]
    return tuple(
        _described(graph.tensors[i], described if i == first else None) for i in graph.inputs
    )


def _described(tensor: TensorInfo, described: bytes | None) -> InputMeaning:
    sizes = _dimensions(tensor)
    layout = _layout(sizes) if tensor.dtype in PICTURE_DTYPES else ""
    height, width, channels = _at(sizes, layout)
    return InputMeaning(
        tensor=tensor,
        layout=layout,
        batch=sizes[0] if layout[:1] == "N" else 1,
        height=height,
        width=width,
        channels=channels or 0,
        default=metadata.image_size(described) if described else None,
        normalization=metadata.normalization(described) if described else None,
    )


def _dimensions(tensor: TensorInfo) -> list[Dimension]:
    """The tensor's dimensions, None for those that the caller chooses."""
    shape = tensor.shape
    said = tensor.shape_signature if len(tensor.shape_signature) == len(shape) else shape
    return [None if s < 0 or d < 1 else d for s, d in zip(said, shape, strict=True)]


def _layout(sizes: list[Dimension]) -> str:
    if len(sizes) == 4:
        for layout in ("NHWC", "NCHW"):
            if sizes[_AXES[layout][2]] in _COLOURS and _are_sides(sizes, layout):
                return layout
    if len(sizes) == 3:
        for layout in ("HWC", "CHW", "NHW"):
            channels = _AXES[layout][2]
            coloured = channels < 0 or sizes[channels] in _COLOURS
            if coloured and _are_sides(sizes, layout):
                # A first dimension of 1 is a number of pictures rather than of colours.
                return "NHW" if layout == "CHW" and sizes[0] == 1 else layout
    if len(sizes) == 2 and sizes[1] is not None:
        if sizes[0] in (1, None):
            return FLAT
        return "HW" if _are_sides(sizes, "HW") else ""
    return ""


def _are_sides(sizes: list[Dimension], layout: str) -> bool:
    """Whether height and width may be those of a picture: one row of pixels is not a picture."""
    height, width = (sizes[axis] for axis in _AXES[layout][:2])
    if height == width == 1:
        return True
    return all(side is None or side > 1 for side in (height, width))


def _at(sizes: list[Dimension], layout: str) -> tuple[Dimension, Dimension, Dimension]:
    if layout not in _AXES:
        return None, None, None
    height, width, channels = _AXES[layout]
    sides = (sizes[height], sizes[width])
    # Old converters write just 1 for an open dimension.
    if sides == (1, 1):
        sides = (None, None)
    return (*sides, sizes[channels] if channels >= 0 else 1)


def as_signal(meaning: InputMeaning, size: SignalSize) -> InputMeaning:
    """The same input, as the signal that its maker says it is."""
    return dataclasses.replace(
        meaning,
        layout=SIGNAL,
        batch=1,
        height=1,
        width=size.length,
        channels=size.channels,
        default=None,
        normalization=None,
    )


def picture_size(
    inputs: tuple[InputMeaning, ...], given: tuple[int, int] | None, place: str
) -> InputSize:
    """The size of the one picture that a model takes. given: height and width, by a person.

    Raises ModelError if it takes no picture, if its size is open and nobody states it, and for
    a size that the file does not leave open.
    """
    meaning = inputs[0]
    if meaning.layout == SIGNAL:
        raise ModelError(
            f"{place}: this model takes signals of {meaning.width} values, not pictures, so this "
            "works only for pictures; cnnedge run, eval, inspect, verify and bench take it"
        )
    fixed = (meaning.height, meaning.width)
    flat = meaning.layout == FLAT and None in fixed
    if len(inputs) != 1 or not meaning.layout or (flat and given is None):
        raise ModelError(_no_picture(inputs, place))
    if flat and given is not None:
        return _folded(meaning, given, place)
    if meaning.open:
        own = tuple(s if s is not None else d for s, d in zip(fixed, _own(meaning), strict=True))
        height, width = given or own
        if height is None or width is None:
            raise ModelError(
                f"{place}: the input {_shown(meaning.tensor)} leaves height and width open, and "
                "the file states no size: set it with --input HxW, such as --input 224x224"
            )
    else:
        height, width = fixed
        assert height is not None and width is not None
    if given is not None and any(f not in (None, g) for f, g in zip(fixed, given, strict=True)):
        shown = "x".join("any" if side is None else str(side) for side in fixed)
        raise ModelError(
            f"{place}: the input has a fixed size of {shown}, but --input says "
            f"{given[0]}x{given[1]}; use that option only for a model that leaves its size open"
        )
    return InputSize(height=height, width=width, channels=meaning.channels)


def _own(meaning: InputMeaning) -> tuple[Dimension, Dimension]:
    """The size that the file itself states for what it leaves open."""
    if meaning.default:
        return meaning.default
    height, width, _ = _AXES[meaning.layout]
    sides = (meaning.tensor.shape[height], meaning.tensor.shape[width])
    return sides if min(sides) > 1 else (None, None)


def _folded(meaning: InputMeaning, given: tuple[int, int], place: str) -> InputSize:
    values = abs(math.prod(meaning.tensor.shape[1:]))
    channels = next((c for c in _COLOURS if given[0] * given[1] * c == values), None)
    if channels is None:
        raise ModelError(
            f"{place}: a picture of {given[0]}x{given[1]} does not fill the input "
            f"{_shown(meaning.tensor)}, neither in grey nor in colour"
        )
    return InputSize(height=given[0], width=given[1], channels=channels)


def _no_picture(inputs: tuple[InputMeaning, ...], place: str) -> str:
    found = ", ".join(_shown(i.tensor) for i in inputs)
    flat = len(inputs) == 1 and inputs[0].layout == FLAT
    more = " --input HxW states the size of the picture in such a row." if flat else ""
    return (
        f"{place}: the input is not one picture: found {found}; expected one of [1, height, width, "
        f"1 or 3], [1, 1 or 3, height, width] or [1, height, width].{more} 'cnnedge inspect' shows "
        "the whole model"
    )


def _shown(tensor: TensorInfo) -> str:
    said = tensor.shape_signature or tensor.shape
    return f"{tensor.dtype} {list(said)}"
