"""Picture files as a stranger may send them.

A seed enters; files leave as bytes: small sound pictures of many formats whose sizes, segments,
chunks and directories are changed, with check sums made right again where readers would stop.
"""

from __future__ import annotations

import functools
import io
import random
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from .changes import changed

_FORMATS = (
    *("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "ICO", "TGA", "PCX", "JPEG2000", "AVIF"),
    *("DDS", "SGI", "ICNS", "IM", "MSP", "QOI"),
)
_SIDES = (0, 1, 7, 255, 4096, 65_535, 2**16, 2**27, 2**31 - 1, 2**31, 2**32 - 1)


def mutants(seed: int, count: int) -> Iterator[bytes]:
    """`count` files, the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(count):
        name, data = rng.choice(_sound())
        by_structure = _BY_FORMAT.get(name)
        if by_structure is not None and rng.random() < 0.7:
            data = by_structure(data, rng)
        yield changed(data, rng) if rng.random() < 0.5 else data


@functools.cache
def _sound() -> tuple[tuple[str, bytes], ...]:
    """(format, bytes) of what this Pillow writes."""
    rng = random.Random(0)
    colour = Image.frombytes("RGB", (24, 16), rng.randbytes(24 * 16 * 3))
    kinds = [colour, colour.convert("L"), colour.convert("P"), colour.convert("RGBA")]
    exif = Image.Exif()
    exif[0x0112] = 6
    found = []
    for name in _FORMATS:
        for image in kinds:
            out = io.BytesIO()
            try:
                more = {"exif": exif} if name in ("JPEG", "PNG", "WEBP", "TIFF") else {}
                image.save(out, name, **more)
            except Exception:  # not every format has every mode, nor every Pillow every format
                continue
            found.append((name, out.getvalue()))
    for name in ("GIF", "WEBP", "PNG", "TIFF"):
        out = io.BytesIO()
        colour.save(out, name, save_all=True, append_images=[colour.rotate(90)], duration=50)
        found.append((name, out.getvalue()))
    return tuple(found)


def _png(data: bytes, rng: random.Random) -> bytes:
    """Another size, depth or kind, or a chunk elsewhere, again or of another length."""
    chunks = []
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    what = rng.randrange(4)
    if what == 0:
        head = bytearray(chunks[0][1])
        struct.pack_into(">I", head, rng.choice((0, 4)), rng.choice(_SIDES))
        chunks[0] = (b"IHDR", bytes(head))
    elif what == 1:
        head = bytearray(chunks[0][1])
        head[rng.randrange(8, 13)] = rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
        chunks[0] = (b"IHDR", bytes(head))
    elif what == 2:
        chunks.insert(rng.randrange(len(chunks)), rng.choice(chunks))
    else:
        # Texts and profiles may unpack to very much.
        bomb = zlib.compress(b"\0" * rng.choice((100, 10**7)))
        kind = rng.choice((b"zTXt", b"iCCP", b"iTXt", b"eXIf", b"acTL", b"fcTL", b"tRNS", b"PLTE"))
        chunks.insert(1, (kind, b"a\0\0" + bomb))
    return data[:8] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _jpeg(data: bytes, rng: random.Random) -> bytes:
    """A segment of another length or kind, or another size."""
    places, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        places.append(at)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    out = bytearray(data)
    place = rng.choice(places)
    frames = [p for p in places if data[p + 1] in (0xC0, 0xC2)]
    if frames and rng.random() < 0.4:
        struct.pack_into(">H", out, frames[0] + rng.choice((5, 7)), rng.choice(_SIDES) & 0xFFFF)
    elif rng.random() < 0.5:
        struct.pack_into(">H", out, place + 2, rng.choice((0, 1, 2, 3, 100, 65_535)))
    else:
        out[place + 1] = rng.choice((0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xD8, 0xD9, 0xDA, 0xE1, 0xFF))
    return bytes(out)


def _tiff(data: bytes, rng: random.Random) -> bytes:
    """A field of the first directory with another number, type, count or value, or a circle."""
    order = "<" if data[:2] == b"II" else ">"
    (first,) = struct.unpack_from(order + "I", data, 4)
    (fields,) = struct.unpack_from(order + "H", data, first)
    out = bytearray(data)
    entry = first + 2 + 12 * rng.randrange(fields)
    what = rng.randrange(4)
    if what == 0:
        struct.pack_into(order + "I", out, entry + 8, rng.choice((*_SIDES, first, len(data))))
    elif what == 1:
        struct.pack_into(order + "I", out, entry + 4, rng.choice(_SIDES))
    elif what == 2:
        struct.pack_into(order + "H", out, entry + 2, rng.choice((0, 1, 2, 3, 4, 5, 12, 13, 99)))
    else:
        struct.pack_into(order + "I", out, first + 2 + 12 * fields, first)
    return bytes(out)


def _gif(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    struct.pack_into("<H", out, rng.choice((6, 8)), rng.choice(_SIDES) & 0xFFFF)
    return bytes(out)


def _bmp(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    struct.pack_into("<I", out, rng.choice((10, 14, 18, 22, 30, 46)), rng.choice(_SIDES))
    return bytes(out)


def _webp(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    struct.pack_into("<I", out, rng.choice((4, 16, 20, 24, 28)), rng.choice(_SIDES))
    return bytes(out)


_BY_FORMAT = {"PNG": _png, "JPEG": _jpeg, "TIFF": _tiff, "GIF": _gif, "BMP": _bmp, "WEBP": _webp}
