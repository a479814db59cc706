"""Why a video file does not open, and what to do about it.

A path and what the libraries wrote enter; sentences leave. It looks into the file itself, because
FFmpeg is kept quiet and says little.
"""

from __future__ import annotations

import os
import shlex
import struct
from pathlib import Path

_NO_DECODER = "Could not find decoder"


def video_problem(path: Path, said: str) -> str:
    """What is wrong with a file that does not open as a video, and the remedy."""
    if not os.access(path, os.R_OK):
        return "permission denied. Make it readable for this user"
    if path.stat().st_size == 0:
        return "the file is empty (0 bytes). Copy or record it again"
    with path.open("rb") as file:
        start = file.read(4096)
    if _is_text(start):
        kind = "a web page" if b"<html" in start.lower() else "text"
        return f"this is {kind}, not a video, whatever its name says. Download or export it again"
    if start[4:8] == b"ftyp" and b"moov" not in _boxes(path):
        return (
            "the file is cut off: the index at its end is missing. Copy it again, or mend it with "
            "untrunc"
        )
    convert = f"Convert it first: ffmpeg -i {shlex.quote(path.name)} -c:v libx264 readable.mp4"
    if _NO_DECODER in said:
        return f"this OpenCV has no decoder for its codec. {convert}"
    return f"OpenCV cannot decode it; it is no video, damaged, or of a rare kind. {convert}"


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        # The last character may have been cut in two.
        if len(start) < 4096 or error.start < len(start) - 4:
            return False
        text = start[: error.start].decode("utf-8")
    return all(c.isprintable() or c in "\t\r\n\f\ufeff" for c in text)


def _boxes(path: Path) -> set[bytes]:
    """The names of the top-level boxes that an MP4 or QuickTime file holds whole."""
    found = set()
    length = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while len(head := file.read(16)) >= 8:
            size, name = struct.unpack_from(">I4s", head)
            if size == 1 and len(head) == 16:
                (size,) = struct.unpack_from(">Q", head, 8)
            size = size or length - at
            if size < 8 or at + size > length:
                break
            found.add(name)
            at += size
            file.seek(at)
    return found
