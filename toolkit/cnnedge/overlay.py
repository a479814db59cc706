"""The labels drawn onto a frame, for the live window and saved pictures and videos.

A BGR frame and a prediction enter; a new annotated frame leaves.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from .classifier import Prediction
from .preprocess import Pixels

_ACCENT = (96, 200, 80)
_MUTED = (150, 140, 130)
_WHITE = (245, 245, 245)
# A 28-pixel picture with text on it could not be read.
_SHORTEST_SIDE = 360


def annotate(frame: Pixels, prediction: Prediction, *, top: int = 3, status: str = "") -> Pixels:
    """The frame with the best classes as labelled bars, and a status line.

    frame: uint8 [h, w, 3] BGR. Small frames are enlarged, their pixels kept sharp.
    """
    canvas = _enlarged(frame)
    height, width = canvas.shape[:2]
    unit = max(9, min(height, width) // 26)
    best = prediction.top(top)
    panel = int(unit * (1.2 + 2.0 * len(best) + (1.6 if status else 0)))
    _shade(canvas, height - panel, unit // 2)
    bar_left, bar_right = int(unit * 13), width - unit * 5
    for row, score in enumerate(best):
        base = int(height - panel + unit * (2.0 + 2.0 * row))
        colour = _WHITE if row == 0 else _MUTED
        label = _fitted(score.label, unit, bar_left - 2 * unit, bold=row == 0)
        _text(canvas, label, unit, base, unit, colour, bold=row == 0)
        _bar(canvas, bar_left, bar_right, base, unit, score.score, first=row == 0)
        _text(canvas, f"{score.score:4.0%}", bar_right + unit, base, unit, colour)
    if status:
        _text(canvas, status, unit, height - int(unit * 0.8), int(unit * 0.8), _MUTED)
    return canvas


def _enlarged(frame: Pixels) -> Pixels:
    short = min(frame.shape[:2])
    if short >= _SHORTEST_SIDE:
        copied: Pixels = frame.copy()
        return copied
    factor = -(-_SHORTEST_SIDE // short)
    size = (frame.shape[1] * factor, frame.shape[0] * factor)
    enlarged: Pixels = cv2.resize(frame, size, interpolation=cv2.INTER_NEAREST)
    return enlarged


def _shade(canvas: Pixels, top: int, feather: int) -> None:
    area = canvas[max(0, top - feather) :]
    area[...] = (area * 0.25).astype(np.uint8)


def _bar(
    canvas: Pixels, left: int, right: int, base: int, unit: int, share: float, *, first: bool
) -> None:
    if right <= left:
        return
    top, bottom = base - int(unit * 0.85), base + int(unit * 0.1)
    cv2.rectangle(canvas, (left, top), (right, bottom), (70, 66, 62), -1)
    filled = left + round((right - left) * float(np.clip(share, 0, 1)))
    if filled > left:
        cv2.rectangle(canvas, (left, top), (filled, bottom), _ACCENT if first else _MUTED, -1)


def _fitted(text: str, size: int, width: int, *, bold: bool) -> str:
    if _width(text, size, bold) <= width:
        return text
    while text and _width(text + "…", size, bold) > width:
        text = text[:-1]
    return text + "…"


def _font() -> Any:
    # OpenCV 5 draws real fonts with any script; before it there are ASCII strokes alone.
    face = getattr(cv2, "FontFace", None)
    return face("sans") if face else None


def _width(text: str, size: int, bold: bool) -> int:
    font = _font()
    if font is not None:
        box = cv2.getTextSize((0, 0), text, (0, 0), font, size, 600 if bold else 400)
        return int(box[2])
    (width, _), _ = cv2.getTextSize(_ascii(text), cv2.FONT_HERSHEY_SIMPLEX, size / 24, 1)
    return int(width)


def _text(
    canvas: Pixels,
    text: str,
    left: int,
    base: int,
    size: int,
    colour: tuple[int, int, int],
    *,
    bold: bool = False,
) -> None:
    font: Any = _font()
    if font is not None:
        cv2.putText(canvas, text, (left, base), colour, font, size, 600 if bold else 400)
        return
    cv2.putText(
        canvas,
        _ascii(text),
        (left, base),
        cv2.FONT_HERSHEY_SIMPLEX,
        size / 24,
        colour,
        2 if bold else 1,
        cv2.LINE_AA,
    )


def _ascii(text: str) -> str:
    return text.replace("…", "..").encode("ascii", "replace").decode()
