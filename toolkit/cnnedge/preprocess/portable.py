"""What resample.c computes, in numpy: the same numbers, several times slower.

A frame, its memory for the result and the weights of both axes enter; the result is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .colours import recolour
from .weights import TOTAL, Weights

Pixels = npt.NDArray[np.uint8]


def resample(frame: Pixels, out: Pixels, rows: Weights, columns: Weights) -> None:
    """frame: uint8 [h, w, 3] BGR or [h, w, 1] grey. out: uint8 [m, k, 3] RGB or [m, k, 1] grey."""
    height, width, channels = frame.shape
    flat = frame.reshape(height, width * channels)
    sums = np.zeros((len(rows.first), width * channels), np.uint16)
    for place, weight in _taps(rows, height):
        # At most 255 * 256 in the end: 16 bits hold it.
        sums += np.multiply(flat[place], weight[:, None], dtype=np.uint16)
    values = sums.reshape(len(rows.first), width, channels)
    total = np.full((len(rows.first), len(columns.first), channels), TOTAL**2 // 2, np.uint32)
    for place, weight in _taps(columns, width):
        total += np.multiply(values[:, place], weight[:, None], dtype=np.uint32)
    recolour((total >> 16).astype(np.uint8), out)


def _taps(axis: Weights, length: int) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """The pixel and the weight of each tap, for all pixels of the result."""
    for tap in range(axis.taps):
        weight = axis.weights[:, tap].astype(np.uint16)
        if weight.any():
            yield np.minimum(axis.first + tap, length - 1), weight
