"""The convolution kernels that people wrote before networks learned theirs.

A grey picture enters; what each kernel makes of it leaves, as a network's first layer would.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from ..preprocess import Pixels

Floats = npt.NDArray[np.float32]


def _kernel(*rows: tuple[float, float, float], scale: float = 1.0) -> Floats:
    return np.asarray(np.asarray(rows) * scale, np.float32)


# Gonzalez and Woods, Digital Image Processing, chapter 3; the edges are Sobel's.
KERNELS: Mapping[str, Floats] = {
    "blur": _kernel((1, 2, 1), (2, 4, 2), (1, 2, 1), scale=1 / 16),
    "sharpen": _kernel((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "horizontal edges": _kernel((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    "vertical edges": _kernel((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "edges all round": _kernel((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
    "emboss": _kernel((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),
}


def filtered(pixels: Pixels, kernel: Floats) -> Floats:
    """The cross-correlation of a picture with a kernel, as a convolutional layer computes it.

    pixels: uint8 [h, w, c], 1 (grey) or 3 (RGB) channels, made grey first. kernel: float32
    [kh, kw]. Returns float32 [h, w], grey levels that may leave 0..255; beyond the border stands
    the border's own pixel.
    """
    grey = pixels[:, :, 0] if pixels.shape[2] == 1 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    values = grey.astype(np.float32)
    # filter2D correlates: it does not turn the kernel round.
    return np.asarray(
        cv2.filter2D(values, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE), np.float32
    )
