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
# By the dimensions of the frame and of the input: 2 is grey, 3 is colour.
_COLOUR = {
    (2, 3): cv2.COLOR_GRAY2RGB,
    (3, 2): cv2.COLOR_BGR2GRAY,
    (3, 3): cv2.COLOR_BGR2RGB,
}


def prepare(frame: Pixels, size: InputSize, rule: Preprocess, out: Pixels | None = None) -> Pixels:
    """One frame as model input.

    frame: uint8, [h, w, 3] BGR, or [h, w] / [h, w, 1] grey; any strides. out: written to when
    given, uint8 [height, width, channels]; it may not share memory with the frame. Returns uint8
    [height, width, channels], RGB or grey; `out` when given. Raises ValueError for another dtype
    or shape.
    """
    if frame.dtype != np.uint8 or frame.ndim not in (2, 3) or 0 in frame.shape:
        raise ValueError(f"expected a uint8 picture, found {frame.dtype} of shape {frame.shape}")
    if frame.ndim == 3 and frame.shape[2] == 1:
        frame = frame[:, :, 0]
    if frame.ndim == 3 and frame.shape[2] != 3:
        raise ValueError(f"expected 1 (grey) or 3 (BGR) channels, found {frame.shape[2]}")
    if out is None:
        out = np.empty(size.shape, np.uint8)
    elif out.shape != size.shape or out.dtype != np.uint8:
        raise ValueError(
            f"expected out to be uint8 {size.shape}, found {out.dtype} of shape {out.shape}"
        )
    if not out.flags.c_contiguous:
        # OpenCV writes to rows of neighbouring pixels alone.
        out[...] = prepare(frame, size, rule)
        return out
    _write(frame, size, rule, out if size.channels == 3 else out[:, :, 0])
    return out


def _write(frame: Pixels, size: InputSize, rule: Preprocess, out: Pixels) -> None:
    """Fits the frame into out, [height, width, 3] or [height, width]."""
    height, width = frame.shape[:2]
    if (height, width) != (size.height, size.width):
        if rule.resize == "center_crop":
            top, left, h, w = crop_box(height, width, size)
            frame = frame[top : top + h, left : left + w]
        elif rule.resize == "letterbox":
            top, left, h, w = letterbox_box(height, width, size)
            if (h, w) != (size.height, size.width):
                out[...] = rule.pad_value
                out = out[top : top + h, left : left + w]
    _scale(frame, rule, out)


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


def _scale(frame: Pixels, rule: Preprocess, out: Pixels) -> None:
    """Scales the frame to the size of out, then brings it to its colours.

    One order, always: resizing and colour conversion each round, so swapping them moves pixels.
    """
    height, width = out.shape[:2]
    same_size, same_colours = frame.shape[:2] == (height, width), frame.ndim == out.ndim == 2
    how = _INTERPOLATION[rule.interpolation]
    if same_colours and same_size:
        np.copyto(out, frame)
    elif same_colours:
        cv2.resize(frame, (width, height), dst=out, interpolation=how)
    else:
        scaled = frame if same_size else cv2.resize(frame, (width, height), interpolation=how)
        cv2.cvtColor(scaled, _COLOUR[scaled.ndim, out.ndim], dst=out)
