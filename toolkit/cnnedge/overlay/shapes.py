"""Cards, bars and keys: the shapes behind the text. Pixels are changed in place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from ..preprocess import Pixels
from .text import Colour

Weights = npt.NDArray[np.float32]

INK: Colour = (26, 22, 20)
WHITE: Colour = (248, 248, 246)
SOFT: Colour = (196, 190, 184)
TRACK: Colour = (92, 84, 78)
GOOD: Colour = (128, 214, 92)
NEAR: Colour = (70, 190, 250)
OVER: Colour = (92, 92, 244)
REST: Colour = (190, 160, 110)

# The opacity of a card; the rest is the picture behind it.
_OPAQUE = 0.78


def card(canvas: Pixels, box: tuple[float, float, float, float], radius: float) -> None:
    """A dark rounded rectangle, slightly transparent; box: left, top, right, bottom."""
    left, top, right, bottom = box
    x0, y0 = max(0, round(left)), max(0, round(top))
    x1, y1 = min(canvas.shape[1], round(right)), min(canvas.shape[0], round(bottom))
    if x1 <= x0 or y1 <= y0:
        return
    area = canvas[y0:y1, x0:x1]
    dark, ours, theirs = _rounded(x1 - x0, y1 - y0, round(radius))
    area[...] = cv2.blendLinear(dark, area, ours, theirs)


@dataclass(frozen=True, kw_only=True)
class Track:
    """Where a bar lies, in pixels; middle: its height on the canvas."""

    left: float
    right: float
    middle: float
    thickness: float


def bar(canvas: Pixels, track: Track, share: float, colour: Colour) -> None:
    """A round-ended bar of which `share` (0..1) is filled."""
    thick = max(2, round(track.thickness))
    y = round(track.middle)
    start, end = round(track.left + thick / 2), round(track.right - thick / 2)
    if end <= start:
        return
    cv2.line(canvas, (start, y), (end, y), TRACK, thick, cv2.LINE_AA)
    share = float(np.clip(np.nan_to_num(share), 0, 1))
    if share > 0.004:
        filled = start + round((end - start) * share)
        cv2.line(canvas, (start, y), (filled, y), colour, thick, cv2.LINE_AA)


def tick(canvas: Pixels, x: float, middle: float, height: float, colour: Colour) -> None:
    """A short vertical line, such as a p90 on a bar."""
    half = max(2, round(height / 2))
    place = round(x)
    thick = max(1, round(height / 7))
    cv2.line(canvas, (place, round(middle) - half), (place, round(middle) + half), colour, thick)


def pause_sign(canvas: Pixels, left: float, middle: float, height: float) -> None:
    """Two vertical bars."""
    for place in (0.15, 0.6):
        x0, x1 = left + place * height, left + (place + 0.27) * height
        y0, y1 = middle - height / 2, middle + height / 2
        cv2.rectangle(canvas, (round(x0), round(y0)), (round(x1), round(y1)), WHITE, -1)


def load_colour(share: float) -> Colour:
    """Green with room to spare, amber near the budget, red over it."""
    return OVER if share > 1 else NEAR if share > 0.75 else GOOD


@lru_cache(maxsize=32)
def _rounded(width: int, height: int, radius: int) -> tuple[Pixels, Weights, Weights]:
    """A card's own pixels, their weights and those of the background, float32 [h, w]."""
    dark = np.empty((height, width, 3), np.uint8)
    dark[...] = INK
    # Drawn four times as large, so that the corners are smooth.
    large = np.zeros((4 * height, 4 * width), np.uint8)
    r = 4 * min(radius, width // 2, height // 2)
    cv2.rectangle(large, (r, 0), (4 * width - 1 - r, 4 * height - 1), 255, -1)
    cv2.rectangle(large, (0, r), (4 * width - 1, 4 * height - 1 - r), 255, -1)
    for x in (r, 4 * width - 1 - r):
        for y in (r, 4 * height - 1 - r):
            cv2.circle(large, (x, y), r, 255, -1)
    small = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    ours = (small.astype(np.float32) * (_OPAQUE / 255)).astype(np.float32, copy=False)
    return dark, ours, 1 - ours
