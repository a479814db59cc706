"""A heat map laid over a frame: a spotlight where a model looked, dark and grey where it did not.

The frame keeps its own colours in the light, so that the picture stays readable; a line goes
round the places above half of the largest value.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ..preprocess import Pixels
from .shapes import NEAR

# Of the frame's brightness, in the dark.
_DARK = 0.35
_LINE = 0.5


def heated(frame: Pixels, heat: npt.NDArray[np.float32]) -> Pixels:
    """A new picture: the frame in the light of the map.

    frame: uint8 [h, w, 3] BGR. heat: float32 [h, w], 0..1.
    """
    # The square root keeps places of a third of the largest value visible.
    light = cv2.sqrt(np.clip(heat, 0, 1))
    grey = cv2.convertScaleAbs(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), alpha=_DARK)
    dark = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    result = np.asarray(cv2.blendLinear(frame, dark, light, 1 - light), np.uint8)
    above = np.asarray(heat >= _LINE, np.uint8)
    lines, _ = cv2.findContours(above, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(result, lines, -1, NEAR, max(1, round(min(heat.shape) / 240)), cv2.LINE_AA)
    return result
