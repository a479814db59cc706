"""The pictures that source and import are compared on: the user's, or a drawn scene."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..data import Dataset, Pixels
from ..preprocess import Pixels as Frame
from ..specs.pixels import InputSize, Preprocess
from .detective import chosen

_DRAWN = 16


@dataclass(frozen=True, kw_only=True)
class Shown:
    """pixels: uint8 [n, h, w, c], as the run's files take them. what: for people. indices: int64
    [n] into the data set; None of drawn ones.
    """

    pixels: Frame
    what: str
    indices: npt.NDArray[np.int64] | None = None


def shown(dataset: Dataset | None, size: InputSize, rule: Preprocess) -> Shown:
    """Those that conventions are tried with, at most 200; 16 drawn ones without a data set."""
    if dataset is None:
        return Shown(pixels=_drawn(size), what="drawn")
    indices = chosen(dataset)
    pixels = Pixels(dataset, size, rule).batch(indices)
    return Shown(pixels=pixels, what=dataset.source, indices=indices)


def _drawn(size: InputSize) -> Frame:
    """Smooth colours with some shapes and noise, the same every time."""
    random = np.random.default_rng(0)
    pictures = []
    for _ in range(_DRAWN):
        small = random.integers(0, 256, (4, 4, 3)).astype(np.uint8)
        picture = cv2.resize(small, (size.width, size.height), interpolation=cv2.INTER_CUBIC)
        for _ in range(3):
            place = random.uniform(0, 1, 2) * (size.width, size.height)
            colour = [int(v) for v in random.integers(0, 256, 3)]
            radius = int(random.uniform(0.05, 0.3) * min(size.height, size.width)) + 1
            cv2.circle(picture, (int(place[0]), int(place[1])), radius, colour, -1)
        noisy = picture + random.normal(0, 6, picture.shape)
        picture = np.clip(noisy, 0, 255).astype(np.uint8)
        pictures.append(picture if size.channels == 3 else picture[..., :1])
    return np.stack(pictures)
