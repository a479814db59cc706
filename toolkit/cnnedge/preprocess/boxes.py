"""Which part of a frame goes where in a model's input, in integers.

The sizes of both enter; a box (top, left, height, width) leaves. Lengths are rounded to the
nearest pixel, halves to the even one.
"""

from __future__ import annotations

import math

from ..specs.pixels import InputSize

Box = tuple[int, int, int, int]


def crop_box(height: int, width: int, size: InputSize, fraction: float = 1.0) -> Box:
    """The largest centred part of a frame with the input's aspect ratio, or `fraction` of it."""
    high = height * size.width <= width * size.height
    part, whole = (height, size.height) if high else (width, size.width)
    h, w = (_scaled(side, part, whole) for side in size.shape[:2])
    if fraction < 1:
        h, w = (math.floor(side * fraction + 0.5) for side in (h, w))
    h, w = max(1, min(height, h)), max(1, min(width, w))
    return (height - h) // 2, (width - w) // 2, h, w


def letterbox_box(height: int, width: int, size: InputSize) -> Box:
    """Where in the input the whole frame goes."""
    high = size.height * width <= size.width * height
    part, whole = (size.height, height) if high else (size.width, width)
    h = max(1, min(size.height, _scaled(height, part, whole)))
    w = max(1, min(size.width, _scaled(width, part, whole)))
    return (size.height - h) // 2, (size.width - w) // 2, h, w


def scaled_then_cropped(
    height: int, width: int, size: InputSize, fraction: float
) -> tuple[tuple[int, int], Box]:
    """((height, width) to scale the whole frame to, the box of the input in it).

    What torchvision's and timm's Resize and CenterCrop do: the input divided by the fraction is
    rounded down, the frame is scaled to cover it, its longer side is rounded down, and the box is
    centred with halves to the even pixel.
    """
    # A hair, so that 224 / (224 / 232) is 232.
    h, w = (math.floor(side / fraction + 1e-3) for side in size.shape[:2])
    whole = (h, width * h // height) if height * w <= width * h else (height * w // width, w)
    whole = max(whole[0], size.height), max(whole[1], size.width)
    top, left = (_half(a - b) for a, b in zip(whole, size.shape, strict=False))
    return whole, (top, left, size.height, size.width)


def _scaled(side: int, part: int, whole: int) -> int:
    """side * part / whole, rounded; halves to the even number."""
    quotient, rest = divmod(side * part, whole)
    return quotient + (2 * rest > whole or (2 * rest == whole and quotient % 2 == 1))


def _half(length: int) -> int:
    return length // 2 + (length % 4 == 3)
