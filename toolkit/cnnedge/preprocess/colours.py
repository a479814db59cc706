"""Pixels of the right size in the colours of a model's input.

BGR or grey enters, RGB or grey leaves: grey = (3735 B + 19235 G + 9798 R + 16384) >> 15, which is
what OpenCV computes from 4.8 to 5.0, on every processor.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

# By the channels of the frame and of the input.
_CODES = {(1, 3): cv2.COLOR_GRAY2RGB, (3, 1): cv2.COLOR_BGR2GRAY, (3, 3): cv2.COLOR_BGR2RGB}


def recolour(frame: Pixels, out: Pixels) -> None:
    """frame: uint8 [h, w, 3] BGR or [h, w, 1] grey. out: [h, w, 3] RGB or [h, w, 1] grey."""
    channels = frame.shape[2], out.shape[2]
    if channels == (1, 1):
        np.copyto(out, frame)
    else:
        # OpenCV's grey pictures have no third dimension.
        target = out[:, :, 0] if channels[1] == 1 else out
        cv2.cvtColor(frame, _CODES[channels], dst=target)
