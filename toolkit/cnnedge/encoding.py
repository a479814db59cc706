"""Input pixels to the values of a model's input tensor.

The description of an input and what a person says of the model enter; an Encoder leaves, with
what neither stated and cnnedge assumed. A quantised input holds the real number that a pixel
stands for, by its own scale and zero point: round(real / scale + zero_point), clipped to its type.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .bundle import Guest, ModelFile
from .bundle.guest import PIXEL_RANGES
from .bundle.inputs import InputMeaning
from .errors import ModelError
from .preprocess import Pixels

Values = npt.NDArray[Any]
_Reals = npt.NDArray[np.float64]

_LEVELS = np.arange(256, dtype=np.float64)
# The fraction of a pixel range by which a quantised range may miss it and still match.
_MATCH = 0.02
# Real numbers above the first are pixels; if none is above the second, they are fractions.
_PIXELS_FROM, _SHARES_UP_TO = 16.0, 1.5
_CHANNELS_FIRST = ("NCHW", "CHW")


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """(pixel - mean) / std, one value or one for each channel. raw: pixels are the tensor's own
    values, whatever its quantisation. said: what had to be assumed."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    raw: bool = False
    said: tuple[str, ...] = ()


class Encoder:
    """Turns uint8 pixels [height, width, channels] into the tensor's values, of its shape.

    in_place: the tensor is the pixels themselves, in the same order: they may be written to its
    memory. channels_first, bgr: how the tensor's values lie. assumptions: what nobody said. Raises
    ModelError if pictures cannot be given.
    """

    def __init__(self, model: ModelFile, guest: Guest) -> None:
        meaning = model.inputs[0]
        scaling = _scaling(model, meaning, guest)
        size = model.picture_size()
        self.assumptions = scaling.said
        self._shape = meaning.shape(size)
        self._channels = size.channels
        self.channels_first = meaning.layout in _CHANNELS_FIRST and size.channels > 1
        self.bgr = guest.bgr and size.channels > 1
        for name, values in (("mean", scaling.mean), ("std", scaling.std)):
            if len(values) not in (1, size.channels):
                raise ModelError(
                    f"{model.path}: {name} has {len(values)} values; the input has "
                    f"{size.channels} channel{'s' if size.channels > 1 else ''}"
                )
        self._values, identity = _values(meaning, scaling)
        self.in_place = identity and not self.channels_first and not self.bgr

    def levels(self) -> Values:
        """[256, channels] of the tensor's type: what becomes of each level of each channel, in
        the tensor's order of channels."""
        ramp = np.arange(256, dtype=np.uint8)[:, np.newaxis, np.newaxis]
        found = self._values(np.repeat(ramp, self._channels, axis=2))
        return found.reshape(256, self._channels)

    def __call__(self, pixels: Pixels) -> Values:
        """uint8 [height, width, channels], RGB or grey."""
        if self.bgr:
            pixels = np.ascontiguousarray(pixels[..., ::-1])
        values = self._values(pixels)
        if self.channels_first:
            values = np.ascontiguousarray(values.transpose(2, 0, 1))
        return values.reshape(self._shape)


def _values(meaning: InputMeaning, scaling: Scaling) -> tuple[Callable[[Pixels], Values], bool]:
    """Pixels to values, in the order of the pixels; and whether that changes anything."""
    dtype = meaning.tensor.dtype
    mean, std = (np.asarray(v, np.float32) for v in (scaling.mean, scaling.std))
    if dtype.startswith("float"):
        wanted = np.dtype(dtype)
        if not mean.any() and (std == 1).all():
            return (lambda pixels: pixels.astype(wanted)), False
        return (
            lambda pixels: ((pixels.astype(np.float32) - mean) / std).astype(wanted, copy=False)
        ), False
    table = _table(meaning, scaling)
    if dtype == "uint8" and (table == np.arange(256)).all():
        return (lambda pixels: pixels), True
    if dtype == "int8" and (table == np.arange(-128, 128)).all():
        return (lambda pixels: (pixels ^ np.uint8(128)).view(np.int8)), False
    if dtype in ("uint8", "int8"):
        one = table[0] if len(table) == 1 else np.ascontiguousarray(table.T)[np.newaxis]
        return (lambda pixels: cv2.LUT(pixels, one).reshape(pixels.shape)), False
    rows = np.arange(len(table)) if len(table) > 1 else 0
    return (lambda pixels: table[rows, pixels]), False


def _table(meaning: InputMeaning, scaling: Scaling) -> Values:
    """[1 or channels, 256] of the tensor's type: the value of each pixel."""
    tensor = meaning.tensor
    limits = np.iinfo(tensor.dtype)
    if scaling.raw:
        # Signed bytes are the same levels, moved.
        found = _LEVELS[np.newaxis] + (limits.min if tensor.dtype == "int8" else 0)
    else:
        found = quantised(_real(scaling), meaning)
    return np.clip(found, limits.min, limits.max).astype(tensor.dtype)


def _real(scaling: Scaling) -> _Reals:
    mean, std = (np.asarray(v, np.float64)[:, np.newaxis] for v in (scaling.mean, scaling.std))
    found: _Reals = (_LEVELS - mean) / std
    return found


def quantised(real: _Reals, meaning: InputMeaning) -> _Reals:
    """Real numbers by the tensor's scale and zero point, rounded, not yet clipped."""
    tensor = meaning.tensor
    scale = tensor.scales[0] if tensor.scales else 1.0
    zero = tensor.zero_points[0] if tensor.zero_points else 0
    return np.round(real / scale + zero)


def _scaling(model: ModelFile, meaning: InputMeaning, guest: Guest) -> Scaling:
    """How pixels become real numbers: by the person, by the file, or by assumption."""
    tensor = meaning.tensor
    if len(tensor.scales) > 1:
        raise ModelError(
            f"{model.path}: the input has {len(tensor.scales)} scales; pictures need an input with "
            "one scale"
        )
    if guest.scales:
        return told_scaling(guest)
    if model.provenance is not None:
        return Scaling(raw=True)
    if meaning.normalization is not None:
        stated = Scaling(mean=meaning.normalization.mean, std=meaning.normalization.std)
        return _unless_contradicted(stated, model, meaning)
    if tensor.dtype.startswith("float"):
        mean, std = PIXEL_RANGES["0..1"]
        said = (
            "the file has no normalisation: pixels are scaled to 0..1 (if the model was trained "
            "otherwise, set --pixels -1..1 or 0..255)"
        )
        return Scaling(mean=(mean,), std=(std,), said=(said,))
    return _by_quantisation(meaning)


def told_scaling(guest: Guest) -> Scaling:
    """What a person says: (pixel - mean) / std of pixels 0..255."""
    mean, std = guest.numbers("mean") or (0.0,), guest.numbers("std") or (1.0,)
    said: tuple[str, ...] = ()
    base = (0.0, 1.0)
    if guest.pixel_range is not None:
        base = PIXEL_RANGES[guest.pixel_range]
    elif max(map(abs, (*mean, *std))) <= 1 and any(abs(s) < 1 for s in std):
        base = PIXEL_RANGES["0..1"]
        said = ("mean and std are 1 or less: they are applied to pixels scaled to 0..1",)
    shift, factor = base
    # ((pixel - shift) / factor - mean) / std, as one step.
    return Scaling(
        mean=tuple(shift + factor * m for m in mean), std=tuple(factor * s for s in std), said=said
    )


def _unless_contradicted(stated: Scaling, model: ModelFile, meaning: InputMeaning) -> Scaling:
    """The metadata's scaling, unless a quantised input cannot hold most of what comes of it."""
    if not all(map(math.isfinite, (*stated.mean, *stated.std))) or 0.0 in stated.std:
        raise ModelError(
            f"{model.path}: the metadata's mean {list(stated.mean)} and std {list(stated.std)} "
            "cannot be used for scaling; say what the model takes with --mean and --std, or "
            "--pixels"
        )
    if (
        meaning.channels == 1
        and len(stated.mean) > 1
        and len(set(zip(stated.mean, stated.std, strict=True))) == 1
    ):
        stated = Scaling(mean=stated.mean[:1], std=stated.std[:1])
    if meaning.real_range is None:
        return stated
    if meaning.tensor.dtype not in ("uint8", "int8") or not _contradicted(stated, meaning):
        return stated
    low, high = meaning.real_range
    said = (
        f"the metadata's mean and std do not fit the input's quantisation ({low:.4g} to "
        f"{high:.4g}): pixels are passed unchanged (change this with --pixels, or --mean and --std)"
    )
    return Scaling(raw=True, said=(said,))


def _contradicted(stated: Scaling, meaning: InputMeaning) -> bool:
    """Whether the quantisation holds another usual range, or can hold hardly any of this one."""
    real = _real(stated)
    usual = _usual(meaning)
    if usual is not None:
        span = usual[1] - usual[0]
        return bool(np.abs(np.array([real.min(), real.max()]) - usual).max() > span / 4)
    limits = np.iinfo(meaning.tensor.dtype)
    found = quantised(real, meaning)
    return bool(np.mean((found < limits.min - 1) | (found > limits.max + 1)) > 0.75)


def _usual(meaning: InputMeaning) -> tuple[float, float] | None:
    """The ends of the usual range of pixels that a quantisation of 8 bits has; None: of none."""
    found = meaning.real_range
    if found is None or meaning.tensor.dtype not in ("uint8", "int8"):
        return None
    for mean, std in PIXEL_RANGES.values():
        ends = -mean / std, (255 - mean) / std
        near = _MATCH * (ends[1] - ends[0])
        if abs(found[0] - ends[0]) <= near and abs(found[1] - ends[1]) <= near:
            return ends
    return None


def _by_quantisation(meaning: InputMeaning) -> Scaling:
    """What the range of a quantised input says about its pixels."""
    dtype, found = meaning.tensor.dtype, meaning.real_range
    if found is None:
        if dtype == "uint8":
            return Scaling(raw=True)
        said = f"the {dtype} input has no scale: pixels are passed unchanged, "
        shown = "-128..127" if dtype == "int8" else "0..255"
        return Scaling(raw=True, said=(f"{said}{shown} (change this with --pixels)",))
    if _usual(meaning) is not None:
        # One step of the quantisation is one level of a pixel.
        return Scaling(raw=True)
    low, high = found
    largest = max(abs(low), abs(high))
    if largest > _PIXELS_FROM:
        name = "0..255"
    elif largest > _SHARES_UP_TO and dtype in ("uint8", "int8"):
        said = (
            f"the input's quantisation ranges from {low:.4g} to {high:.4g}, which is not a usual "
            "range of pixels: it is treated as black to white (change this with --mean and --std, "
            "or --pixels)"
        )
        return Scaling(raw=True, said=(said,))
    else:
        name = "-1..1" if low < -_MATCH and dtype in ("uint8", "int8") else "0..1"
    mean, std = PIXEL_RANGES[name]
    said = (
        f"the file has no normalisation: pixels are scaled to {name}, as the input's quantisation "
        f"suggests ({low:.4g} to {high:.4g}; change this with --pixels, or --mean and --std)"
    )
    return Scaling(mean=(mean,), std=(std,), said=(said,))
