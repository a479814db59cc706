"""Picture files to pixels, as a person sees them.

A path or a file's bytes enter; uint8 [h, w, 3] BGR leaves: turned upright by EXIF, 16 bits
scaled to 8, palettes, greys and CMYK made colour, transparency laid over white, the first frame
of an animation. Whatever cannot be read raises DataError with the path and the reason.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .errors import DataError

# The package itself asks OpenCV for this limit, by the header; `_decode` checks again, in case
# OpenCV was imported before cnnedge.
MAX_PIXELS = 2**27

Frame = npt.NDArray[np.uint8]

PICTURE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".gif", ".webp"),
        *(".tif", ".tiff", ".pbm", ".pgm", ".ppm", ".pnm", ".pam", ".jp2", ".avif"),
    }
)

_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_ORIENTATION, _PHOTOMETRIC, _SEPARATED = 0x0112, 0x0106, 5
_PIXEL_LIMIT_NAME = "CV_IO_MAX_IMAGE"
_OPENCV = tuple(int(part) for part in cv2.__version__.split(".")[:2])


def read_picture(source: str | os.PathLike[str] | bytes) -> Frame:
    """One picture file, or a file's bytes, as uint8 [h, w, 3] BGR, upright and opaque.

    16-bit values are divided by 257; 32-bit integers map their whole range, from the lowest value
    of the type to the highest; floats are taken as 0..1. TIFF grey with transparency, and the
    rotation that an AVIF container may ask for, are beyond OpenCV: their pixels come as stored.

    Raises DataError, with path and reason, for a file that is missing, unreadable, empty, cut
    off, no picture, or larger than MAX_PIXELS.
    """
    if isinstance(source, bytes):
        return _decode(source, "picture bytes")
    return _decode(_file_bytes(Path(source)), os.fspath(source))


def _file_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise DataError(f"{path}: this is a folder; expected a picture file") from None
    except PermissionError:
        raise DataError(f"{path}: permission denied; make it readable for this user") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _decode(data: bytes, name: str) -> Frame:
    if not data:
        raise DataError(f"{name}: the file is empty (0 bytes); replace or remove it")
    buffer = np.frombuffer(data, np.uint8)
    try:
        frame = _with_alpha(data, buffer) if _may_have_alpha(data) else None
        if frame is None:
            frame = cv2.imdecode(buffer, cv2.IMREAD_COLOR)
    except (cv2.error, MemoryError) as error:
        too_large = _PIXEL_LIMIT_NAME in str(error) or isinstance(error, MemoryError)
        raise DataError(f"{name}: {_TOO_LARGE if too_large else _unreadable(data)}") from None
    if frame is None:
        raise DataError(f"{name}: {_unreadable(data)}")
    if frame.shape[0] * frame.shape[1] > MAX_PIXELS:
        raise DataError(f"{name}: {_TOO_LARGE}")
    return np.ascontiguousarray(frame)


_TOO_LARGE = f"the picture is too large; at most {MAX_PIXELS:,} pixels are read. Make it smaller"


def _unreadable(data: bytes) -> str:
    animated = data.startswith(b"GIF8") or (data[8:12] == b"WEBP" and b"ANIM" in data[:64])
    if animated and _OPENCV < (4, 11):
        return (
            f"OpenCV {cv2.__version__} reads neither GIF nor animated WebP; convert the picture "
            "to PNG or JPEG, or install OpenCV 4.11 or later"
        )
    if _may_have_alpha(data) or data.startswith((b"\xff\xd8\xff", b"BM")):
        return "the picture is cut off or damaged; replace or remove it"
    return (
        "this is not a picture that can be read; expected a file like "
        "JPEG, PNG, BMP, GIF, WebP or TIFF"
    )


def _may_have_alpha(data: bytes) -> bool:
    """By signature: PNG, GIF, TIFF, WebP, AVIF, JPEG 2000. A JPEG takes the short way."""
    return (
        data.startswith((_PNG, b"GIF8", *_TIFF))
        or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
        or data[4:12] in (b"ftypavif", b"ftypavis", b"jP  \r\n\x87\n")
    )


def _with_alpha(data: bytes, buffer: npt.NDArray[np.uint8]) -> Frame | None:
    """The picture with its transparency laid over white; None: IMREAD_COLOR serves it better."""
    raw = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    if raw is None:
        return None
    tiff = data.startswith(_TIFF)
    if tiff and _tiff_tag(data, _PHOTOMETRIC) == _SEPARATED:
        return None  # four inks, not three colours and transparency
    pixels = _eight_bits(raw)
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    elif pixels.shape[2] == 2:
        grey = cv2.cvtColor(np.ascontiguousarray(pixels[:, :, 0]), cv2.COLOR_GRAY2BGR)
        pixels = _over_white(np.dstack([grey, pixels[:, :, 1]]), premultiplied=False)
    elif pixels.shape[2] == 4:
        # libtiff hands out 8-bit colours already multiplied by their alpha.
        pixels = _over_white(pixels, premultiplied=tiff and raw.dtype == np.uint8)
    # OpenCV turns a TIFF itself; for the others IMREAD_UNCHANGED leaves it to us.
    return pixels if tiff else _upright(pixels, _exif_orientation(data))


def _eight_bits(raw: npt.NDArray[Any]) -> Frame:
    if raw.dtype == np.uint8:
        return raw
    if raw.dtype.kind in "fb":
        low, high = 0.0, 1.0
    else:
        low, high = float(np.iinfo(raw.dtype).min), float(np.iinfo(raw.dtype).max)
    unit = (np.nan_to_num(raw).astype(np.float64) - low) / (high - low)
    scaled: Frame = np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)
    return scaled


def _over_white(pixels: Frame, *, premultiplied: bool) -> Frame:
    alpha = pixels[:, :, 3:]
    if alpha.min() == 255:
        return pixels[:, :, :3]
    opaque = alpha.astype(np.uint16)
    colour = pixels[:, :, :3].astype(np.uint16)
    if not premultiplied:
        colour = (colour * opaque + 127) // 255
    blended: Frame = np.minimum(colour + (255 - opaque), 255).astype(np.uint8)
    return blended


def _exif_orientation(data: bytes) -> int:
    """1..8. The EXIF chunk of PNG (`eXIf`) and WebP (`EXIF`) is TIFF, with or without a prefix.

    Found by its name and the TIFF signature right behind it, eight bytes that compressed pixels
    do not hold by chance, because OpenCV hands metadata out from 4.11 on only.
    """
    for name, gap in ((b"eXIf", 0), (b"EXIF", 4)):
        at = data.find(name)
        while at >= 0:
            start = at + 4 + gap
            start += 6 if data[start : start + 6] == b"Exif\x00\x00" else 0
            if data.startswith(_TIFF[:2], start):
                value = _tiff_tag(data[start : start + 65536], _ORIENTATION)
                return value or 1
            at = data.find(name, at + 1)
    return 1


def _tiff_tag(data: bytes, wanted: int) -> int | None:
    """A short number from the first directory of TIFF bytes; None where there is none."""
    order = "<" if data[:2] == b"II" else ">"
    try:
        (offset,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, offset)
        for entry in range(offset + 2, offset + 2 + 12 * count, 12):
            tag, _kind, _length, value = struct.unpack_from(order + "HHIH", data, entry)
            if tag == wanted:
                return int(value)
    except struct.error:
        return None
    return None


def _upright(pixels: Frame, orientation: int) -> Frame:
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _quiet() -> None:
    """Warnings about single files off: each becomes a DataError that names its file."""
    logging = getattr(getattr(cv2, "utils", None), "logging", None)
    if logging is not None and hasattr(logging, "LOG_LEVEL_ERROR"):
        logging.setLogLevel(logging.LOG_LEVEL_ERROR)
    elif hasattr(cv2, "setLogLevel"):
        cv2.setLogLevel(2)


_quiet()
