"""From the pixels in a video to the intended picture: mirrored, and with square pixels.

An opened capture and what its container says enter; a function from frame to frame leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ..preprocess import Pixels
from .container import Matrix, VideoTrack

# A model was trained on square pixels; anything closer to square than this counts as square.
_SQUARE = 0.005
_ODDEST = 8.0


@dataclass(frozen=True, kw_only=True)
class Presentation:
    """matrix: to mirror by, as the container has it; None if OpenCV only turns the frame.

    aspect: the width of a pixel over its height, as frames come.
    """

    matrix: Matrix | None = None
    aspect: float = 1.0

    def of(self, pixels: Pixels) -> Pixels:
        """The frame as a player shows it, BGR uint8 [h, w, 3]; the frame itself if it is so."""
        shown = _with_square_pixels(pixels, self.aspect)
        return shown if self.matrix is None else _placed(shown, self.matrix)


def presentation(capture: Any, track: VideoTrack | None) -> Presentation:
    """How frames of this capture are to be shown; of a mirrored one OpenCV's turning is ended."""
    aspect = _aspect(capture)
    if track is not None and track.mirrored and capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0):
        return Presentation(matrix=track.matrix, aspect=aspect)
    turned = round(capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 180 == 90
    if turned and capture.get(cv2.CAP_PROP_ORIENTATION_AUTO):
        aspect = 1 / aspect
    return Presentation(aspect=aspect)


def _aspect(capture: Any) -> float:
    width, height = (capture.get(p) for p in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN))
    if not (width > 0 and height > 0):
        return 1.0
    aspect = float(width / height)
    near = abs(aspect - 1) < _SQUARE
    return 1.0 if near or not 1 / _ODDEST <= aspect <= _ODDEST else aspect


def _with_square_pixels(pixels: Pixels, aspect: float) -> Pixels:
    """Enlarges one side, so that no pixel is lost."""
    if aspect == 1:
        return pixels
    height, width = pixels.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    resized: Pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
    return resized


def _placed(pixels: Pixels, matrix: Matrix) -> Pixels:
    """The frame through the matrix, to the nearest quarter turn."""
    (a, b), (c, d) = matrix
    if abs(b) + abs(c) > abs(a) + abs(d):
        # x and y are swapped.
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    if a < 0:
        pixels = pixels[:, ::-1]
    if d < 0:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
