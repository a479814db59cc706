"""What one answer of a model is: labels, or a picture.

The meanings of its inputs and outputs enter; a PictureAnswer leaves, or None for a model that
answers anything else. Conversion, scoring, a run and the reports ask this description, not the
graph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .guest import PIXEL_RANGES
from .inputs import FLAT, SIGNAL, InputMeaning, real_range
from .outputs import SIGMOID, OutputMeaning

# A picture of fewer pixels a side is a map of scores.
_SHORTEST = 8
_COLOURS = (1, 3)
_DTYPES = ("float32", "float16", "uint8", "int8", "int16")
# How far a quantised range may lie from a usual one, as a share of it.
_NEAR = 0.02
_TANH = "its last operator is TANH"


@dataclass(frozen=True, kw_only=True)
class PictureAnswer:
    """A picture as an answer.

    height, width: in pixels, None where they follow the input's. channels: 3 (RGB) or 1 (grey).
    channels_first: how its values lie. low, high: the real numbers that are black and white; None
    where the file does not say, and the input's are taken. because: the evidence for those.
    """

    height: int | None
    width: int | None
    channels: int
    channels_first: bool = False
    low: float | None = None
    high: float | None = None
    because: str = ""

    def as_json(self) -> dict[str, Any]:
        """For `inspect`."""
        return {
            "kind": "picture",
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "black": self.low,
            "white": self.high,
            "because": self.because,
        }


def picture_answer(
    inputs: tuple[InputMeaning, ...], outputs: tuple[OutputMeaning, ...]
) -> PictureAnswer | None:
    """Of a model that takes one picture and answers one of the same shape, in whatever size."""
    if len(inputs) != 1 or len(outputs) != 1 or inputs[0].layout in ("", FLAT, SIGNAL):
        return None
    taken, given = inputs[0], outputs[0]
    if given.tensor.dtype not in _DTYPES or len(given.tensor.shape) != 4:
        return None
    found = _placed(given.tensor.shape, given.tensor.shape_signature)
    if found is None:
        return None
    height, width, channels, first = found
    if taken.open:
        # Of an open input the file states the answer for any size at all.
        height = width = None
    elif not _alike(taken, height, width):
        return None
    low, high, because = _range(given)
    return PictureAnswer(
        height=height,
        width=width,
        channels=channels,
        channels_first=first,
        low=low,
        high=high,
        because=because,
    )


def _placed(shape: Any, signature: Any) -> tuple[int | None, int | None, int, bool] | None:
    """(height, width, channels, channels first) of a tensor of four dimensions."""
    said = signature if len(signature) == len(shape) else shape
    sides = [None if s < 0 or d < 1 else int(d) for s, d in zip(said, shape, strict=True)]
    for place, first in ((3, False), (1, True)):
        channels = sides[place]
        height, width = (sides[2], sides[3]) if first else (sides[1], sides[2])
        both = (height, width)
        if channels in _COLOURS and all(s is None or s >= _SHORTEST for s in both):
            return height, width, int(channels or 0), first
    return None


def _alike(taken: InputMeaning, height: int | None, width: int | None) -> bool:
    """Whether a picture has the shape of the input, to the pixel that rounding takes."""
    if None in (height, width, taken.height, taken.width):
        return height is None and width is None
    assert height and width and taken.height and taken.width
    ratio = height / taken.height
    return math.isclose(width, taken.width * ratio, abs_tol=max(1.0, ratio))


def _range(given: OutputMeaning) -> tuple[float | None, float | None, str]:
    """Black and white: by the metadata, by the quantisation, by the last operator."""
    if given.stated is not None and given.stated[1] > given.stated[0]:
        return (*given.stated, "its metadata states the range")
    found = real_range(given.tensor)
    if found is not None and given.tensor.dtype in ("uint8", "int8"):
        for mean, std in PIXEL_RANGES.values():
            low, high = -mean / std, (255 - mean) / std
            near = _NEAR * (high - low)
            if abs(found[0] - low) <= near and abs(found[1] - high) <= near:
                return low, high, "its quantisation has this range"
    if given.tensor.dtype == "uint8" and found is None:
        return 0.0, 255.0, "its type is uint8"
    if given.kind == SIGMOID:
        return 0.0, 1.0, given.because
    if given.because == _TANH:
        return -1.0, 1.0, given.because
    return None, None, ""
