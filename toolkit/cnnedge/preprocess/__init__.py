"""Frame to input pixels: THE one definition.

A frame as OpenCV delivers it (BGR or grey, uint8) enters; the raw pixels that a model takes
(RGB or grey, uint8, 0..255, height x width x channels) leave. Training, calibration, scoring
and the runtime all call `prepare`, so a model sees on the device what it saw in training. Mean
and scale do not belong to this module: they are inside the exported graph.

The rule is stated in integers (docs/pixels.md), so every processor computes the same pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ..specs.pixels import InputSize, Preprocess
from . import compiled, pillow, portable
from .boxes import crop_box, letterbox_box, scaled_then_cropped
from .colours import recolour
from .weights import axis_weights

__all__ = ["PIXELS_VERSION", "Pixels", "crop_box", "implementation", "letterbox_box", "prepare"]

Pixels = npt.NDArray[np.uint8]

# The version of the rules: what was computed from other pixels is computed
# again. 1: OpenCV's own area and bilinear; 2: the integers of docs/pixels.md.
PIXELS_VERSION = 2
_OPENCV_BILINEAR = "opencv_bilinear"


def prepare(frame: Pixels, size: InputSize, rule: Preprocess, out: Pixels | None = None) -> Pixels:
    """One frame as model input.

    frame: uint8, [h, w, 3] BGR, or [h, w] / [h, w, 1] grey; any strides. out: written to when
    given, uint8 [height, width, channels]; it may not share memory with the frame. Returns uint8
    [height, width, channels], RGB or grey; `out` when given. Raises ValueError for another dtype
    or shape.
    """
    if frame.dtype != np.uint8 or frame.ndim not in (2, 3) or 0 in frame.shape:
        raise ValueError(f"expected a uint8 picture, found {frame.dtype} of shape {frame.shape}")
    if frame.ndim == 2:
        frame = frame[:, :, np.newaxis]
    if frame.shape[2] not in (1, 3):
        raise ValueError(f"expected 1 (grey) or 3 (BGR) channels, found {frame.shape[2]}")
    if out is None:
        out = np.empty(size.shape, np.uint8)
    elif out.shape != size.shape or out.dtype != np.uint8:
        raise ValueError(
            f"expected out to be uint8 {size.shape}, found {out.dtype} of shape {out.shape}"
        )
    if _lies_in_rows(out):
        _fit(frame, size, rule, out)
    else:
        out[...] = prepare(frame, size, rule)
    return out


def implementation() -> str:
    """`compiled` or `portable`: what scales pictures here. The pixels are the same."""
    return "portable" if compiled.find() is None else "compiled"


def _fit(frame: Pixels, size: InputSize, rule: Preprocess, out: Pixels) -> None:
    """Cuts or pads as the rule says, and scales."""
    height, width = frame.shape[:2]
    if rule.resize == "center_crop":
        if rule.interpolation.startswith(pillow.PREFIX):
            whole, box = scaled_then_cropped(height, width, size, rule.crop_fraction)
            scaled = pillow.scaled(frame, *whole, rule.interpolation)
            return recolour(_part(scaled, box), out)
        if rule.crop_fraction < 1 or (height, width) != (size.height, size.width):
            frame = _part(frame, crop_box(height, width, size, rule.crop_fraction))
    elif rule.resize == "letterbox" and (height, width) != (size.height, size.width):
        box = letterbox_box(height, width, size)
        if box[2:] != (size.height, size.width):
            out[...] = rule.pad_value
            out = _part(out, box)
    return _scale(frame, rule.interpolation, out)


def _part(picture: Pixels, box: tuple[int, int, int, int]) -> Pixels:
    top, left, height, width = box
    return picture[top : top + height, left : left + width]


def _scale(frame: Pixels, interpolation: str, out: Pixels) -> None:
    """Scales the frame to the size of out, then brings it to its colours.

    Always in this order: scaling and colour conversion each round, so swapping them changes pixels.
    """
    height, width = out.shape[:2]
    if frame.shape[:2] == (height, width):
        recolour(frame, out)
    elif interpolation == _OPENCV_BILINEAR:
        scaled = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
        recolour(scaled.reshape(height, width, -1), out)
    elif interpolation.startswith(pillow.PREFIX):
        pillow.resample(frame, out, interpolation)
    else:
        rows = axis_weights(interpolation, frame.shape[0], height)
        columns = axis_weights(interpolation, frame.shape[1], width)
        resample = compiled.find() or portable.resample
        resample(frame if _lies_in_rows(frame) else frame.copy("C"), out, rows, columns)


def _lies_in_rows(picture: Pixels) -> bool:
    """Whether the pixels of a row are adjacent in memory; rows may be anywhere."""
    return picture.strides[1:] == (picture.shape[2], 1)
