"""Why a video file does not open, and what to do about it.

A path and what the libraries wrote enter; sentences leave. It reads the file itself, because
FFmpeg is kept quiet and says little.
"""

from __future__ import annotations

import os
import re
import shlex
import struct
from pathlib import Path

from .container import video_track

_EBML = b"\x1a\x45\xdf\xa3"
_START = 65536
_NO_DECODER = "Could not find decoder"
# Names of codecs, by their names in containers: MP4's sample entries, Matroska's codec IDs.
_CODECS = {
    "av01": "AV1",
    "V_AV1": "AV1",
    **dict.fromkeys(("hvc1", "hev1", "dvh1", "dvhe", "V_MPEGH/ISO/HEVC"), "HEVC (H.265)"),
    **dict.fromkeys(("vvc1", "vvi1"), "VVC (H.266)"),
    **dict.fromkeys(("avc1", "avc3", "V_MPEG4/ISO/AVC"), "H.264"),
    **dict.fromkeys(("vp09", "V_VP9"), "VP9"),
    **dict.fromkeys(("vp08", "V_VP8"), "VP8"),
    **dict.fromkeys(("apch", "apcn", "apcs", "apco", "ap4h", "ap4x", "V_PRORES"), "ProRes"),
    **dict.fromkeys(("mp4v", "V_MPEG4/ISO/ASP"), "MPEG-4"),
}
# What every OpenCV package decodes: for these, the file is at fault.
_DECODED = ("H.264", "HEVC (H.265)", "VP9", "VP8", "MPEG-4")
_ENCRYPTED = "encv"


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
        return f"this is {kind}, not a video, despite its name. Download or export it again"
    if start[4:8] == b"ftyp" and b"moov" not in _boxes(path):
        return (
            "the file is cut off: the index at its end is missing. Copy it again, or repair it "
            "with untrunc"
        )
    if _NO_DECODER in said:
        return _no_decoder(path, codec_name(path))
    return (
        "OpenCV cannot decode it: it is not a video, it is damaged, or it uses a rare format. "
        f"{_convert(path)}"
    )


def undecodable(path: Path) -> str:
    """What is wrong with a file that opens as a video but delivers no frame, and the remedy."""
    codec = codec_name(path)
    if codec and codec not in _DECODED:
        return _no_decoder(path, codec)
    of = f" of its {codec}" if codec else ""
    return f"the video has no readable frame: nothing{of} can be decoded. Copy or record it again"


def codec_name(path: Path) -> str:
    """The video codec as the container names it, in words if it is known; "" for none."""
    track = video_track(path)
    if track is not None:
        return _CODECS.get(track.codec, track.codec.strip())
    try:
        with path.open("rb") as file:
            start = file.read(_START)
    except OSError:
        return ""
    found = re.search(rb"V_[A-Z0-9]+(?:/[A-Z0-9]+)*", start)
    name = found[0].decode() if found and start.startswith(_EBML) else ""
    return _CODECS.get(name, name.removeprefix("V_"))


def is_raw_jpeg(path: Path) -> bool:
    """Whether a file is a sequence of JPEGs without a container."""
    try:
        with path.open("rb") as file:
            return file.read(3) == b"\xff\xd8\xff"
    except OSError:
        return False


def _no_decoder(path: Path, codec: str) -> str:
    if codec == _ENCRYPTED:
        return "the video is encrypted (DRM), so it cannot be decoded here"
    decoder = f"no {codec} decoder" if codec else "no decoder for its codec"
    return f"this OpenCV has {decoder}. {_convert(path)}"


def _convert(path: Path) -> str:
    return f"Convert it first: ffmpeg -i {shlex.quote(path.name)} -c:v libx264 readable.mp4"


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
    """The names of the complete top-level boxes of an MP4 or QuickTime file."""
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
