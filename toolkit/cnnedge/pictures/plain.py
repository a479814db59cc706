"""The plain JPEGs and PNGs that OpenCV decodes to the same pixels as Pillow, only faster.

A file's bytes enter; a `Plain` leaves, or None: then Pillow reads the file. The markers and chunks
are walked, nothing is decoded. Anything unusual is left to Pillow.
"""

from __future__ import annotations

import zlib
from struct import Struct
from typing import NamedTuple

_PNG = b"\x89PNG\r\n\x1a\n"
_HEADER = Struct(">IIBBBBB")
_FRAME = Struct(">BHHB")
_LENGTH = Struct(">I")
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
# Baseline, extended and progressive, by Huffman codes: the rest differs between libraries.
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_SCAN, _APP1 = 0xDA, 0xE1
# Tables, restart intervals, comments, and what applications add. Another marker is an odd file's.
_PASSED = frozenset({0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)} - {_APP1})
# A PNG's texts that Pillow takes for the orientation, or for transparency.
_MEANT = (b"exif", b"xmp", b"transparency", b"raw profile type", b"xml:com.adobe.xmp")
_PLAIN_CHUNKS = frozenset(
    {
        *(b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"pHYs", b"tIME", b"bKGD"),
        *(b"tEXt", b"iTXt", b"sBIT", b"oFFs", b"hIST", b"vpAg", b"caNv", b"orNT"),
    }
)
# Pillow refuses a PNG whose profile inflates to more; zlib makes at most 1,032 bytes of one.
_LONGEST_TEXT, _LARGEST_PROFILE, _SURELY_SMALL = 2**16, 2**20, 1000


class Plain(NamedTuple):
    """A plain picture. width, height: as stored. exif, xmp: what may hold its orientation."""

    width: int
    height: int
    exif: bytes = b""
    xmp: bytes = b""


def plain(data: bytes) -> Plain | None:
    """What OpenCV may decode; None for everything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(_PNG):
        return _png(data)
    return None


# One step for each kind of segment of a JPEG.
def _jpeg(data: bytes) -> Plain | None:  # noqa: C901
    """8 bits, one or three components, whole up to its end marker."""
    size: tuple[int, int] | None = None
    exif = xmp = b""
    at, end = 2, len(data) - 4
    while at < end:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        body = at + 4
        # A length below 2 leads to a byte that begins no marker.
        at += 2 + (data[at + 2] << 8 | data[at + 3])
        if marker in _PASSED:
            continue
        if marker == 0xFF:
            at = body - 3
        elif marker == _SCAN:
            # The scan of a tiny picture is one byte, and the end marker two.
            if size is None or 0 in size or at > len(data) - 2 or not _ends(data, at):
                return None
            return Plain(*size, exif, xmp)
        elif marker in _FRAMES:
            if size is not None or at > end or at - body < 6:
                return None
            bits, height, width, components = _FRAME.unpack_from(data, body)
            if bits != 8 or components not in (1, 3):
                return None
            size = (width, height)
        elif marker == _APP1:
            if data.startswith(_EXIF, body):
                exif += data[body + 6 * bool(exif) : at]
            elif data.startswith(_XMP, body):
                xmp = data[body + len(_XMP) : at]
        else:
            return None
    return None


def _ends(data: bytes, scan: int) -> bool:
    """Whether an end marker follows; what follows it is not part of the picture."""
    return data.endswith(b"\xff\xd9") or data.find(b"\xff\xd9", scan) >= 0


def _png(data: bytes) -> Plain | None:
    """8 bits of grey or RGB, opaque, still, unturned, with all chunks up to its end."""
    if data[8:16] != b"\0\0\0\x0dIHDR" or len(data) < 57:
        return None
    width, height, bits, colours, packing, filters, interlace = _HEADER.unpack_from(data, 16)
    if bits != 8 or colours not in (0, 2) or packing or filters or interlace > 1:
        return None
    if not _sound(data, 12, 17) or 0 in (width, height):
        return None
    at, end, pixels = 33, len(data) - 12, False
    while at <= end:
        (length,) = _LENGTH.unpack_from(data, at)
        name = data[at + 4 : at + 8]
        following = at + 12 + length
        if name not in _PLAIN_CHUNKS or following > len(data):
            return None
        if name == b"IDAT":
            pixels = True
        elif not _sound(data, at + 4, length + 4) or not _silent(data, name, at + 8, length):
            return None
        elif name == b"IEND":
            return Plain(width, height) if pixels and length == 0 else None
        at = following
    return None


def _sound(data: bytes, start: int, length: int) -> bool:
    """Whether the checksum after a chunk is right; the pixels have their own inside."""
    (given,) = _LENGTH.unpack_from(data, start + length)
    return zlib.crc32(data[start : start + length]) == int(given)


def _silent(data: bytes, name: bytes, start: int, length: int) -> bool:
    """Whether a chunk does not change how the picture is shown, and has a usual size."""
    if name in (b"tEXt", b"iTXt"):
        begins = data[start : start + 24].lower()
        return length < _LONGEST_TEXT and not begins.startswith(_MEANT)
    if name == b"iCCP" and length > _SURELY_SMALL:
        packed = data.find(b"\0", start, start + 80) + 2
        try:
            inflated = zlib.decompressobj().decompress(
                data[packed : start + length], _LARGEST_PROFILE
            )
        except zlib.error:
            return False
        return packed > start and len(inflated) < _LARGEST_PROFILE
    return True
