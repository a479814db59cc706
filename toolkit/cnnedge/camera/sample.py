"""The built-in moving scene, so that everything runs anywhere.

Nothing enters; 600 frames of 640 x 480 leave.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib import resources

import cv2
import numpy as np

from ..preprocess import Pixels
from .frames import Frame, turned

SAMPLE_SECONDS, SAMPLE_FPS = 20, 30
_FRAMES = SAMPLE_SECONDS * SAMPLE_FPS


class SampleSource:
    """Pieces of clothing that drift and rotate, one per second, 640 x 480."""

    live = False
    pictures = False
    dropped = 0
    reconnects = 0
    fps = float(SAMPLE_FPS)
    name = "sample"
    lost: str | None = None

    def __init__(self, *, rotate: int = 0, loop: bool = False) -> None:
        self.total: int | None = None if loop else _FRAMES
        self.skipped: list[str] = []
        self._sprites = _sprites()
        self._rotate = rotate
        self._loop = loop
        self._index = 0

    def __iter__(self) -> Iterator[Frame]:
        while self._loop or self._index < _FRAMES:
            index, self._index = self._index, self._index + 1
            pixels = turned(self._draw(index % _FRAMES), self._rotate)
            yield Frame(pixels, index, f"sample#{index % _FRAMES}", time.perf_counter())

    def close(self) -> None:
        """There is nothing to close."""

    def _draw(self, index: int) -> Pixels:
        second, within = divmod(index, SAMPLE_FPS)
        phase = within / SAMPLE_FPS
        sprite = self._sprites[second % len(self._sprites)]
        side = sprite.shape[0]
        scale = 440 / side * (1 + 0.04 * np.sin(2 * np.pi * phase))
        matrix = cv2.getRotationMatrix2D(
            ((side - 1) / 2, (side - 1) / 2), 4 * np.sin(2 * np.pi * phase), scale
        )
        drift = 24 * np.cos(2 * np.pi * phase)
        matrix[:, 2] += (320 + drift - (side - 1) / 2, 240 - (side - 1) / 2)
        warped = cv2.warpAffine(sprite, matrix, (640, 480), flags=cv2.INTER_CUBIC)
        drawn: Pixels = cv2.cvtColor(warped, cv2.COLOR_GRAY2BGR)
        return drawn


def _sprites() -> list[Pixels]:
    data = (resources.files("cnnedge.embedded") / "sample.png").read_bytes()
    strip = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert strip is not None
    side = strip.shape[0]
    return [
        strip[:, i : i + side].astype(np.uint8, copy=False) for i in range(0, strip.shape[1], side)
    ]
