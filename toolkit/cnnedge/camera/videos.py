"""Recordings as a source: video files, and those behind an http address.

A path or address enters; every frame leaves, in order.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2

from ..errors import SourceError
from ..native_stderr import captured
from .capture import by_backend, check_backend, given, open_file, open_stream
from .container import video_track
from .contents import is_raw_jpeg, undecodable, video_problem
from .frames import CaptureOptions, Frame, turned
from .network import shown, stream_problem
from .presentation import presentation

# Behind an http address: files, whose frames all count. Other addresses are live.
_RECORDED = frozenset({".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mpg", ".mts"})
_USUAL_FPS = 30.0
# After this many damaged frames in a row, a recording counts as ended.
_MOST_DAMAGED = 300
# These containers count their frames; others estimate the number from duration and rate.
_COUNTING = frozenset({".mp4", ".mov", ".m4v", ".avi"})


class VideoSource:
    """Every frame of a recording, in order, upright, unmirrored and of square pixels, as it states.

    loop: again and again; a frame's index continues, its name says the frame of the recording.
    A damaged or cut-off recording delivers what can be decoded; `skipped` lists the rest.
    Raises SourceError if nothing can be read.
    """

    live = False
    pictures = False
    dropped = 0
    reconnects = 0
    lost: str | None = None

    def __init__(
        self,
        address: Path | str,
        *,
        options: CaptureOptions = CaptureOptions(),  # noqa: B008 (frozen)
        loop: bool = False,
    ) -> None:
        check_backend(options)
        self.name = shown(address) if isinstance(address, str) else str(address)
        self.skipped: list[str] = []
        self._address = address
        self._options = options
        self._loop = loop
        with captured() as native:
            capture = self._open()
        track = None if isinstance(address, str) else video_track(address)
        if capture is None:
            problem = self._problem(native.text)
            how = by_backend(options)
            raise SourceError(f"--source {self.name}: this video cannot be read{how}: {problem}")
        self._capture: Any = capture
        self.fps = given(capture)[2] or _USUAL_FPS
        self._presentation = presentation(capture, track)
        # A sequence of raw JPEGs has no times; FFmpeg invents some.
        self._timed = not isinstance(address, Path) or not is_raw_jpeg(address)
        count = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        # FFmpeg also counts what an edit list removes.
        self._promised = count if track is None or track.shown is None else track.shown
        self.total: int | None = self._promised or None if not loop else None
        self._index = 0
        self._within = 0
        self._missed = 0
        self._until = 0.0

    def __iter__(self) -> Iterator[Frame]:
        """Raises SourceError if the video opens, but has no frame that can be read."""
        while self._capture is not None:
            pixels = self._read()
            if pixels is None:
                if not self._at_its_end():
                    return
                continue
            arrived = time.perf_counter()
            self._until = self._capture.get(cv2.CAP_PROP_POS_MSEC)
            index, within = self._index, self._within
            self._index, self._within = index + 1, within + 1
            pixels = turned(self._presentation.of(pixels), self._options.rotate)
            pts_s = max(0.0, self._until / 1000) if self._timed else None
            yield Frame(pixels, index, f"{self.name}#{within}", arrived, pts_s)

    def close(self) -> None:
        """Releases the file."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _read(self) -> Any | None:
        """The next frame that can be decoded; damaged frames before it keep their numbers."""
        for missed in range(_MOST_DAMAGED):
            ok, pixels = self._capture.read()
            if ok:
                self._within += missed
                self._missed += missed
                return pixels
            if self._within + missed >= self._promised:
                break
        return None

    def _at_its_end(self) -> bool:
        """Checks what was read; returns whether there is more, because it begins again."""
        within, missed = self._within, self._missed
        self._within = self._missed = 0
        self.close()
        if within == 0 and self._index == 0:
            raise SourceError(f"--source {self.name}: {self._nothing()}")
        self._judge(within, missed)
        if not self._loop:
            return False
        # Opened again rather than wound back: not every container can be.
        self._capture = self._open() if within else None
        if self._capture is None:
            self._note("the video could not be read again")
        elif self._presentation.matrix is not None:
            self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        return self._capture is not None

    def _judge(self, within: int, missed: int) -> None:
        """Reports if there were fewer frames than the file promises."""
        # A container may count by duration, so it may be off by one; some only estimate.
        short = self._promised - within if within < self._promised - 1 else 0
        early = self._until / 1000 < self._promised / self.fps - max(0.2, 3 / self.fps)
        if short and early:
            self._note(
                f"the video ends after {within:,} of {self._promised:,} frames: the file is cut "
                "off or damaged there"
            )
            short = 0
        elif Path(self.name).suffix.lower() not in _COUNTING:
            short = 0
        if missed + short:
            self._note(
                f"{missed + short:,} of {max(within, self._promised):,} frames could not be "
                "decoded: the video is damaged"
            )

    def _note(self, text: str) -> None:
        line = f"{self.name}: {text}"
        if line not in self.skipped:
            self.skipped.append(line)

    def _open(self) -> Any | None:
        if isinstance(self._address, str):
            return open_stream(self._address, self._options, recorded=True)
        return open_file(str(self._address.resolve()), self._options)

    def _nothing(self) -> str:
        """Why a recording opens but delivers no frame."""
        if isinstance(self._address, Path):
            return undecodable(self._address)
        return "the video has no readable frame. Copy or record it again"

    def _problem(self, said: str) -> str:
        if isinstance(self._address, str):
            return stream_problem(self._address)
        return video_problem(self._address, said)


def is_recording(url: str) -> bool:
    """Whether an http address is a file's by its suffix: then every frame counts.

    At an address that ends in .mjpg a camera sends its pictures forever.
    """
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and Path(parts.path).suffix.lower() in _RECORDED
