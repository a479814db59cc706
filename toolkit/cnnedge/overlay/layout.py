"""A frame with its readout: the layout, from 320 x 240 to 1920 x 1080 and upright.

A BGR frame and a readout enter; a new annotated picture leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..preprocess import Pixels
from . import shapes, text
from .readout import QUIET, Figure, Messages, Readout
from .shapes import SOFT, WHITE, Track
from .text import Type

# A picture with a shorter side than this cannot hold readable text.
_SHORTEST_SIDE = 360
_BACKGROUND = 18


def annotated(frame: Pixels, readout: Readout, status: str = "") -> Pixels:
    """The frame with its labels and a status line, for files.

    frame: uint8 [h, w, 3] BGR. Small frames are enlarged, their pixels kept sharp.
    """
    canvas = _enlarged(frame)
    height, width = canvas.shape[:2]
    # There is no table to leave room for: the labels may be larger than in a window.
    unit = max(9.0, min(width / 26, height / 22))
    room = min(width - 1.6 * unit, 20 * unit)
    place = _Place(unit=unit, left=0.8 * unit, bottom=height - 0.8 * unit, wide=room)
    _labels(canvas, readout, place, status)
    return canvas


def live_view(
    frame: Pixels, readout: Readout, size: tuple[int, int], messages: Messages = QUIET
) -> Pixels:
    """What a live window shows: the frame inside `size` (width, height), all else on top of it.

    frame: uint8 [h, w, 3] BGR. Returns uint8 [height, width, 3].
    """
    canvas = _inside(frame, size)
    width, height = size
    unit = _unit(width, height)
    margin = 0.8 * unit
    _head(canvas, readout, unit, margin)
    upright = width < 1.12 * height
    half = width - 2 * margin if upright else min(19 * unit, (width - 3 * margin) / 2)
    bottom = top = height - margin
    if readout.figures:
        left = margin if upright else width - margin - half
        place = _Place(unit=unit, left=left, bottom=bottom, wide=half)
        top = _figures(canvas, readout, place)
        if upright:
            bottom = top - 0.5 * unit
    place = _Place(unit=unit, left=margin, bottom=bottom, wide=half)
    top = min(top, _labels(canvas, readout, place))
    _messages(canvas, messages, unit, top)
    return canvas


def window_size(frame: Pixels) -> tuple[int, int]:
    """A window's first (width, height) for a frame: large enough to read, no larger than HD."""
    height, width = frame.shape[:2]
    factor = min(max(1.0, 480 / min(height, width)), 1280 / width, 800 / height)
    return max(1, round(width * factor)), max(1, round(height * factor))


def _unit(width: int, height: int) -> float:
    """The size of text, in pixels: the same share of every picture."""
    upright = width < 1.12 * height
    return max(9.0, min(width / (24 if upright else 40), height / (32 if upright else 30)))


def _enlarged(frame: Pixels) -> Pixels:
    short = min(frame.shape[:2])
    if short >= _SHORTEST_SIDE:
        copied: Pixels = frame.copy()
        return copied
    factor = -(-_SHORTEST_SIDE // short)
    size = (frame.shape[1] * factor, frame.shape[0] * factor)
    enlarged: Pixels = cv2.resize(frame, size, interpolation=cv2.INTER_NEAREST)
    return enlarged


def _inside(frame: Pixels, size: tuple[int, int]) -> Pixels:
    width, height = size
    scale = min(width / frame.shape[1], height / frame.shape[0])
    w = min(width, max(1, round(frame.shape[1] * scale)))
    h = min(height, max(1, round(frame.shape[0] * scale)))
    if (h, w) == frame.shape[:2]:
        resized = frame
    else:
        # When enlarged a lot, soft pixels would hide what the model sees.
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST if scale > 4 else cv2.INTER_LINEAR
        resized = cv2.resize(frame, (w, h), interpolation=how).astype(np.uint8, copy=False)
    if (h, w) == (height, width):
        return resized.copy() if resized is frame else resized
    canvas = np.full((height, width, 3), _BACKGROUND, np.uint8)
    top, left = (height - h) // 2, (width - w) // 2
    canvas[top : top + h, left : left + w] = resized
    return canvas


def _head(canvas: Pixels, readout: Readout, unit: float, margin: float) -> None:
    """Rate and source at the top left, what computes at the top right."""
    width = canvas.shape[1]
    room = (width - 3 * margin) / 2 - 1.6 * unit
    for title, detail, right in (
        (readout.rate, readout.where, False),
        (readout.delegate, readout.detail, True),
    ):
        if not title and not detail:
            continue
        title = text.fitted(title, unit, room, bold=True)
        detail = text.fitted(detail, 0.74 * unit, room)
        wide = max(text.width(title, unit, bold=True), text.width(detail, 0.74 * unit)) + 1.6 * unit
        left = width - margin - wide if right else margin
        shapes.card(canvas, (left, margin, left + wide, margin + 3.1 * unit), 0.6 * unit)
        x = left + 0.8 * unit
        text.draw(
            canvas, title, (x, margin + 1.35 * unit), Type(size=unit, colour=WHITE, bold=True)
        )
        text.draw(canvas, detail, (x, margin + 2.5 * unit), Type(size=0.74 * unit, colour=SOFT))


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a card stands, in pixels; unit: the size of text."""

    unit: float
    left: float
    bottom: float
    wide: float


def _labels(canvas: Pixels, readout: Readout, place: _Place, status: str = "") -> float:
    """The card of labels; returns its upper edge."""
    if readout.lines:
        return _lines(canvas, (*readout.lines, *([status] if status else [])), place)
    unit, left, bottom, wide = place.unit, place.left, place.bottom, place.wide
    extra = 1.3 * unit if status else 0.0
    # A long list of labels leaves the upper half of the picture free.
    most = 1 + max(0, int((0.6 * bottom - 3.9 * unit - extra) / (1.7 * unit)))
    labels = readout.labels[:most]
    if not labels:
        return bottom
    top = bottom - (3.9 * unit + 1.7 * unit * (len(labels) - 1) + extra)
    shapes.card(canvas, (left, top, left + wide, bottom), 0.7 * unit)
    x0, x1 = left + 0.9 * unit, left + wide - 0.9 * unit
    base = top + 2.0 * unit
    for row, label in enumerate(labels):
        first = row == 0
        size = 1.5 * unit if first else 0.92 * unit
        colour = WHITE if first else SOFT
        share = f"{label.score:.0%}"
        text.draw(canvas, share, (x1, base), Type(size=size, colour=colour, bold=first), right=True)
        room = x1 - x0 - text.width("100%", size, bold=first) - 0.5 * unit
        size = text.shrunk(label.label, size, room, 0.92 * unit, bold=first)
        name = text.fitted(label.label, size, room, bold=first)
        text.draw(canvas, name, (x0, base), Type(size=size, colour=colour, bold=first))
        thickness = (0.36 if first else 0.2) * unit
        middle = base + (0.85 if first else 0.48) * unit
        tint = shapes.GOOD if first else shapes.REST
        track = Track(left=x0, right=x1, middle=middle, thickness=thickness)
        shapes.bar(canvas, track, label.score, tint)
        base += (2.35 if first else 1.7) * unit
    if status:
        text.draw(
            canvas,
            text.fitted(status, 0.74 * unit, x1 - x0),
            (x0, bottom - 0.75 * unit),
            Type(size=0.74 * unit, colour=SOFT),
        )
    return top


def _lines(canvas: Pixels, lines: tuple[str, ...], place: _Place) -> float:
    """A card of plain lines; returns its upper edge."""
    unit, left, bottom, wide = place.unit, place.left, place.bottom, place.wide
    pitch, size = 1.3 * unit, 0.82 * unit
    shown = lines[: max(1, int(0.6 * bottom / pitch))]
    top = bottom - (len(shown) * pitch + 1.1 * unit)
    shapes.card(canvas, (left, top, left + wide, bottom), 0.7 * unit)
    for row, line in enumerate(shown):
        base = top + 0.45 * unit + pitch * (row + 1)
        fitted = text.fitted(line, size, wide - 1.8 * unit)
        text.draw(
            canvas,
            fitted,
            (left + 0.9 * unit, base),
            Type(size=size, colour=WHITE if row == 0 else SOFT),
        )
    return top


def _figures(canvas: Pixels, readout: Readout, place: _Place) -> float:
    """The card of stages against the frame budget; returns its upper edge."""
    unit, left, bottom, wide = place.unit, place.left, place.bottom, place.wide
    pitch, size, small = 1.3 * unit, 0.86 * unit, 0.72 * unit
    top = bottom - (len(readout.figures) * pitch + 2.4 * unit)
    shapes.card(canvas, (left, top, left + wide, bottom), 0.7 * unit)
    x0, x1 = left + 0.9 * unit, left + wide - 0.9 * unit
    middle, last = x1 - 3.1 * unit, x1
    base = top + 1.25 * unit
    budget = readout.budget_ms
    heading = f"budget {number(budget)} ms per frame" if budget else "ms"
    text.draw(canvas, heading, (x0, base), Type(size=small, colour=SOFT))
    text.draw(canvas, "median", (middle, base), Type(size=small, colour=SOFT), right=True)
    text.draw(canvas, "p90", (last, base), Type(size=small, colour=SOFT), right=True)
    for row, figure in enumerate(readout.figures):
        base = top + 1.25 * unit + (row + 1) * pitch
        text.draw(canvas, figure.name, (x0, base), Type(size=size, colour=WHITE))
        text.draw(
            canvas,
            number(figure.median_ms),
            (middle, base),
            Type(size=size, colour=WHITE),
            right=True,
        )
        text.draw(
            canvas, number(figure.p90_ms), (last, base), Type(size=size, colour=SOFT), right=True
        )
        if budget:
            track = Track(
                left=x0 + 6.0 * unit,
                right=middle - 3.1 * unit,
                middle=base - 0.3 * unit,
                thickness=0.42 * unit,
            )
            _share(canvas, figure, budget, track)
    return top


def _share(canvas: Pixels, figure: Figure, budget_ms: float, track: Track) -> None:
    """A stage's share of the budget as a bar, its p90 as a tick."""
    share = figure.median_ms / budget_ms
    colour = shapes.REST if figure.waits else shapes.load_colour(share / figure.periods)
    shapes.bar(canvas, track, share, colour)
    late = min(1.0, figure.p90_ms / budget_ms)
    place = track.left + (track.right - track.left) * late
    shapes.tick(canvas, place, track.middle, track.thickness / 0.42 * 0.8, WHITE)


def _messages(canvas: Pixels, messages: Messages, unit: float, lowest: float) -> None:
    width = canvas.shape[1]
    if messages.help:
        _help(canvas, messages.help, unit)
    elif messages.hints:
        _hints(canvas, messages.hints, unit, lowest)
    base = 4.7 * unit
    if messages.paused and not messages.help:
        base = _pill(canvas, ["paused"], unit, base, pause=True)
    for toast in messages.toasts:
        room = min(width - 3.2 * unit, 36 * unit)
        base = _pill(canvas, text.wrapped(toast, 0.88 * unit, room, 2), unit, base)


def _pill(
    canvas: Pixels, lines: list[str], unit: float, top: float, *, pause: bool = False
) -> float:
    """A centred message; returns the place for the next one."""
    size = 0.88 * unit
    sign = 1.3 * unit if pause else 0.0
    wide = max(text.width(line, size) for line in lines) + 1.8 * unit + sign
    left = (canvas.shape[1] - wide) / 2
    bottom = top + 0.75 * unit + 1.2 * unit * len(lines)
    shapes.card(canvas, (left, top, left + wide, bottom), 0.8 * unit)
    if pause:
        shapes.pause_sign(canvas, left + 0.8 * unit, (top + bottom) / 2, 0.9 * unit)
    for row, line in enumerate(lines):
        base = top + 0.2 * unit + 1.2 * unit * (row + 1) - 0.15 * unit
        text.draw(canvas, line, (left + 0.9 * unit + sign, base), Type(size=size, colour=WHITE))
    return bottom + 0.4 * unit


def _hints(canvas: Pixels, hints: tuple[tuple[str, str], ...], unit: float, lowest: float) -> None:
    """The keys in one line above the cards, as far as they fit."""
    size, gap = 0.74 * unit, 1.0 * unit
    parts = [
        (key, what, text.width(key, size, bold=True), text.width(what, size)) for key, what in hints
    ]
    wide = 1.6 * unit - gap + sum(k + w + 0.35 * unit + gap for _, _, k, w in parts)
    while parts and wide > canvas.shape[1] - 1.0 * unit:
        _, _, k, w = parts.pop()
        wide -= k + w + 0.35 * unit + gap
    left, top = (canvas.shape[1] - wide) / 2, lowest - 2.1 * unit
    shapes.card(canvas, (left, top, left + wide, top + 1.6 * unit), 0.6 * unit)
    x, base = left + 0.8 * unit, top + 1.08 * unit
    for key, what, k, w in parts:
        text.draw(canvas, key, (x, base), Type(size=size, colour=WHITE, bold=True))
        text.draw(canvas, what, (x + k + 0.35 * unit, base), Type(size=size, colour=SOFT))
        x += k + w + 0.35 * unit + gap


def _help(canvas: Pixels, lines: tuple[tuple[str, str], ...], unit: float) -> None:
    """The keys with what they do, in the middle."""
    height, width = canvas.shape[:2]
    keys = max(text.width(key, unit, bold=True) for key, _ in lines)
    whats = max(text.width(what, unit) for _, what in lines)
    wide, tall = keys + whats + 3.4 * unit, 1.7 * unit * len(lines) + 1.2 * unit
    left, top = (width - wide) / 2, max(0.0, (height - tall) / 2)
    shapes.card(canvas, (left, top, left + wide, top + tall), 0.8 * unit)
    for row, (key, what) in enumerate(lines):
        base = top + 1.7 * unit * (row + 1)
        text.draw(
            canvas, key, (left + 1.1 * unit, base), Type(size=unit, colour=shapes.GOOD, bold=True)
        )
        text.draw(canvas, what, (left + keys + 2.3 * unit, base), Type(size=unit, colour=WHITE))


def number(value_ms: float | None) -> str:
    """Milliseconds in a narrow column: two or three significant digits."""
    if value_ms is None:
        return ""
    if value_ms >= 9999.5:
        return f"{value_ms / 1000:.0f} s"
    return f"{value_ms:.{0 if value_ms >= 99.95 else 1 if value_ms >= 9.995 else 2}f}"
