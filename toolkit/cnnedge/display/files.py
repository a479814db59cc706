"""Annotated frames as files: a video, one picture, a folder of pictures.

Annotated BGR frames enter; files appear, complete or not at all.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from .. import given_files
from ..camera import Say, Source
from ..errors import CnnedgeError
from ..files import explained, whole, write_bytes
from ..native_stderr import captured
from ..preprocess import Pixels
from .mp4_times import set_times

# The formats for pictures, if this OpenCV has the encoder.
_PICTURES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".jp2"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".avif"),
    }
)
# A frame that is late by this fraction of its period counts as on time.
_SAME_TIME = 0.25
# Bytes of a name; file systems take 255.
_LONGEST = 200
_CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}


class Sink(Protocol):
    """Takes annotated frames. moment_s: when each was, from any beginning; None: not known."""

    def write(self, frame: Pixels, name: str, moment_s: float | None = None) -> None: ...


@contextlib.contextmanager
def open_sink(target: str, source: Source, say: Say = lambda _text: None) -> Iterator[Sink]:
    """A sink for --save: a video, one picture, or a folder of pictures. Raises CnnedgeError.

    say: receives a note about what the file cannot hold.
    """
    path = Path(target)
    suffix = path.suffix.lower()
    if suffix in _CODECS and not given_files.is_text(path.absolute()):
        raise CnnedgeError(
            f"--save {target}: OpenCV writes videos only under names that are plain text; choose "
            "another name"
        )
    if suffix in _CODECS:
        with whole(path, busy=True) as temporary:
            writer = _VideoSink(temporary, path, source.fps or 2.0)
            try:
                yield writer
            finally:
                writer.close()
            writer.check()
            if problem := writer.keep_times():
                say(problem)
    elif suffix in _PICTURES and cv2.haveImageWriter(f"picture{suffix}"):
        if source.total != 1:
            raise CnnedgeError(
                f"--save {target}: {source.name} has more than one frame, but this file holds only "
                "one; name a video (.mp4) or a folder"
            )
        yield _PictureSink(path)
    elif not suffix:
        if path.exists() and not path.is_dir():
            raise CnnedgeError(f"--save {target}: a file of this name exists already")
        with explained(path):
            path.mkdir(parents=True, exist_ok=True)
        yield _FolderSink(path)
    else:
        raise CnnedgeError(
            f"--save {target}: cannot write {suffix} files. Allowed: {', '.join(_CODECS)} for a "
            "video, .jpg or .png for one picture, a name without suffix for a folder of pictures"
        )


class _VideoSink:
    def __init__(self, temporary: Path, path: Path, fps: float) -> None:
        self._temporary, self._path, self._fps = temporary, path, fps
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._written = 0
        self._times: list[float] = []
        self._later = 0.0

    def write(self, frame: Pixels, name: str, moment_s: float | None = None) -> None:
        if self._writer is None:
            height, width = frame.shape[:2]
            self._size = (width - width % 2, height - height % 2)
            code = cv2.VideoWriter.fourcc(*_CODECS[self._path.suffix.lower()])
            with captured():
                self._writer = cv2.VideoWriter(str(self._temporary), code, self._fps, self._size)
            if not self._writer.isOpened():
                raise CnnedgeError(f"--save {self._path}: this OpenCV cannot write such a video")
        self._writer.write(_fitted(frame, *self._size))
        self._written += 1
        if moment_s is not None:
            self._take(moment_s)

    def _take(self, moment_s: float) -> None:
        """A recording that begins again continues after its end."""
        if self._times and moment_s + self._later <= self._times[-1]:
            self._later = self._times[-1] + 1 / self._fps - moment_s
        self._times.append(moment_s + self._later)

    def keep_times(self) -> str:
        """Gives the frames the times they had; what cannot be kept of them, or ""."""
        if len(self._times) < max(2, self._written):
            return ""
        began = self._times[0]
        off = max(abs(t - began - n / self._fps) for n, t in enumerate(self._times))
        if off * self._fps < _SAME_TIME:
            return ""
        mp4 = self._path.suffix.lower() == ".mp4"
        if mp4 and set_times(self._temporary, self._times, 1 / self._fps):
            return ""
        return (
            f"--save {self._path}: the video has {self._fps:.3g} frames per second, but the source "
            f"frames were irregular; times in it are off by up to {off:.2g} s"
            + ("" if mp4 else "; an .mp4 keeps the exact times")
        )

    def close(self) -> None:
        if self._writer is not None:
            self._writer.release()

    def check(self) -> None:
        """OpenCV does not report a full disk: this checks the file itself."""
        if self._written == 0:
            raise CnnedgeError(f"--save {self._path}: no frame was written")
        with captured():
            capture = cv2.VideoCapture(str(self._temporary))
            count = round(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
            capture.release()
        # A container may count by duration, and so be one off.
        if count < max(1, self._written - 1):
            raise CnnedgeError(
                f"--save {self._path}: the video is incomplete: it has {count} of {self._written} "
                "frames. Is the disk full? Free some space, or save elsewhere"
            )


class _PictureSink:
    """The one annotated picture."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, frame: Pixels, name: str, moment_s: float | None = None) -> None:
        write_picture(self._path, frame)


class _FolderSink:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[str] = set()

    def write(self, frame: Pixels, name: str, moment_s: float | None = None) -> None:
        stem = Path(name.replace("#", "-")).stem[:_LONGEST] or "frame"
        # Room for a number, the suffix and the name under which it is written.
        while len(os.fsencode(stem)) > _LONGEST:
            stem = stem[:-1]
        unique, number = stem, 2
        while unique in self._used:
            unique, number = f"{stem}-{number}", number + 1
        self._used.add(unique)
        write_picture(self._folder / f"{unique}.jpg", frame)


def write_picture(path: Path, frame: Pixels) -> None:
    """One picture, by its suffix. Raises CnnedgeError."""
    ok, encoded = cv2.imencode(path.suffix, frame)
    if not ok:
        raise CnnedgeError(f"{path}: this OpenCV cannot write {path.suffix} pictures")
    write_bytes(path, encoded.tobytes())


def _fitted(frame: Pixels, width: int, height: int) -> Pixels:
    """The frame inside width x height, its aspect kept; a video has one size."""
    if frame.shape[1] == width and frame.shape[0] == height:
        return frame
    if abs(frame.shape[1] - width) <= 1 and abs(frame.shape[0] - height) <= 1:
        return np.ascontiguousarray(frame[:height, :width])
    scale = min(width / frame.shape[1], height / frame.shape[0])
    w, h = max(1, int(frame.shape[1] * scale)), max(1, int(frame.shape[0] * scale))
    canvas = np.zeros((height, width, 3), np.uint8)
    top, left = (height - h) // 2, (width - w) // 2
    resized = cv2.resize(frame, (w, h), interpolation=cv2.INTER_AREA)
    canvas[top : top + h, left : left + w] = resized
    return canvas
