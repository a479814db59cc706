"""The one place where keys of kept results are made: of all that decides a result.

What a network sees and whatever else decides a result enter; a key leaves, equal only where all of
it is. A forgotten decision is a stale result, so what every result hangs on is an argument here
and no choice of who asks.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import cv2

from .._version import __version__
from ..data import Dataset, Samples
from ..preprocess import PIXELS_VERSION
from ..specs import plain


def content_key(pixels: Samples, **decides: Any) -> str:
    """Hex SHA-256 of how pictures become input pixels, of the programs, and of `decides`.

    pixels: their size and resize rule; which pictures there are is told apart: see
    `dataset_decides`. decides: values that JSON holds.
    """
    everything = {
        "size": plain(pixels.size),
        "rule": plain(pixels.rule),
        "pixels": PIXELS_VERSION,
        "cnnedge": __version__,
        "opencv": cv2.__version__,
        "decides": decides,
    }
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


def dataset_decides(dataset: Dataset) -> list[Any]:
    """Which pictures there are, of which class, and which of them learn, validate and judge."""
    parts = sorted(
        identity.tobytes() + bytes([part])
        for identity, part in zip(dataset.hashes, dataset.split.tolist(), strict=True)
    )
    split = hashlib.sha256(b"".join(parts)).hexdigest()
    return [dataset.fingerprint, split, list(dataset.classes)]
