"""Pixels turned upright by the orientation that EXIF states.

A JPEG's EXIF is read here where its first directory is sound, which spares Pillow's reading of
all of it (it would take half as long as the picture); the answer is Pillow's, or none.
"""

from __future__ import annotations

from struct import Struct

import cv2
import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]

_TURNS = {
    3: cv2.ROTATE_180,
    6: cv2.ROTATE_90_CLOCKWISE,
    8: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
_FLIPS = {2: 1, 4: 0}


def sound_orientation(exif: bytes) -> int | None:
    """The orientation in an EXIF segment of a JPEG, 0 if it states none.

    None: ask Pillow, which reads odd segments too.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[6:10])
    if order is None or len(exif) < 20:
        return None
    start, count = _OFFSET[order].unpack_from(exif, 10)[0] + 6, 0
    if 14 <= start <= len(exif) - 2:
        (count,) = _SHORT[order].unpack_from(exif, start)
    end = start + 2 + 12 * count
    if not 0 < count < 200 or end > len(exif):
        return None
    named = [
        entry for entry in _ENTRY[order].iter_unpack(exif[start + 2 : end]) if entry[0] == 0x0112
    ]
    if not named:
        return 0
    if len(named) > 1 or named[0][1:3] != (3, 1):
        return None
    return int(named[0][3])


_OFFSET = {order: Struct(f"{order}I") for order in "<>"}
_SHORT = {order: Struct(f"{order}H") for order in "<>"}
_ENTRY = {order: Struct(f"{order}HHIHxx") for order in "<>"}


def upright(pixels: Frame, orientation: object) -> Frame:
    """uint8 [h, w, 3] as a person sees it; for anything but 2..8, as it is."""
    turned = pixels
    if orientation in _TURNS:
        turned = cv2.rotate(pixels, _TURNS[orientation])  # type: ignore[index, assignment]
    elif orientation in _FLIPS:
        turned = cv2.flip(pixels, _FLIPS[orientation])  # type: ignore[index, assignment]
    elif orientation == 5:
        turned = cv2.transpose(pixels)  # type: ignore[assignment]
    elif orientation == 7:
        turned = cv2.flip(cv2.transpose(pixels), -1)  # type: ignore[assignment]
    return turned
