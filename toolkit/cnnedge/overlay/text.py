"""Text in any script, measured, fitted and drawn into BGR pictures.

Strings enter in logical order; pixels leave in visual order. OpenCV 5 draws
real fonts; before it there are only ASCII strokes, and other characters become question marks.
"""

from __future__ import annotations

import threading
import unicodedata
from dataclasses import dataclass
from typing import Any

import cv2

from ..preprocess import Pixels

Colour = tuple[int, int, int]

_REGULAR, _BOLD = 400, 600
# Height of a Hershey capital at scale 1 over that of a real font's at a size of one pixel.
_STROKES = 30.0


def width(text: str, size: float, *, bold: bool = False) -> int:
    """Pixels from the start of a text to its end; size: of the font, in pixels."""
    font = _font()
    if font is None:
        drawn, _ = cv2.getTextSize(_ascii(text), cv2.FONT_HERSHEY_SIMPLEX, size / _STROKES, 1)
        return int(drawn[0])
    weight = _BOLD if bold else _REGULAR
    box = cv2.getTextSize((0, 0), visual(text), (0, 0), font, round(size), weight)
    return int(box[2])


@dataclass(frozen=True, kw_only=True)
class Type:
    """How text looks; size: of the font, in pixels."""

    size: float
    colour: Colour
    bold: bool = False


def draw(
    canvas: Pixels, text: str, at: tuple[float, float], type_: Type, *, right: bool = False
) -> None:
    """Draws one line of text from `at`, x and baseline; with `right`, it ends there."""
    left, base = at
    size, colour = type_.size, type_.colour
    if right:
        left -= width(text, size, bold=type_.bold)
    place = (round(left), round(base))
    font: Any = _font()
    if font is not None:
        weight = _BOLD if type_.bold else _REGULAR
        cv2.putText(canvas, visual(text), place, colour, font, round(size), weight)
        return
    thickness = max(1, round(size / (11 if type_.bold else 22)))
    face = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(canvas, _ascii(text), place, face, size / _STROKES, colour, thickness, cv2.LINE_AA)


def fitted(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """The text, or as much of it as fits into `room` pixels, with an ellipsis."""
    text = _one_line(text)
    if width(text, size, bold=bold) <= room:
        return text
    shortest, longest = 0, len(text)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if width(text[:middle].rstrip() + "…", size, bold=bold) <= room:
            shortest = middle
        else:
            longest = middle - 1
    return text[:shortest].rstrip() + "…"


def shrunk(text: str, size: float, room: float, least: float, *, bold: bool = False) -> float:
    """The largest size from `size` down to `least` at which the text fits."""
    wide = width(_one_line(text), size, bold=bold)
    return size if wide <= room else max(least, size * room / wide)


def wrapped(text: str, size: float, room: float, lines: int) -> list[str]:
    """The text in at most `lines` lines, broken between words, the last one fitted."""
    words, found = _one_line(text).split(" "), [""]
    while words:
        longer = f"{found[-1]} {words[0]}".lstrip()
        if found[-1] and width(longer, size) > room:
            if len(found) == lines:
                found[-1] += " " + " ".join(words)
                break
            found.append("")
            continue
        found[-1] = longer
        words.pop(0)
    return [fitted(line, size, room) for line in found]


def visual(text: str) -> str:
    """In the order in which it is seen, because OpenCV draws every script from the left."""
    # OpenCV ends the process at bytes that are not text.
    text = text.encode("utf-8", "replace").decode()
    if not any(unicodedata.bidirectional(c) in ("R", "AL") for c in text):
        return text
    from bidi import get_display

    return str(get_display(text))


def _one_line(text: str) -> str:
    plain = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(plain.split())


_faces = threading.local()


def _font() -> Any:
    """One for each thread: OpenCV keeps a thread's glyphs and the weight that is set in a face."""
    if not hasattr(_faces, "sans"):
        face = getattr(cv2, "FontFace", None)
        _faces.sans = face("sans") if face else None
    return _faces.sans


def _ascii(text: str) -> str:
    for character, plain in (("…", ".."), ("·", "-"), ("µ", "u"), ("×", "x"), ("–", "-")):
        text = text.replace(character, plain)
    letters = [c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)]
    return "".join(letters).encode("ascii", "replace").decode()
