"""One picture file to pixels.

A path or a file's bytes enter; uint8 [h, w, 3] BGR leaves. The rules are `read_picture`'s.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .. import given_files
from ..errors import DataError
from .contents import MAX_BYTES, TOO_LARGE, check_size
from .orientation import sound_orientation, upright
from .plain import Plain, plain

Frame = npt.NDArray[np.uint8]

_AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture, and what else its file holds: `rest` is "", "animation" or "pages"."""

    pixels: Frame
    rest: str = ""


def read_picture(source: str | os.PathLike[str] | bytes) -> Frame:
    """One picture file, or a file's bytes, as uint8 [h, w, 3] BGR, upright and opaque.

    The pixels are Pillow's: every still format that it reads without running anything, HEIC and
    HEIF by pillow-heif. Plain JPEGs and PNGs are decoded by OpenCV, which gives the same pixels.

    - Upright: by EXIF or XMP as PIL.ImageOps.exif_transpose does it; HEIF and AVIF by their own
      rotation. An orientation that cannot be read turns nothing.
    - Transparency is laid over white: colour * alpha + 255 * (1 - alpha), rounded.
    - Grey of 16 bits is divided by 257 and rounded. So are whole numbers of 32 bits from 0 to
      65535; others are refused. Colour of 16 bits is the upper byte, as Pillow reads it.
    - Floating-point grey is 0 to 1, times 255, rounded; other values are refused.
    - Palettes, CMYK, YCbCr, HSV and LAB become RGB by Pillow's formulas; colour profiles are not
      applied. What Pillow cannot convert is refused.
    - Of an animation the first frame, of several pages the first, of several sizes the largest, of
      a HEIF container its primary picture.

    Raises DataError, with path and reason, for a file that is missing, unreadable, empty, cut
    off, not a picture, of a refused kind, or larger than MAX_PIXELS. Thread-safe.
    """
    data, name = _content(source)
    frame = _by_opencv(data, name)
    if frame is not None:
        return frame
    # Imported only when needed: it takes as long as everything else for a plain picture.
    from .by_pillow import decoded

    return decoded(data, name).pixels


def read_with_rest(source: str | os.PathLike[str] | bytes) -> Picture:
    """As `read_picture`, with what the file holds besides the picture. Raises DataError."""
    data, name = _content(source)
    frame = _by_opencv(data, name)
    if frame is not None:
        return Picture(pixels=frame)
    from .by_pillow import decoded

    return decoded(data, name, rest=True)


def file_bytes(path: str | os.PathLike[str]) -> bytes:
    """A picture file's content. Raises DataError."""
    try:
        return given_files.read(path, at_most=MAX_BYTES)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise DataError(f"{path}: this is a folder; expected a picture file") from None
    except PermissionError:
        raise DataError(f"{path}: permission denied; make it readable for this user") from None
    except MemoryError:
        raise DataError(f"{path}: the file does not fit into memory; make it smaller") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _content(source: str | os.PathLike[str] | bytes) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        data, name = source, "picture bytes"
    else:
        data, name = file_bytes(source), os.fspath(source)
    if not data:
        raise DataError(f"{name}: the file is empty (0 bytes); replace or remove it")
    return data, name


def _by_opencv(data: bytes, name: str) -> Frame | None:
    """A plain picture's pixels; None if OpenCV does not decode it: then Pillow decides."""
    found = plain(data)
    if found is None:
        return None
    check_size(found.width, found.height, name)
    try:
        frame = cv2.imdecode(np.frombuffer(data, np.uint8), _AS_STORED)
    except MemoryError:
        raise DataError(f"{name}: {TOO_LARGE}") from None
    except cv2.error:
        return None
    if frame is None or frame.shape != (found.height, found.width, 3):
        return None
    if found.exif or found.xmp:
        return upright(frame, _orientation(found))
    return frame  # type: ignore[no-any-return]


def _orientation(found: Plain) -> object:
    orientation = sound_orientation(found.exif)
    # XMP counts if EXIF says nothing.
    if orientation or (orientation == 0 and not found.xmp):
        return orientation
    from .by_pillow import stated_orientation

    return stated_orientation(found.exif, found.xmp)


def _quiet() -> None:
    """Silences warnings about single files: each becomes a DataError that names its file."""
    logging = getattr(getattr(cv2, "utils", None), "logging", None)
    if logging is not None and hasattr(logging, "LOG_LEVEL_ERROR"):
        logging.setLogLevel(logging.LOG_LEVEL_ERROR)
    elif hasattr(cv2, "setLogLevel"):
        cv2.setLogLevel(2)


_quiet()
