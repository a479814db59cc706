"""What a file is, by its first bytes, and how large a picture and its file may be.

The head of a file enters; a `Content` leaves: a picture, a video, something that is refused, or
unknown. Only signatures that nothing else has by chance count.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Literal

from .. import given_files
from ..errors import DataError

HEAD_BYTES = 1024
# The package itself asks OpenCV for this limit, by the header; `checked` looks again, in case
# OpenCV was imported before cnnedge.
MAX_PIXELS = 2**27
# That many pixels without compression, of 64 bits each.
MAX_BYTES = 2**30
TOO_LARGE = f"the picture is too large; the limit is {MAX_PIXELS:,} pixels. Make it smaller"


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a file is. name: of its format, as Pillow names it; empty if unknown.

    kind: "refused" is a picture that cnnedge does not accept; then `why` says why.
    """

    kind: Literal["picture", "video", "refused", "unknown"]
    name: str = ""
    why: str = ""


UNKNOWN = Content(kind="unknown")

_PICTURES = (
    ("JPEG", rb"\xff\xd8\xff"),
    ("PNG", rb"\x89PNG\r\n\x1a\n"),
    ("GIF", rb"GIF8[79]a"),
    ("BMP", rb"BM.{4}\0{4}.{4}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0"),
    ("WEBP", rb"RIFF.{4}WEBP"),
    ("TIFF", rb"II(?:\*\0|\+\0\x08\0\0\0)|MM(?:\0\*|\0\+\0\x08\0\0)"),
    ("JPEG2000", rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
    ("PSD", rb"8BPS\0[\x01\x02]\0{6}"),
    ("QOI", rb"qoif.{8}[\x03\x04][\0\x01]"),
    ("ICNS", rb"icns"),
    ("ICO", rb"\0\0\x01\0[\x01-\xff]\0.{2}.\0[\0\x01]\0"),
    ("CUR", rb"\0\0\x02\0[\x01-\xff]\0.{2}.\0"),
    ("DDS", rb"DDS \x7c\0\0\0"),
    ("BLP", rb"BLP[12]\0?"),
    ("FTEX", rb"FTEX"),
    ("FITS", rb"SIMPLE  ="),
    ("FLI", rb".{4}[\x11\x12]\xaf.{8}[\0\x03]\0"),
    ("SGI", rb"\x01\xda[\0\x01][\x01\x02]\0[\x01-\x03]"),
    ("SUN", rb"\x59\xa6\x6a\x95"),
    ("PPM", rb"P[1-6](?:\s+#[^\n]*)*\s+\d+(?:\s+#[^\n]*)*\s+\d+\s|P[fF]\s+\d+\s+\d+\s"),
    ("XPM", rb"/\* XPM \*/"),
    ("DCX", rb"\xb1\x68\xde\x3a"),
)
_VIDEOS = (
    ("AVI", rb"RIFF.{4}AVI "),
    ("Matroska or WebM", rb"\x1a\x45\xdf\xa3"),
    ("MPEG", rb"\0\0\x01[\xba\xb3]"),
    ("MPEG transport stream", rb"\x47.{187}\x47.{187}\x47"),
    ("Flash video", rb"FLV\x01"),
    ("Ogg", rb"OggS\0"),
    ("Windows Media", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    ("YUV4MPEG2", rb"YUV4MPEG2 "),
    ("QuickTime", rb".{4}(?:moov|mdat|wide|skip|free|pnot)"),
    ("H.264", rb"\0?\0\0\x01[\x67\x09][^\0]"),
)
_PROGRAM = "is a program that draws, so it is not run. Export it as PNG"
_OUTLINES = "contains outlines instead of pixels. Export it as PNG"
_DATA = "contains measurements that no library used here can read. Export it as PNG"
_REFUSED = (
    ("EPS", rb"%!PS|\xc5\xd0\xd3\xc6", _PROGRAM),
    ("PDF", rb"%PDF-", "contains pages instead of a picture. Export them as PNG"),
    ("WMF", rb"\xd7\xcd\xc6\x9a\0\0|[\x01\x02]\0\x09\0\0[\x01\x03]", _OUTLINES),
    ("EMF", rb"\x01\0\0\0.{36} EMF", _OUTLINES),
    ("SVG", rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<!DOCTYPE[^>]*>\s*)*<svg[\s>]", _OUTLINES),
    ("HDF5", rb"\x89HDF\r\n\x1a\n", _DATA),
    ("GRIB", rb"GRIB.{3}[\x01\x02]", _DATA),
    ("BUFR", rb"BUFR|ZCZC", _DATA),
)
_COMPILED = {
    kind: tuple((entry[0], re.compile(entry[1], re.DOTALL), *entry[2:]) for entry in table)
    for kind, table in (("refused", _REFUSED), ("picture", _PICTURES), ("video", _VIDEOS))
}
# The brands of ISO containers (ISO/IEC 23008-12, AV1 Image File Format); all others are films.
_AVIF = frozenset({b"avif", b"avis"})
_HEIF = frozenset(
    {
        *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
        *(b"jpeg", b"jpgs", b"j2ki", b"j2is", b"vvic", b"evbi", b"mif1", b"mif2", b"mif3"),
        *(b"msf1", b"miaf", b"avci", b"avcs"),
    }
)


def content_of(head: bytes) -> Content:
    """What the first HEAD_BYTES of a file say about it."""
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    for name, pattern, why in _COMPILED["refused"]:
        if pattern.match(head):
            return Content(kind="refused", name=name, why=f"{name} {why}")
    for name, pattern in _COMPILED["picture"]:
        if pattern.match(head):
            return Content(kind="picture", name=name)
    for name, pattern in _COMPILED["video"]:
        if pattern.match(head):
            return Content(kind="video", name=name)
    return UNKNOWN


def sniffed(path: str | os.PathLike[str]) -> Content:
    """What a file is by its first bytes. Raises OSError, also for anything that is not a file."""
    with given_files.opened(path) as file:
        return content_of(file.read(HEAD_BYTES))


def _by_brand(head: bytes) -> Content:
    size = min(int.from_bytes(head[:4], "big"), len(head))
    major = head[8:12]
    brands = {major, *(head[at : at + 4] for at in range(16, size - 3, 4))}
    if major in _AVIF or (major in _HEIF and brands & _AVIF and not major.startswith(b"he")):
        return Content(kind="picture", name="AVIF")
    if major in _HEIF:
        return Content(kind="picture", name="HEIF")
    if major == b"crx ":
        why = "a camera's raw picture (CR3) must be developed first. Export it as JPEG or PNG"
        return Content(kind="refused", name="CR3", why=why)
    if major in (b"jp2 ", b"jpx "):
        return UNKNOWN
    return Content(kind="video", name="MP4 or QuickTime")


def check_size(width: int, height: int, name: str) -> None:
    """Raises DataError for a picture of more than MAX_PIXELS, or of none."""
    if width <= 0 or height <= 0:
        raise DataError(f"{name}: the picture has no pixels ({width}x{height}); replace it")
    if width * height > MAX_PIXELS:
        raise DataError(f"{name}: {TOO_LARGE}")
