"""Plain shapes as SVG or as pixels, from one description.

Rectangles, lines, areas and texts enter, in units of about a pixel; an `<svg>` string or a BGR
picture leaves. OpenCV 5 draws real fonts; before it, texts are strokes of ASCII.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from xml.sax.saxutils import escape

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

_FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
# Height of a Hershey capital at scale 1 over that of a real font's at a size of one pixel.
_STROKES = 30.0
_REGULAR, _BOLD = 400, 600


@dataclass(frozen=True, kw_only=True)
class Rectangle:
    """Filled, from its upper left corner."""

    left: float
    top: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True, kw_only=True)
class Area:
    """A filled polygon; opacity 0..1."""

    points: tuple[tuple[float, float], ...]
    colour: str
    opacity: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Line:
    """Through all points, one unit wide or more."""

    points: tuple[tuple[float, float], ...]
    colour: str
    width: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Words:
    """One line of text on its baseline; left, middle or right of it is `x`."""

    x: float
    base: float
    text: str
    size: float
    colour: str
    anchor: Literal["start", "middle", "end"] = "start"
    bold: bool = False


Shape = Rectangle | Area | Line | Words


def text_width(text: str, size: float) -> float:
    """The approximate width of a drawn text."""
    return 0.56 * size * len(text)


def as_svg(shapes: Sequence[Shape], width: int, height: int, title: str) -> str:
    """A standalone SVG document; title: for screen readers."""
    body = "".join(_svg(shape) for shape in shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" font-family="{escape(_FONT)}">'
        f"<title>{_text(title)}</title>{body}</svg>\n"
    )


def as_pixels(shapes: Sequence[Shape], width: int, height: int, scale: int = 2) -> Pixels:
    """The same as BGR uint8 [height * scale, width * scale, 3]."""
    canvas = np.full((height * scale, width * scale, 3), 255, np.uint8)
    for shape in shapes:
        _paint(canvas, shape, scale)
    return canvas


def _svg(shape: Shape) -> str:
    if isinstance(shape, Rectangle):
        return (
            f'<rect x="{shape.left:.1f}" y="{shape.top:.1f}" width="{shape.width:.1f}" '
            f'height="{shape.height:.1f}" fill="{shape.colour}"/>'
        )
    if isinstance(shape, Words):
        return (
            f'<text x="{shape.x:.1f}" y="{shape.base:.1f}" font-size="{shape.size:g}" '
            f'fill="{shape.colour}" text-anchor="{shape.anchor}"'
            f"{' font-weight=' + chr(34) + '600' + chr(34) if shape.bold else ''}>"
            f"{_text(shape.text)}</text>"
        )
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
    if isinstance(shape, Area):
        return f'<polygon points="{points}" fill="{shape.colour}" opacity="{shape.opacity:g}"/>'
    return (
        f'<polyline points="{points}" fill="none" stroke="{shape.colour}" '
        f'stroke-width="{shape.width:g}"/>'
    )


def _text(text: str) -> str:
    # XML has no place for control characters, not even escaped.
    return escape("".join(c if c.isprintable() else "\ufffd" for c in text))


def _paint(canvas: Pixels, shape: Shape, scale: int) -> None:
    colour = _bgr(shape.colour)
    if isinstance(shape, Rectangle):
        left, top = round(shape.left * scale), round(shape.top * scale)
        right = max(left + 1, round((shape.left + shape.width) * scale))
        bottom = max(top + 1, round((shape.top + shape.height) * scale))
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), colour, -1)
    elif isinstance(shape, Words):
        _write(canvas, shape, colour, scale)
    else:
        points = np.round(np.asarray(shape.points) * scale).astype(np.int32)
        if isinstance(shape, Line):
            width = max(1, round(shape.width * scale))
            cv2.polylines(canvas, [points], False, colour, width, cv2.LINE_AA)
            return
        over = canvas.copy()
        cv2.fillPoly(over, [points], colour, cv2.LINE_AA)
        cv2.addWeighted(over, shape.opacity, canvas, 1 - shape.opacity, 0, canvas)


def _write(canvas: Pixels, words: Words, colour: tuple[int, int, int], scale: int) -> None:
    size = words.size * scale
    face: Any = getattr(cv2, "FontFace", None)
    if face is None:
        text = words.text.encode("ascii", "replace").decode()
        strokes = size / _STROKES
        (wide, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, strokes, 1)
    else:
        # OpenCV ends the process at bytes that are not text.
        text = words.text.encode("utf-8", "replace").decode()
        font, weight = face("sans"), _BOLD if words.bold else _REGULAR
        wide = cv2.getTextSize((0, 0), text, (0, 0), font, round(size), weight)[2]
    left = words.x * scale - {"start": 0.0, "middle": wide / 2, "end": float(wide)}[words.anchor]
    place = round(left), round(words.base * scale)
    if face is None:
        cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, strokes, colour, 1, cv2.LINE_AA)
    else:
        cv2.putText(canvas, text, place, colour, font, round(size), weight)


def _bgr(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return blue, green, red
