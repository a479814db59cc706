"""What --source names, opened.

A text and CaptureOptions enter; a source leaves.
"""

from __future__ import annotations

import glob
import re
from pathlib import Path

from .. import given_files
from ..errors import SourceError
from ..pictures import PICTURE_SUFFIXES, Animation
from .animations import AnimationSource
from .capture import backends, by_backend, check_backend, open_camera, open_pipeline, open_stream
from .devices import camera_problem, is_no_camera, is_there
from .frames import CaptureOptions, Say, Source
from .live import Address, LiveSource
from .network import check_address, shown, stream_problem
from .sample import SampleSource
from .stills import PictureSource, content_or_unknown, is_video, pictures_among, pictures_in
from .videos import VideoSource, is_recording

_PIPELINE = "gst:"
_ALLOWED = (
    "a camera's number (0) or device (/dev/video0), a video or picture file, a folder, a quoted "
    "glob ('shots/*.jpg'), an rtsp:// or http:// stream, or 'sample'"
)


def open_source(
    text: str,
    *,
    options: CaptureOptions = CaptureOptions(),  # noqa: B008 (frozen)
    say: Say | None = None,
    loop: bool = False,
) -> Source:
    """Opens what --source names: see the package.

    say receives one-line notes while the source is open, from any thread: what a camera delivers in
    place of what was asked, a cut, a return. loop: a file, folder or `sample` begins again at its
    end; frames keep their order, none is dropped. Raises SourceError.
    """
    check_backend(options)
    source = _opened(text, options, say, loop)
    if say is not None:
        for note in _without_effect(source, options, loop):
            say(note)
    return source


# One answer for each way in which opening fails.
def _opened(text: str, options: CaptureOptions, say: Say | None, loop: bool) -> Source:  # noqa: C901
    if not given_files.is_text(text) and (_is_address(text) or text.startswith(_PIPELINE)):
        raise SourceError(
            f"--source {text}: an address must be text, but this contains other bytes"
        )
    if text == "sample":
        return SampleSource(rotate=options.rotate, loop=loop)
    if re.fullmatch(r"\d{1,9}", text):
        return LiveSource(_camera(int(text), text, f"camera {text}", options), options, say)
    if text.startswith(_PIPELINE):
        return LiveSource(_pipeline(text, options), options, say)
    if _is_address(text):
        check_address(text)
        if is_recording(text):
            return VideoSource(text, options=options, loop=loop)
        return LiveSource(_stream(text, options), options, say)
    path = given_files.expanded(text.removeprefix("file://"))
    found = given_files.kind(path)
    if found == "device":
        if is_no_camera(path) or not given_files.is_text(path):
            # Reading /dev/zero as a film would never end.
            raise SourceError(f"--source {text}: {camera_problem(str(path))}")
        return LiveSource(_camera(str(path), text, str(path), options), options, say)
    if found:
        raise SourceError(f"--source {text}: {given_files.no_file(found)}. Allowed: {_ALLOWED}")
    try:
        return _files(text, path, options, loop)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "this cannot be a path"
        raise SourceError(
            f"--source {text}: cannot be read: {why}. Check the path and its permissions"
        ) from None


def _files(text: str, path: Path, options: CaptureOptions, loop: bool) -> Source:
    rotate = options.rotate
    if path.is_dir():
        files, left_out = pictures_in(path)
        return PictureSource(files, f"{path}/", rotate=rotate, loop=loop, left_out=left_out)
    if not path.exists() and glob.has_magic(text):
        files, left_out = pictures_among(str(path))
        return PictureSource(files, text, rotate=rotate, loop=loop, left_out=left_out)
    if not path.exists():
        raise SourceError(_missing(text, path))
    return _file(path, options, loop)


def _file(path: Path, options: CaptureOptions, loop: bool) -> Source:
    """One file, by what it holds; by its suffix if that cannot be told."""
    if is_video(path):
        return VideoSource(path, options=options, loop=loop)
    content = content_or_unknown(path)
    if content.kind == "unknown" and path.suffix.lower() not in PICTURE_SUFFIXES:
        return VideoSource(path, options=options, loop=loop)
    animation = Animation.find(path)
    if animation is not None:
        return AnimationSource(animation, rotate=options.rotate, loop=loop)
    return PictureSource([path], str(path), rotate=options.rotate, loop=loop)


def _is_address(text: str) -> bool:
    return "://" in text and not text.startswith("file://")


def _missing(text: str, path: Path) -> str:
    if path.is_relative_to("/dev") and path.name.startswith("video"):
        return f"--source {text}: {camera_problem(str(path))}"
    if re.match(r"[\w.-]+(:\d+)(/|$)", text) or re.match(r"\w+:/[^/]", text):
        return (
            f"--source {text}: there is no such file or folder. If this is the address of a "
            "stream, begin it with its scheme, as in http://192.168.1.20:8080/video"
        )
    return f"--source {text}: there is no such file or folder. Allowed: {_ALLOWED}"


def _camera(target: int | str, asked: str, name: str, options: CaptureOptions) -> Address:
    by = f"cannot be opened{by_backend(options)}: " if by_backend(options) else ""
    return Address(
        asked=asked,
        name=name,
        camera=True,
        open=lambda: open_camera(target, options) if is_there(target) else None,
        problem=lambda: f"{by}{camera_problem(target)}",
        cut=lambda: "no longer delivers frames" if is_there(target) else "unplugged",
    )


def _stream(url: str, options: CaptureOptions) -> Address:
    return Address(
        asked=shown(url),
        name=shown(url),
        camera=False,
        open=lambda: open_stream(url, options),
        problem=lambda: f"this stream cannot be opened{by_backend(options)}: {stream_problem(url)}",
        cut=lambda: "the stream was cut off",
    )


def _pipeline(text: str, options: CaptureOptions) -> Address:
    if "gstreamer" not in backends() or options.backend not in (None, "any", "gstreamer"):
        has = f"you asked for --backend {options.backend}"
        if "gstreamer" not in backends():
            has = "this OpenCV was built without GStreamer, like every opencv-python from pip"
        raise SourceError(
            f"--source {text}: {has}. On Debian and Raspberry Pi OS, use the system's OpenCV "
            "(python3-opencv), or give the camera as a stream: rpicam-vid -t 0 --inline --listen "
            "-o tcp://127.0.0.1:8888 and --source tcp://127.0.0.1:8888"
        )
    pipeline = text.removeprefix(_PIPELINE).strip()
    return Address(
        asked=text,
        name=text,
        camera=False,
        open=lambda: open_pipeline(pipeline, options),
        problem=lambda: (
            "GStreamer cannot run this pipeline, or it delivers no frames. Try it on its own: "
            f"gst-launch-1.0 {pipeline} ! fakesink"
        ),
        cut=lambda: "the pipeline ended",
    )


def _without_effect(source: Source, options: CaptureOptions, loop: bool) -> list[str]:
    """Options that cannot apply: a file has its own size, a camera has no beginning."""
    notes = []
    camera = source.name.startswith(("camera ", "/dev/"))
    if not camera and (options.width or options.fps):
        what = "--camera-size" if options.width else "--camera-fps"
        notes.append(
            f"{what} has no effect: {source.name} is not a camera, and keeps its own size and rate"
        )
    if loop and source.live:
        notes.append(f"--loop has no effect: {source.name} is a live source")
    return notes
