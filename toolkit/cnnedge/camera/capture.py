"""OpenCV captures: which backend, what is asked of it, what it gives.

What to open and CaptureOptions enter; an opened cv2.VideoCapture leaves, or None.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from typing import Any

import cv2

from .. import given_files
from ..errors import SourceError
from .frames import CaptureOptions, Say

_APIS = {
    "any": "CAP_ANY",
    "v4l2": "CAP_V4L2",
    "ffmpeg": "CAP_FFMPEG",
    "gstreamer": "CAP_GSTREAMER",
    "avfoundation": "CAP_AVFOUNDATION",
    "dshow": "CAP_DSHOW",
    "msmf": "CAP_MSMF",
}
BACKENDS = tuple(_APIS)
OPEN_SECONDS = 10.0

# One buffer that fills while the other is read. With a single one a camera has nowhere to put the
# next frame until this one is done with, and gives half its rate.
_BUFFERS = 2
# Longer than this nothing is skipped; a frame that came within this part of the time that lies
# between it and the one before had been waiting.
_BACKLOG_SECONDS, _CATCHING_UP = 2.0, 0.6
# One core decodes this many pixels several times as fast as they are filmed.
_SMALL_PIXELS = 1_000_000
_MJPEG = cv2.VideoWriter.fourcc(*"MJPG")


def backends() -> tuple[str, ...]:
    """The backends that this OpenCV has, without `any`."""
    has = cv2.videoio_registry.hasBackend
    return tuple(name for name in BACKENDS[1:] if has(getattr(cv2, _APIS[name])))


def check_backend(options: CaptureOptions) -> None:
    """Raises SourceError for a backend that OpenCV does not know or was built without."""
    name = options.backend
    if name is None or name == "any" or name in backends():
        return
    if name not in BACKENDS:
        raise SourceError(f"--backend {name}: unknown; allowed: {', '.join(BACKENDS)}")
    raise SourceError(
        f"--backend {name}: this OpenCV ({cv2.__version__}) was built without it; it has "
        f"{', '.join(backends()) or 'none of them'}. Remove --backend, or install an OpenCV that "
        "has it"
    )


def open_camera(target: int | str, options: CaptureOptions) -> Any | None:
    """A camera by number or device path, set to the options; None if it does not open.

    `given` reports what the capture really delivers.
    """
    _let_v4l2_give_up(options)
    usual = "v4l2" if sys.platform.startswith("linux") else "any"
    capture = cv2.VideoCapture(target, _api(options.backend or usual))
    if not capture.isOpened():
        capture.release()
        return None
    capture.set(cv2.CAP_PROP_BUFFERSIZE, _BUFFERS)
    _ask(capture, options)
    if not _as_asked(capture, options):
        _ask_for_jpeg(capture, options)
    return capture


def open_stream(url: str, options: CaptureOptions, *, recorded: bool = False) -> Any | None:
    """A stream's address as a capture that gives up when nothing arrives; None if it does not open.

    Frames are decoded on one thread: with n of them FFmpeg hands each H.264 frame out n - 1
    frames late. recorded: every frame counts, the first too.
    """
    if not _through_ffmpeg(options):
        return _opened(cv2.VideoCapture(url, _api(options.backend or "any")))
    limits = {
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: OPEN_SECONDS * 1000,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC: options.stall_seconds * 1000,
        cv2.CAP_PROP_N_THREADS: 1,
    }
    flat = [math.ceil(value) for pair in limits.items() for value in pair]
    capture = _opened(cv2.VideoCapture(url, cv2.CAP_FFMPEG, flat))
    if capture is not None and not recorded and not _is_mjpeg_over_http(url, capture):
        _pass_over_backlog(capture)
    return capture


def open_pipeline(pipeline: str, options: CaptureOptions) -> Any | None:
    """A GStreamer pipeline as a capture; without an appsink of its own it gets one."""
    if "appsink" not in pipeline:
        pipeline += (
            " ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"
        )
    return _opened(cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER))


def open_file(path: str, options: CaptureOptions) -> Any | None:
    """A video file (absolute path) as a capture, or None.

    Small pictures are decoded on one thread: FFmpeg's others would take the cores from inference,
    and a fifth more time of them (MPEG-4, 640x480: 0.25 ms against 0.21).
    """
    if not given_files.is_text(path):
        return _open_by_link(path, options)
    if not _through_ffmpeg(options):
        return _opened(cv2.VideoCapture(path, _api(options.backend or "any")))
    capture = _opened(cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1]))
    if capture is None:
        return None
    width, height, _ = given(capture)
    if width * height <= _SMALL_PIXELS:
        return capture
    capture.release()
    return _opened(cv2.VideoCapture(path, cv2.CAP_FFMPEG))


def _open_by_link(path: str, options: CaptureOptions) -> Any | None:
    """A file under another name, which is needed only for opening."""
    suffix = os.path.splitext(path)[1]
    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder:
        link = os.path.join(folder, f"video{suffix if given_files.is_text(suffix) else ''}")
        os.symlink(path, link)
        return open_file(link, options)


def by_backend(options: CaptureOptions) -> str:
    """What to add to a refusal: the backend, if one was requested."""
    name = options.backend
    return f" with --backend {name}" if name and name != "any" else ""


def say_what_is_given(capture: Any, name: str, options: CaptureOptions, say: Say) -> None:
    """One line if a camera delivers another size or rate than requested."""
    if not _as_asked(capture, options):
        width, height, fps = given(capture)
        wanted = [f"{options.width}x{options.height}"] if options.width else []
        wanted += [f"{options.fps:g} frames/s"] if options.fps else []
        rate = f" at {fps:g} frames/s" if fps else ""
        say(
            f"{name} delivers {width}x{height}{rate} instead of the {' at '.join(wanted)} that you "
            "asked for"
        )


def given(capture: Any) -> tuple[int, int, float]:
    """(width, height, frames per second) as the backend states them; 0 if it does not."""
    fps = capture.get(cv2.CAP_PROP_FPS)
    return (
        int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        float(fps) if 0 < fps < 1000 else 0.0,
    )


def _api(backend: str) -> int:
    return int(getattr(cv2, _APIS[backend]))


def _through_ffmpeg(options: CaptureOptions) -> bool:
    return options.backend == "ffmpeg" or (options.backend is None and "ffmpeg" in backends())


def _opened(capture: Any) -> Any | None:
    if capture.isOpened():
        return capture
    capture.release()
    return None


def _let_v4l2_give_up(options: CaptureOptions) -> None:
    """OpenCV reads this from the environment, once; the user's own value stays."""
    seconds = str(math.ceil(options.stall_seconds))
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", seconds)


def _is_mjpeg_over_http(url: str, capture: Any) -> bool:
    """Such a stream is not analysed before it starts, and its timestamps are invented."""
    return url.startswith("http") and int(capture.get(cv2.CAP_PROP_FOURCC)) == _MJPEG


def _pass_over_backlog(capture: Any) -> None:
    """Skips what FFmpeg collected while it looked the stream through: up to seconds, old by now.

    Such frames arrive faster than they were made.
    """
    began = time.perf_counter()
    before: tuple[float, float] | None = None
    while time.perf_counter() - began < _BACKLOG_SECONDS and capture.grab():
        now = time.perf_counter(), capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if before and now[0] - before[0] > _CATCHING_UP * (now[1] - before[1]):
            return
        before = now


def _ask(capture: Any, options: CaptureOptions) -> None:
    if options.width and options.height:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, options.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, options.height)
    if options.fps:
        capture.set(cv2.CAP_PROP_FPS, options.fps)


def _ask_for_jpeg(capture: Any, options: CaptureOptions) -> None:
    """Uncompressed pixels do not fit through USB at large sizes or high rates; JPEG does."""
    before = capture.get(cv2.CAP_PROP_FOURCC)
    if capture.set(cv2.CAP_PROP_FOURCC, _MJPEG):
        _ask(capture, options)
        if not _as_asked(capture, options):
            capture.set(cv2.CAP_PROP_FOURCC, before)
            _ask(capture, options)


def _as_asked(capture: Any, options: CaptureOptions) -> bool:
    width, height, fps = given(capture)
    if options.width and (width, height) != (options.width, options.height):
        return False
    return not options.fps or not fps or abs(fps - options.fps) < 0.05 * options.fps


def _quiet() -> None:
    """Keeps FFmpeg's own messages off the terminal: cnnedge reports a lost stream in one line.

    OpenCV reads this once, when FFmpeg is first used, reading or writing. What the user has set
    stays; 16 shows errors (on stdout).
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


_quiet()
