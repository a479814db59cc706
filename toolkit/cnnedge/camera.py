"""Where frames come from: cameras, videos, streams, pictures, folders, globs and `sample`.

The text of --source enters; a source leaves that yields frames: BGR uint8 [h, w, 3]. A live
source (camera, stream) delivers its newest frame and counts what was dropped; a file delivers
every frame in order.
"""

from __future__ import annotations

import glob
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from .errors import DataError, SourceError
from .native_stderr import captured
from .pictures import PICTURE_SUFFIXES, read_picture
from .preprocess import Pixels

SAMPLE_SECONDS, SAMPLE_FPS = 20, 30


@dataclass(frozen=True)
class Frame:
    """One frame. captured_at: time.perf_counter() when its pixels had arrived."""

    pixels: Pixels
    index: int
    name: str
    captured_at: float


class Source(Protocol):
    """An iterable of frames with something to close.

    live: whether frames arrive by themselves. pictures: whether each frame stands alone.
    total: how many frames there will be, None where unknown. skipped: unreadable files.
    """

    name: str
    live: bool
    pictures: bool
    total: int | None
    fps: float
    dropped: int
    skipped: list[str]

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


def open_source(text: str) -> Source:
    """Opens what --source names: see the module. Raises SourceError."""
    if text == "sample":
        return SampleSource()
    if re.fullmatch(r"\d+", text):
        return LiveSource(int(text), f"camera {text}")
    if "://" in text:
        return LiveSource(text, text)
    path = Path(text).expanduser()
    if path.is_dir():
        return PictureSource(_pictures_in(path), f"{path}/")
    if not path.exists() and glob.has_magic(text):
        found = sorted(glob.glob(str(path), recursive=True), key=_natural)
        files = [Path(f) for f in found if Path(f).is_file()]
        if not files:
            raise SourceError(f"--source {text}: no file matches this pattern in {Path.cwd()}")
        return PictureSource(files, text)
    if not path.exists():
        raise SourceError(
            f"--source {text}: there is no such file or folder. Allowed: a camera index (0), a "
            "video or picture file, a folder, a quoted glob ('shots/*.jpg'), an rtsp:// or "
            "http:// stream, or 'sample'"
        )
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return PictureSource([path], str(path))
    return VideoSource(path)


class PictureSource:
    """Picture files in order; an unreadable one among several is skipped and listed."""

    live = False
    pictures = True
    fps = 0.0
    dropped = 0

    def __init__(self, files: list[Path], name: str) -> None:
        self.name = name
        self.total: int | None = len(files)
        self.skipped: list[str] = []
        self._files = files

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        for file in self._files:
            try:
                pixels = read_picture(file)
            except DataError as error:
                self.skipped.append(str(error))
                continue
            yield Frame(pixels, index, str(file), time.perf_counter())
            index += 1
        if index == 0:
            raise SourceError(f"--source {self.name}: nothing could be read: {self.skipped[0]}")

    def close(self) -> None:
        """Nothing is held open."""


class VideoSource:
    """Every frame of a video file, in order."""

    live = False
    pictures = False
    dropped = 0

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.skipped: list[str] = []
        self._capture, reason = _open_capture(str(path))
        if self._capture is None:
            kind = "the file is empty" if path.stat().st_size == 0 else "OpenCV cannot decode it"
            raise SourceError(
                f"--source {path}: this video cannot be read: {kind}{reason}. Convert it first: "
                f"ffmpeg -i {path.name} -c:v libx264 readable.mp4"
            )
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or 30.0
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.total: int | None = count if count > 0 else None

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while True:
            ok, pixels = self._capture.read()
            if not ok:
                break
            yield Frame(pixels, index, f"{self.name}#{index}", time.perf_counter())
            index += 1
        if index == 0:
            raise SourceError(f"--source {self.name}: the video holds no frame that can be read")

    def close(self) -> None:
        """Releases the file."""
        self._capture.release()


class LiveSource:
    """A camera or stream: a thread of its own reads on, so that the frame taken is the newest."""

    live = True
    pictures = False

    def __init__(self, address: int | str, name: str) -> None:
        self.name = name
        self.total: int | None = None
        self.dropped = 0
        self.skipped: list[str] = []
        self._capture, reason = _open_capture(address)
        if self._capture is None:
            raise SourceError(_live_remedy(address, reason))
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or 30.0
        self._newest: Frame | None = None
        self._fresh = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read_on, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._fresh:
                self._fresh.wait_for(lambda: self._newest is not None or self._ended)
                frame, self._newest = self._newest, None
            if frame is None:
                return
            yield frame

    def close(self) -> None:
        """Stops the reading thread, then releases the device."""
        self._ended = True
        self._thread.join(timeout=5)
        self._capture.release()

    def _read_on(self) -> None:
        index = 0
        while not self._ended:
            ok, pixels = self._capture.read()
            with self._fresh:
                if not ok:
                    self._ended = True
                else:
                    self.dropped += self._newest is not None
                    self._newest = Frame(pixels, index, f"{self.name}#{index}", time.perf_counter())
                    index += 1
                self._fresh.notify()


class SampleSource:
    """A built-in moving scene, 640 x 480: pieces of clothing that drift and turn, one a second."""

    live = False
    pictures = False
    dropped = 0
    fps = float(SAMPLE_FPS)
    name = "sample"

    def __init__(self) -> None:
        self.total: int | None = SAMPLE_SECONDS * SAMPLE_FPS
        self.skipped: list[str] = []
        self._sprites = _sample_sprites()

    def __iter__(self) -> Iterator[Frame]:
        for index in range(SAMPLE_SECONDS * SAMPLE_FPS):
            pixels = self._draw(index)
            yield Frame(pixels, index, f"sample#{index}", time.perf_counter())

    def close(self) -> None:
        """Nothing is held open."""

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


def _sample_sprites() -> list[Pixels]:
    from importlib import resources

    data = (resources.files("cnnedge.embedded") / "sample.png").read_bytes()
    strip = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert strip is not None
    side = strip.shape[0]
    return [
        strip[:, i : i + side].astype(np.uint8, copy=False) for i in range(0, strip.shape[1], side)
    ]


def _pictures_in(folder: Path) -> list[Path]:
    files = [
        p
        for p in folder.rglob("*")
        if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file() and not p.name.startswith(".")
    ]
    if not files:
        raise SourceError(
            f"--source {folder}: no pictures in this folder; looked for "
            f"{', '.join(sorted(PICTURE_SUFFIXES))}"
        )
    return sorted(files, key=lambda p: _natural(str(p)))


def _natural(text: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", text)
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts]


def _open_capture(address: int | str) -> tuple[Any, str]:
    """(capture, "") or (None, what the library wrote about it)."""
    with captured() as native:
        capture = cv2.VideoCapture(address)
        if capture.isOpened():
            return capture, ""
        capture.release()
    lines = [re.sub(r"\s+", " ", line) for line in native.text.splitlines() if "rror" in line]
    return None, f" ({lines[-1].strip()[:200]})" if lines else ""


def _live_remedy(address: int | str, reason: str) -> str:
    if isinstance(address, str):
        return (
            f"--source {address}: this stream cannot be opened{reason}. Is the address right, "
            "and does it play elsewhere (ffplay)?"
        )
    device = Path(f"/dev/video{address}")
    if os.name == "posix" and Path("/dev").is_dir() and not device.exists():
        others = sorted(p.name for p in Path("/dev").glob("video*"))
        there = f"found {', '.join(others)}" if others else "no camera is connected"
        return f"--source {address}: there is no camera {address} ({device}): {there}"
    if device.exists() and not os.access(device, os.R_OK | os.W_OK):
        return (
            f"--source {address}: permission denied for {device}. Join its group, then log in "
            "again: sudo usermod -aG video $USER"
        )
    return (
        f"--source {address}: camera {address} does not open{reason}; another program may be "
        "using it"
    )
