"""Near duplicates: the same shot again, cropped a little, marked, scaled or taken a moment later.

A small picture of each photograph (`look`) and the classes enter; pairs of one class that look
alike leave. Alike means that what sets two looks apart from the others of their class is the same:
their correlation is ALIKE or more once the mean of the others is taken away. Without that step
every two pictures of a fixed camera, and of shoes on a white ground, would be alike.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ..preprocess import prepare
from ..specs.pixels import InputSize, Preprocess
from .store import LOOK, Frame, Indices, Looks

# Of 717 yoga photographs the 6 pairs above it are each one photograph twice, and no others are;
# of 12,000 pictures of Fashion-MNIST, which are no photographs, 4 % are tied in groups up to 40.
ALIKE = 0.95
# Smaller ones are no photographs, and hold too little for two to be told apart by their looks.
LEAST_SIDE = 64
# What the coarser look of a pair must reach to be looked at closely.
_COARSE = 0.85
_ROWS = 512
_PAIRS = 4096
_SIZE = InputSize(height=LOOK, width=LOOK, channels=3)
_RULE = Preprocess(resize="stretch", interpolation="area")
Floats = npt.NDArray[np.float64]


def look(frame: Frame) -> Frame | None:
    """uint8 [16, 16, 3] of a frame [h, w, 3] or [h, w]; None where it is too small.

    The same on every processor, because a split hangs on it.
    """
    if min(frame.shape[:2]) < LEAST_SIDE:
        return None
    return prepare(frame, _SIZE, _RULE)


def near_duplicates(looks: Looks, targets: Indices) -> Iterator[tuple[int, int]]:
    """Pairs of indices of one class that look alike.

    looks: pixels uint8 [N, 16, 16, 3] and there, bool [N]: those without a look are alike to none.
    targets: int64 [N]. Takes time by the square of the largest class: of 10,000 pictures seconds.
    """
    for target in np.unique(targets):
        members = np.flatnonzero((targets == target) & looks.there)
        if len(members) > 1:
            yield from _of_class(looks.pixels[members], members)


def _of_class(pixels: Frame, members: npt.NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    values = pixels.reshape(len(pixels), -1).astype(np.float64)
    values -= values.mean(axis=1, keepdims=True)
    total = values.sum(axis=0)
    for first, second in _candidates(pixels, total / len(pixels)):
        for start in range(0, len(first), _PAIRS):
            i, j = first[start : start + _PAIRS], second[start : start + _PAIRS]
            close = _correlation(values[i], values[j], total, len(pixels)) >= ALIKE
            yield from zip(members[i[close]].tolist(), members[j[close]].tolist(), strict=True)


def _correlation(a: Floats, b: Floats, total: Floats, count: int) -> Floats:
    """[k] of pairs [k, d], without the mean of the other pictures of their class."""
    others = (total - a - b) / (count - 2) if count > 2 else 0.0
    a, b = a - others, b - others
    length = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products: Floats = np.einsum("kd,kd->k", a, b)
    found: Floats = np.divide(products, length, out=np.zeros_like(products), where=length > 0)
    return found


def _candidates(
    pixels: Frame, mean: Floats
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Pairs (first, second) of a class, first < second, whose coarser looks are alike."""
    count = len(pixels)
    # In a small class a pair is much of the mean; there are few pairs, and all are looked at.
    if count <= _ROWS:
        yield np.triu_indices(count, 1)
        return
    coarse = _coarser(pixels.astype(np.float32))
    coarse -= coarse.mean(axis=1, keepdims=True)
    coarse -= _coarser(mean.reshape(1, LOOK, LOOK, 3).astype(np.float32))
    coarse /= np.maximum(np.linalg.norm(coarse, axis=1, keepdims=True), np.float32(1e-6))
    for start in range(0, count, _ROWS):
        rows = coarse[start : start + _ROWS] @ coarse[start:].T
        first, second = np.nonzero(np.triu(rows >= _COARSE, 1))
        yield first + start, second + start


def _coarser(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """[n, 16, 16, 3] as [n, 8 * 8 * 3], means of 2 x 2."""
    blocks = pixels.reshape(len(pixels), LOOK // 2, 2, LOOK // 2, 2, 3)
    means: npt.NDArray[np.float32] = blocks.mean(axis=(2, 4)).reshape(len(pixels), -1)
    return means
