"""Frames rotated by quarter turns. BGR uint8 [h, w, 3] enters and leaves."""

from __future__ import annotations

import cv2

from ..preprocess import Pixels

_CODES = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def turned(pixels: Pixels, degrees: int) -> Pixels:
    """The frame turned clockwise by 0, 90, 180 or 270 degrees; 0 gives the frame itself."""
    if degrees == 0:
        return pixels
    rotated: Pixels = cv2.rotate(pixels, _CODES[degrees])
    return rotated
