"""How much each pixel of an axis counts in each pixel of the result, in integers.

The lengths of an axis before and after enter; Weights leave, which add up to 256 for every pixel
of the result. docs/pixels.md states the formulas; no float is computed here, so that any language
can follow them to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

TOTAL = 256
# Tables of one pass; a picture one pixel high may be a hundred million wide.
_AT_ONCE = 2**20

_Table = tuple[npt.NDArray[Any], npt.NDArray[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """One axis. first: int32 [m], the first pixel that counts in each pixel of the result.

    weights: int16 [m, taps], for the pixels from there on; taps is even, and pixels beyond the
    end have weight 0. Both are contiguous and read-only. addresses: of their memory.
    """

    first: npt.NDArray[np.int32]
    weights: npt.NDArray[np.int16]
    addresses: tuple[int, int]

    @property
    def taps(self) -> int:
        return int(self.weights.shape[1])


@lru_cache(maxsize=256)
def axis_weights(interpolation: str, before: int, after: int) -> Weights:
    """The weights of an axis of `before` pixels, scaled to `after` by area, bilinear or nearest."""
    return _frozen(*_TABLES[interpolation](before, after))


def _area(n: int, m: int) -> _Table:
    """The share of each pixel in [i * n / m, (i + 1) * n / m), cut at 256ths of it."""
    first = np.arange(m, dtype=np.int64) * n // m
    last = -(-(np.arange(1, m + 1, dtype=np.int64) * n) // m)
    taps = int((last - first).max())
    table = np.empty((m, taps), np.int16)
    step = max(1, _AT_ONCE // taps)
    for start in range(0, m, step):
        i = np.arange(start, min(m, start + step), dtype=np.int64)[:, None]
        edge = first[i] + np.arange(taps + 1)
        covered = np.clip(edge * m - i * n, 0, n)
        table[start : start + step] = np.diff((2 * TOTAL * covered + n) // (2 * n), axis=1)
    return first, table


def _bilinear(n: int, m: int) -> _Table:
    """The two pixels around the middle of each pixel of the result; beyond an end, the end.

    Halves of a 256th go to the even one: these are OpenCV's INTER_LINEAR_EXACT.
    """
    # The position of the middle, in units of 1 / (2 m) pixels.
    middle = (2 * np.arange(m, dtype=np.int64) + 1) * n - m
    left, beyond = np.divmod(middle, 2 * m)
    right, rest = np.divmod(TOTAL * beyond, 2 * m)
    right += (rest > m) | ((rest == m) & (right % 2 == 1))
    right[left < 0] = 0
    left = np.clip(left, 0, n - 1)
    right[left == n - 1] = 0
    return left, np.stack([TOTAL - right, right], axis=1)


def _nearest(n: int, m: int) -> _Table:
    """The pixel in which the first edge of each pixel of the result lies, as OpenCV takes it."""
    return np.arange(m, dtype=np.int64) * n // m, np.full((m, 1), TOTAL, np.int64)


_TABLES: dict[str, Callable[[int, int], _Table]] = {
    "area": _area,
    "bilinear": _bilinear,
    "nearest": _nearest,
}


def _frozen(first: npt.NDArray[Any], table: npt.NDArray[Any]) -> Weights:
    even = np.zeros((len(table), table.shape[1] + table.shape[1] % 2), np.int16)
    even[:, : table.shape[1]] = table
    begin = first.astype(np.int32)
    even.flags.writeable = begin.flags.writeable = False
    return Weights(first=begin, weights=even, addresses=(begin.ctypes.data, even.ctypes.data))
