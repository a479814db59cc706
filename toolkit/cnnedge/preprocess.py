"""Frame to input pixels: THE one definition.

A frame as OpenCV delivers it (BGR or grey, uint8) enters; the raw pixels that a model takes
(RGB or grey, uint8, 0..255, height x width x channels) leave. Training, calibration, scoring
and the runtime all call `prepare`, so a model sees on the device what it saw in training. Mean
and scale are no business of this module: they live inside the exported graph.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .specs.pixels import InputSize, Preprocess

Pixels = npt.NDArray[np.uint8]

_INTERPOLATION = {
    "area": cv2.INTER_AREA,
    "bilinear": cv2.INTER_LINEAR,
    "nearest": cv2.INTER_NEAREST,
}


def prepare(frame: Pixels, size: InputSize, rule: Preprocess, out: Pixels | None = None) -> Pixels:
    """One frame as model input.

    frame: uint8, [h, w, 3] BGR, or [h, w] / [h, w, 1] grey. out: written to when given, uint8
    [height, width, channels]. Returns uint8 [height, width, channels], RGB or grey; `out` when
    given. Raises ValueError for another dtype or shape.
    """
    if frame.dtype != np.uint8 or frame.ndim not in (2, 3) or 0 in frame.shape:
        raise ValueError(f"expected a uint8 picture, found {frame.dtype} of shape {frame.shape}")
    if frame.ndim == 3 and frame.shape[2] == 1:
        frame = frame[:, :, 0]
    if frame.ndim == 3 and frame.shape[2] != 3:
        raise ValueError(f"expected 1 (grey) or 3 (BGR) channels, found {frame.shape[2]}")
    # One order, always: resizing and colour conversion each round, so swapping them moves pixels.
    fitted = _fit(frame, size, rule)
    coloured = _colour(fitted, size.channels)
    if out is None:
        return np.ascontiguousarray(coloured).reshape(size.shape)
    out[...] = coloured.reshape(size.shape)
    return out


def _fit(frame: Pixels, size: InputSize, rule: Preprocess) -> Pixels:
    height, width = frame.shape[:2]
    if (height, width) == (size.height, size.width):
        return frame
    if rule.resize == "stretch":
        return _scale(frame, size.height, size.width, rule)
    if rule.resize == "center_crop":
        top, left, h, w = crop_box(height, width, size)
        return _scale(frame[top : top + h, left : left + w], size.height, size.width, rule)
    top, left, h, w = letterbox_box(height, width, size)
    canvas = np.full((size.height, size.width, *frame.shape[2:]), rule.pad_value, np.uint8)
    canvas[top : top + h, left : left + w] = _scale(frame, h, w, rule)
    return canvas


def crop_box(height: int, width: int, size: InputSize) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the largest centred part with the input's aspect ratio."""
    scale = min(height / size.height, width / size.width)
    h = max(1, min(height, round(size.height * scale)))
    w = max(1, min(width, round(size.width * scale)))
    return (height - h) // 2, (width - w) // 2, h, w


def letterbox_box(height: int, width: int, size: InputSize) -> tuple[int, int, int, int]:
    """(top, left, height, width) inside the input that the whole frame is scaled to."""
    scale = min(size.height / height, size.width / width)
    h = max(1, min(size.height, round(height * scale)))
    w = max(1, min(size.width, round(width * scale)))
    return (size.height - h) // 2, (size.width - w) // 2, h, w


def _scale(frame: Pixels, height: int, width: int, rule: Preprocess) -> Pixels:
    if frame.shape[:2] == (height, width):
        return frame
    how = _INTERPOLATION[rule.interpolation]
    result: Pixels = cv2.resize(frame, (width, height), interpolation=how)
    return result


def _colour(frame: Pixels, channels: int) -> Pixels:
    if channels == 1:
        return frame if frame.ndim == 2 else _converted(frame, cv2.COLOR_BGR2GRAY)
    code = cv2.COLOR_GRAY2RGB if frame.ndim == 2 else cv2.COLOR_BGR2RGB
    return _converted(frame, code)


def _converted(frame: Pixels, code: int) -> Pixels:
    result: Pixels = cv2.cvtColor(frame, code)
    return result
