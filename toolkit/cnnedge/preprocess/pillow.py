"""Scaling as Pillow does it, which torchvision and timm train with.

A frame and the size of the result enter; its pixels leave, bit-equal to Pillow's `resize`: all
filters widen with the scale, so that shrinking does not alias. Pillow computes in integers and
gives the same numbers on every processor; the order of its two passes, which round, is Pillow
13's, whatever version is installed. Pillow is imported when it is first used.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .colours import recolour

Pixels = npt.NDArray[np.uint8]

PREFIX = "pillow_"
# Pillow's numbers for its filters.
_FILTERS = {"box": 4, "bilinear": 2, "bicubic": 3, "lanczos": 1}


def scaled(frame: Pixels, height: int, width: int, interpolation: str) -> Pixels:
    """uint8 [height, width, 3] BGR or [height, width, 1] grey, like the frame."""
    if frame.shape[:2] == (height, width):
        return frame
    from PIL import Image

    grey = frame.shape[2] == 1
    # Channels are scaled one by one, so their order does not matter.
    picture = Image.fromarray(np.ascontiguousarray(frame[:, :, 0] if grey else frame))
    how = Image.Resampling(_FILTERS[interpolation.removeprefix(PREFIX)])
    rows, columns = frame.shape[0] - height, frame.shape[1] - width
    if rows > 0 and rows > 2 * columns:
        # Versions before 13 scale along the rows first, always.
        picture = picture.resize((picture.width, height), how)
    result = np.asarray(picture.resize((width, height), how))
    return result[:, :, np.newaxis] if grey else result


def resample(frame: Pixels, out: Pixels, interpolation: str) -> None:
    """Scales a frame to the size of out, in its colours."""
    recolour(scaled(frame, out.shape[0], out.shape[1], interpolation), out)
