"""Pixels turned upright by the orientation that EXIF states."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]

_TURNS = {
    3: cv2.ROTATE_180,
    6: cv2.ROTATE_90_CLOCKWISE,
    8: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
_FLIPS = {2: 1, 4: 0}


def upright(pixels: Frame, orientation: object) -> Frame:
    """uint8 [h, w, 3] as a person sees it; for anything but 2..8, as it is."""
    turned = pixels
    if orientation in _TURNS:
        turned = cv2.rotate(pixels, _TURNS[orientation])  # type: ignore[index, assignment]
    elif orientation in _FLIPS:
        turned = cv2.flip(pixels, _FLIPS[orientation])  # type: ignore[index, assignment]
    elif orientation == 5:
        turned = cv2.transpose(pixels)  # type: ignore[assignment]
    elif orientation == 7:
        turned = cv2.flip(cv2.transpose(pixels), -1)  # type: ignore[assignment]
    return turned
