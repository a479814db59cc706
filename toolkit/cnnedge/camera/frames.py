"""What a source is: frames, the protocol of every source, and the options of a camera.

Nothing enters; the types leave that sources, pipelines and sinks share.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy.typing as npt

from ..errors import SourceError
from ..preprocess import Pixels

# How long a lost live source is tried again before it is given up.
RETRY_SECONDS = 30.0
# No frame for this long: the source counts as cut.
STALL_SECONDS = 5.0
ROTATIONS = (0, 90, 180, 270)

# Takes one-line notes, from any thread.
Say = Callable[[str], None]


_CODES = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True)
class Frame:
    """One frame. pixels: BGR uint8 [h, w, 3]; of a signal, float32 [length, channels].

    captured_at: time.perf_counter() when its pixels had arrived in this process. For a live
    source that is when the driver or the stream handed the frame over, before it is converted to
    BGR; for a file, when it had been read and decoded. The way from the lens to here (exposure,
    the camera's own encoder, the network) cannot be known and is not in it.
    pts_s: the time within a recording at which it is shown, in seconds from its beginning; None
    for anything that is not a recording, or for one without times.
    start: of a window out of a signal, where in it the window begins.
    """

    pixels: npt.NDArray[Any]
    index: int
    name: str
    captured_at: float
    pts_s: float | None = None
    start: int | None = None


@dataclass(frozen=True, kw_only=True)
class CaptureOptions:
    """The options of a camera, stream or video.

    backend: one of capture.BACKENDS; None: the usual one for the kind of source and the system.
    width, height (pixels), fps: requested from a camera; what it delivers instead is reported.
    rotate: degrees clockwise, one of ROTATIONS, on top of a video's own orientation.
    retry_seconds: how long to try to reopen a live source that was lost; 0: not at all;
    math.inf: forever. stall_seconds: without a frame for this long, it counts as cut.

    Raises SourceError for a value that is not allowed.
    """

    backend: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    rotate: int = 0
    retry_seconds: float = RETRY_SECONDS
    stall_seconds: float = STALL_SECONDS

    def __post_init__(self) -> None:
        if self.rotate not in ROTATIONS:
            raise SourceError(f"rotate is {self.rotate}; allowed: 0, 90, 180 or 270 degrees")
        if (self.width is None) != (self.height is None):
            raise SourceError("a camera's size needs both width and height")
        for name in ("width", "height", "fps", "stall_seconds"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise SourceError(f"{name} is {value}; it must be above 0")
        if not self.retry_seconds >= 0:
            raise SourceError(f"retry_seconds is {self.retry_seconds}; it must be 0 or more")


class Source(Protocol):
    """An iterable of frames with something to close.

    Iterating again continues where the last iteration stopped.

    live: whether frames arrive on their own. pictures: whether each frame is a separate picture.
    total: how many frames there will be, None if unknown. dropped: older frames that were
    replaced by newer ones. reconnects: how often a live source was lost and came back.
    skipped: what could not be read, one line each. lost: why a live source ended by itself.
    """

    name: str
    live: bool
    pictures: bool
    total: int | None
    dropped: int
    reconnects: int
    skipped: list[str]
    lost: str | None

    @property
    def fps(self) -> float:
        """Frames per second; 0 for pictures."""
        ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


def turned(pixels: Pixels, degrees: int) -> Pixels:
    """The frame turned clockwise by 0, 90, 180 or 270 degrees; 0 gives the frame itself."""
    if degrees == 0:
        return pixels
    rotated: Pixels = cv2.rotate(pixels, _CODES[degrees])
    return rotated
