"""Pillow's many kinds of pixels as 8-bit colour.

A decoded PIL image enters; uint8 [h, w, 3] BGR leaves, transparency over white. How deep values
become 8 bits is stated in `read_picture`.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import DataError

Frame = npt.NDArray[np.uint8]

_DEEPEST = 65535
_OF_SIXTEEN_BITS: Frame = np.rint(np.arange(_DEEPEST + 1) / 257).astype(np.uint8)
_DEEP = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_KEYED = frozenset({"1", "L", "P", "RGB"})
_WITH_ALPHA = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})


class Unconvertible(DataError):
    """Pixels that no stated rule turns into colours; the text is a reason without a path."""


def as_bgr(image: Any) -> Frame:
    """uint8 [h, w, 3] BGR of a decoded PIL image. Raises Unconvertible."""
    if image.mode in _DEEP:
        return _of_grey(_over_white_by_value(_eight_bits(image), image))
    if _is_transparent(image):
        return _of_rgb(np.asarray(_over_white(image)))
    if image.mode in ("1", "L"):
        return _of_grey(np.asarray(image.convert("L")))
    return _of_rgb(np.asarray(_converted(image, "RGB")))


def _is_transparent(image: Any) -> bool:
    if image.mode in _WITH_ALPHA:
        return True
    return image.mode in _KEYED and bool(image.has_transparency_data)


def _over_white(image: Any) -> Any:
    # Premultiplied grey becomes colour only by way of plain grey.
    rgba = _converted(image.convert("LA") if image.mode == "La" else image, "RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


def _converted(image: Any, mode: str) -> Any:
    try:
        return image if image.mode == mode else image.convert(mode)
    except ValueError:
        raise Unconvertible(
            f"its colours are {image.mode}, which Pillow cannot convert to RGB; save it as RGB"
        ) from None


def _eight_bits(image: Any) -> Frame:
    """uint8 [h, w] of deep grey."""
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        return _scaled(values)
    low, high = values.min(), values.max()
    if image.mode == "I":
        if low < 0 or high > _DEEPEST:
            raise Unconvertible(
                f"its 32-bit values range from {low} to {high}; allowed: 0 to {_DEEPEST}. Scale "
                "them to 8 or 16 bits"
            )
        return _scaled(values)
    if not (low >= 0 and high <= 1):
        found = "contain NaN" if np.isnan(values).any() else f"range from {low:g} to {high:g}"
        raise Unconvertible(
            f"its floating-point values {found}; allowed: 0 to 1. Scale them to 0 to 1, or to 8 "
            "bits"
        )
    scaled: Frame = np.rint(values.astype(np.float64) * 255).astype(np.uint8)
    return scaled


def _scaled(values: npt.NDArray[Any]) -> Frame:
    scaled: Frame = _OF_SIXTEEN_BITS[values]
    return scaled


def _over_white_by_value(grey: Frame, image: Any) -> Frame:
    """White where a deep PNG names one value as transparent."""
    key = image.info.get("transparency")
    if not isinstance(key, int) or isinstance(key, bool):
        return grey
    return np.where(np.asarray(image) == key, np.uint8(255), grey)


def _of_grey(grey: npt.NDArray[Any]) -> Frame:
    frame: Frame = cv2.cvtColor(np.ascontiguousarray(grey), cv2.COLOR_GRAY2BGR)
    return frame


def _of_rgb(rgb: npt.NDArray[Any]) -> Frame:
    frame: Frame = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2BGR)
    return frame
