"""What resample.c computes, in numpy: the same numbers, several times slower.

A frame, memory for the result and the weights of both axes enter; the result is written.

The sums are made by matrix products in float32. All terms are whole numbers and no sum reaches
2^24, so each product is exact whatever library multiplies, in whatever order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from .colours import recolour
from .weights import TOTAL, Weights

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

# Neighbours in the result share most of their pixels: so many are one matrix product.
_AT_ONCE = 8
# OpenBLAS starts threads for products of more than this many terms; they wait longer for each
# other than such a product takes, and disturb whatever else computes.
_MOST_TERMS = 2**18


@dataclass(frozen=True, kw_only=True, eq=False)
class _Block:
    """Pixels begin..end-1 of the result, from pixels first..last-1. matrix: float32
    [end - begin, last - first]."""

    begin: int
    end: int
    first: int
    last: int
    matrix: Floats


def resample(frame: Pixels, out: Pixels, rows: Weights, columns: Weights) -> None:
    """frame: uint8 [h, w, 3] BGR or [h, w, 1] grey. out: uint8 [m, k, 3] RGB or [m, k, 1] grey."""
    height, width, channels = frame.shape
    flat = frame.reshape(height, width * channels)
    sums = np.empty((len(rows.first), width * channels), np.float32)
    for block in _blocks(rows, height, 1):
        for part in _parts(sums.shape[1], block.matrix):
            values = flat[block.first : block.last, part].astype(np.float32)
            sums[block.begin : block.end, part] = block.matrix @ values
    total = np.empty((len(rows.first), len(columns.first) * channels), np.float32)
    for block in _blocks(columns, width, channels):
        for part in _parts(len(total), block.matrix):
            values = sums[part, block.first : block.last]
            total[part, block.begin : block.end] = values @ block.matrix.T
    total += TOTAL**2 / 2
    total *= 1 / TOTAL**2
    # Positive: what is cut off is the fraction.
    pixels: Pixels = total.astype(np.uint8)
    recolour(pixels.reshape(len(rows.first), len(columns.first), channels), out)


def _parts(length: int, matrix: Floats) -> Iterator[slice]:
    """The other side of a product with this matrix, cut to what one thread computes."""
    step = max(1, _MOST_TERMS // matrix.size)
    return (slice(start, start + step) for start in range(0, length, step))


@lru_cache(maxsize=16)
def _blocks(axis: Weights, length: int, channels: int) -> list[_Block]:
    """The axis as small dense matrices, with `channels` values to a pixel."""
    found = []
    for begin in range(0, len(axis.first), _AT_ONCE):
        end = min(begin + _AT_ONCE, len(axis.first))
        first = int(axis.first[begin])
        last = min(length, int(axis.first[end - 1]) + axis.taps)
        matrix = np.zeros((end - begin, last - first), np.float32)
        for row, i in enumerate(range(begin, end)):
            start = int(axis.first[i]) - first
            taken = axis.weights[i, : last - first - start]
            matrix[row, start : start + len(taken)] = taken
        found.append(
            _Block(
                begin=begin * channels,
                end=end * channels,
                first=first * channels,
                last=last * channels,
                matrix=np.kron(matrix, np.eye(channels, dtype=np.float32)),
            )
        )
    return found
