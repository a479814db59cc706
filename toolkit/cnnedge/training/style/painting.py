"""The style picture: a person's own, or one that is drawn in code.

A recipe's Style enters; uint8 [h, w, 3] RGB leaves.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ... import given_files
from ...errors import DataError
from ...pictures import read_picture
from ...specs.style import STROKES, Style

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_SIDE = 384
# From night to light, and the colour of the few strokes that stand out.
_PALETTE = np.array(
    [(18, 28, 84), (26, 62, 138), (44, 110, 178), (120, 170, 196), (232, 196, 84), (248, 232, 150)],
    np.float32,
)
_ACCENT = np.array((206, 104, 44), np.float32)
# Of the swirls: centre, radius, and which way it turns; in shares of the side.
_SWIRLS = (
    (0.28, 0.30, 0.20, 1),
    (0.72, 0.22, 0.13, -1),
    (0.62, 0.62, 0.24, -1),
    (0.12, 0.78, 0.14, 1),
    (0.90, 0.86, 0.12, 1),
)
# Of the strokes: width in pixels, how many, and length in pixels; the finest last, on top.
_BRUSHES = ((11, 1400, 34), (7, 3200, 26), (4, 3800, 18))
_JOINTS = 6


def style_picture(style: Style) -> Picture:
    """The picture that a recipe names, brought to its size: uint8 [h, w, 3] RGB.

    Raises DataError for a file that is no picture, or too small to see a style in.
    """
    if style.picture == STROKES:
        picture = strokes()
    elif style.picture.startswith("synthetic:"):
        raise DataError(
            f"style.picture {style.picture}: there is no such picture; allowed: the path of a "
            f"picture, or {STROKES}"
        )
    else:
        picture = _read(style.picture)
    height, width = picture.shape[:2]
    if min(height, width) < style.picture_side:
        raise DataError(
            f"{style.picture}: the style picture has {width} x {height} pixels; its shorter side "
            f"needs at least {style.picture_side}. Give a larger picture, or set "
            "style.picture_side"
        )
    scale = style.picture_side / min(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _read(path: str) -> Picture:
    place = given_files.expanded(path)
    if place.is_dir():
        raise DataError(f"{path}: this is a folder; expected one picture, such as painting.jpg")
    if not place.exists():
        raise DataError(f"{path}: there is no such file; expected a picture, such as painting.jpg")
    frame = read_picture(str(place))
    if frame.ndim == 2:
        frame = np.repeat(frame[:, :, None], 3, axis=2)
    return np.ascontiguousarray(frame[:, :, ::-1])


def strokes(seed: int = 7) -> Picture:
    """Brush strokes along a swirling field, uint8 [384, 384, 3] RGB; synthetic, nobody's work."""
    rng = np.random.default_rng(seed)
    angle, glow = _field()
    canvas = np.full((_SIDE, _SIDE, 3), _PALETTE[0], np.uint8)
    for width, count, length in _BRUSHES:
        for _ in range(count):
            path = _stroke(rng, angle, length)
            colour = _colour(rng, glow, path[_JOINTS // 2])
            points = np.round(path * 16).astype(np.int32)
            shade = tuple(float(value) for value in colour)
            cv2.polylines(canvas, [points], False, shade, width, cv2.LINE_AA, 4)
    return canvas


def _field() -> tuple[Floats, Floats]:
    """The direction of strokes in radians, and how light it is (0..1), float32 [384, 384] each."""
    y, x = np.mgrid[0:_SIDE, 0:_SIDE].astype(np.float32) / _SIDE
    base = 0.25 * np.sin(5 * x + 1) + 0.2 * np.cos(4 * y)
    along, down = np.cos(base), np.sin(base)
    glow = np.zeros_like(x)
    for centre_x, centre_y, radius, turn in _SWIRLS:
        dx, dy = x - centre_x, y - centre_y
        distance = np.hypot(dx, dy) + 1e-4
        pull = 4 * np.exp(-1.2 * (distance / radius) ** 2)
        along -= turn * dy / distance * pull
        down += turn * dx / distance * pull
        glow = np.maximum(glow, np.exp(-((distance / (0.75 * radius)) ** 2)))
    return np.arctan2(down, along), glow


def _stroke(rng: np.random.Generator, angle: Floats, length: float) -> Floats:
    """float32 [7, 2], x and y: from anywhere on, along the field."""
    place = rng.uniform(-5, _SIDE + 5, 2)
    path = [place]
    for _ in range(_JOINTS):
        turned = angle[_inside(place[1]), _inside(place[0])] + rng.normal(0, 0.05)
        place = place + length / _JOINTS * np.array([np.cos(turned), np.sin(turned)])
        path.append(place)
    return np.asarray(path, np.float32)


def _colour(rng: np.random.Generator, glow: Floats, middle: Floats) -> Floats:
    """float32 [3] RGB, lighter in the swirls, in rings around the middle of the picture."""
    if rng.random() < 0.05:
        colour = _ACCENT
    else:
        light = glow[_inside(middle[1]), _inside(middle[0])]
        far = float(np.hypot(middle[0] / _SIDE - 0.5, middle[1] / _SIDE - 0.45))
        ring = 0.5 + 0.5 * np.sin(18 * far + rng.normal(0, 0.5))
        shade = 3.2 * light + 1.9 * ring * (1 - light) + rng.normal(0, 0.45)
        shade = float(np.clip(shade, 0, len(_PALETTE) - 1.001))
        low = int(shade)
        colour = _PALETTE[low] + (shade - low) * (_PALETTE[low + 1] - _PALETTE[low])
    return np.clip(colour + rng.normal(0, 10, 3), 0, 255).astype(np.float32)


def _inside(value: float) -> int:
    return int(min(max(value, 0), _SIDE - 1))
