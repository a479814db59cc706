"""The frames of an animation: GIF, WebP, APNG, an AVIF sequence, FLI.

A path enters; every frame leaves in order, whole, upright and over white, as uint8 [h, w, 3] BGR.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .contents import UNKNOWN, check_size, sniffed
from .reading import file_bytes

Frame = npt.NDArray[np.uint8]

_ANIMATED = frozenset({"GIF", "PNG", "WEBP", "AVIF", "FLI"})
# What browsers use for a frame that lasts 10 ms or less, or states no duration.
_USUAL_MS, _SHORTEST_MS = 100.0, 11.0
# The rate comes from this many frames: it is needed before the first one is labelled.
_MOST_TIMED = 64


class Animation:
    """An open animation. count: of its frames. fps: from their durations, a mean.

    Not thread-safe.
    """

    def __init__(self, path: Path) -> None:
        """Raises DataError for anything that is not an animation of several frames."""
        found = _opened(path)
        if found is None:
            raise DataError(f"{path}: this is not an animation with several frames")
        self.path = path
        self._image, self._first = found
        self.count = int(self._image.n_frames) - self._first
        self.fps = self._rate()

    @classmethod
    def find(cls, path: Path) -> Animation | None:
        """The animation in a file; None for a still picture, or what cannot be opened."""
        try:
            return cls(path)
        except DataError:
            return None

    def frame(self, number: int) -> Frame:
        """uint8 [h, w, 3] BGR of a frame, 0..count-1. Raises DataError if it is damaged."""
        from .by_pillow import shown

        self._seek(number)
        width, height = self._image.size
        check_size(width, height, str(self.path))
        pixels: Frame = shown(self._image, str(self.path), UNKNOWN)
        return pixels

    def close(self) -> None:
        """Frees the memory."""
        self._image.close()

    def _seek(self, number: int) -> None:
        try:
            self._image.seek(number + self._first)
        except Exception as error:
            raise DataError(f"{self.path}: frame {number} is damaged: {error}") from None

    def _rate(self) -> float:
        timed = []
        try:
            for number in range(min(self.count, _MOST_TIMED)):
                self._image.seek(number + self._first)
                # WebP and AVIF report how long a frame lasts after decoding it.
                self._image.load()
                timed.append(float(self._image.info.get("duration") or 0))
        except Exception:
            pass
        lasting = [ms if ms >= _SHORTEST_MS else _USUAL_MS for ms in timed] or [_USUAL_MS]
        return 1000 * len(lasting) / sum(lasting)


def _opened(path: Path) -> tuple[Any, int] | None:
    """The PIL image and the number of its first frame; None for a still picture."""
    try:
        content = sniffed(path)
    except OSError:
        return None
    if content.name not in _ANIMATED:
        return None
    data = file_bytes(path)
    if content.name == "PNG" and b"acTL" not in data:
        return None
    from .by_pillow import opened

    image = opened(data, str(path), content)
    try:
        # A PNG's picture for programs without animation support is not one of its frames.
        first = int(bool(getattr(image, "default_image", False)))
        if getattr(image, "n_frames", 1) - first > 1:
            return image, first
    except Exception:
        pass
    image.close()
    return None
