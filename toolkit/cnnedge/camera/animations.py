"""Animations as a source: GIF, WebP, APNG, AVIF sequences.

An open animation enters; every frame leaves, in order.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..errors import DataError, SourceError
from ..pictures import Animation
from .frames import Frame, turned


class AnimationSource:
    """Every frame of an animation, in order, upright and over white, at its own rate.

    loop: repeats; a frame's index continues, its name contains the frame of the animation.
    rotate: degrees clockwise. One that is damaged gives what can be decoded; `skipped` says so.
    """

    live = False
    pictures = False
    dropped = 0
    reconnects = 0
    lost: str | None = None

    def __init__(self, animation: Animation, *, rotate: int = 0, loop: bool = False) -> None:
        self.name = str(animation.path)
        self.fps = animation.fps
        self.total: int | None = None if loop else animation.count
        self.skipped: list[str] = []
        self._animation: Animation | None = animation
        self._rotate = rotate
        self._loop = loop
        self._index = 0
        self._within = 0

    def __iter__(self) -> Iterator[Frame]:
        """Raises SourceError if no frame at all can be read."""
        while self._animation is not None:
            if self._within >= self._animation.count:
                if not self._loop:
                    return
                self._within = 0
            try:
                pixels = self._animation.frame(self._within)
            except DataError as error:
                if not self._goes_on(error):
                    return
                continue
            index, within = self._index, self._within
            self._index, self._within = index + 1, within + 1
            name = f"{self.name}#{within}"
            yield Frame(turned(pixels, self._rotate), index, name, time.perf_counter())

    def close(self) -> None:
        """Frees the memory."""
        if self._animation is not None:
            self._animation.close()
            self._animation = None

    def _goes_on(self, error: DataError) -> bool:
        """A frame builds on those before it: behind a damaged one the animation is over."""
        assert self._animation is not None
        if self._within == 0:
            raise SourceError(
                f"--source {self.name}: cannot read anything from it: {error}"
            ) from None
        line = (
            f"{self.name}: the animation ends after {self._within:,} of {self._animation.count:,} "
            "frames: the file is cut off or damaged there"
        )
        if line not in self.skipped:
            self.skipped.append(line)
        self._within = 0
        return self._loop
