"""Scatter plots as inline SVG, and figures as text, for the conversion report.

Points enter; an `<svg>` string leaves. Colours are CSS classes that the page defines, so that a
chart follows light and dark. Labels stand beside their points; each takes the place that covers
least of what is already drawn.
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

WIDTH, HEIGHT = 440, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 428, 34, 282
# Labels are placed for this size; the page may draw them smaller, never larger.
_FONT_PX = 13.0
_DIRECTIONS = ((1, 0), (-1, 0), (0.7, -0.7), (0.7, 0.7), (-0.7, -0.7), (-0.7, 0.7), (0, -1), (0, 1))
_DISTANCES = (9, 20, 34, 50)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One variant: x in the axis' unit, accuracies as fractions, x_high the end of a bar in x."""

    label: str
    x: float
    y: float
    low: float
    high: float
    x_high: float | None = None
    marked: bool = False
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A range of values over a range of SVG units, with the values that get a grid line."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    log: bool = False

    def place(self, value: float) -> float:
        """The SVG coordinate of a value."""
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


class Box(NamedTuple):
    """A rectangle in SVG units; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, kw_only=True)
class _Placed:
    text: str
    box: Box
    at: tuple[float, float]
    led: bool


def escape(text: object) -> str:
    """Text for HTML, also inside attributes; lone surrogates and control characters replaced."""
    safe = str(text).encode("utf-8", "replace").decode("utf-8")
    plain = "".join(" " if unicodedata.category(c) == "Cc" else c for c in safe)
    return html.escape(plain, quote=True)


def format_size(size_bytes: float) -> str:
    """Three digits and a decimal unit: 1 KB is 1,000 bytes."""
    value, unit = float(size_bytes), "B"
    for larger in ("KB", "MB", "GB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{_three_digits(value)}\u00a0{unit}"


def format_ms(latency_ms: float) -> str:
    """Milliseconds with three digits, at most three decimals."""
    return f"{_three_digits(latency_ms)}\u00a0ms"


def format_percent(fraction: float, digits: int = 1) -> str:
    """A fraction 0..1 as per cent, without the sign."""
    return f"{100 * fraction:.{digits}f}"


def _three_digits(value: float) -> str:
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2 if value >= 0.0995 else 3
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if digits and value >= 0.995 else text


def scatter(
    points: Sequence[Point],
    *,
    x_title: str,
    x_text: Callable[[float], str],
    reference: tuple[str, float] | None = None,
) -> str:
    """Accuracy in per cent against `x_title` as one `<svg>`; "" without points.

    x is logarithmic where the largest value is more than 4 times the smallest. x_text writes a
    tick. reference: name and accuracy (fraction) of a model drawn as a level line.
    """
    if not points:
        return ""
    x_axis = value_axis(
        [p.x for p in points] + [p.x_high for p in points if p.x_high is not None], _LEFT, _RIGHT
    )
    heights = [100 * value for p in points for value in (p.low, p.high)]
    heights += [100 * reference[1]] if reference else []
    y_axis = linear_axis(heights, _BOTTOM, _TOP)
    parts = [_frame(x_axis, y_axis, x_title, x_text)]
    taken = [box for p in points for box in _ink(p, x_axis, y_axis)]
    if reference:
        line, box = _level(reference, y_axis, taken)
        parts.append(line)
        y = y_axis.place(100 * reference[1])
        taken += [box, Box(_LEFT, y - 2, _RIGHT, y + 2)]
    labels = place_labels([(p.label, *_at(p, x_axis, y_axis)) for p in points], taken)
    parts += [_leader(label) for label in labels if label.led]
    parts += [_mark(p, x_axis, y_axis) for p in points]
    parts += [_name(label, p) for label, p in zip(labels, points, strict=True)]
    said = escape(f"Accuracy against {x_title}: " + ", ".join(p.label for p in points))
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}">'
        + "".join(parts)
        + "</svg>"
    )


def value_axis(values: Sequence[float], start: float, end: float) -> Axis:
    """An axis over positive values: logarithmic where they span more than a factor of 4."""
    low, high = min(values), max(values)
    if low <= 0 or high / low <= 4:
        return linear_axis(values, start, end, floor=0.0)
    low, high = low / 1.35, high * 1.35
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    decades = len(exponents)
    steps = (1, 2, 5) if decades <= 3 else (1, 3) if decades <= 4 else (1,)
    ticks = tuple(m * 10.0**e for e in exponents for m in steps if low <= m * 10.0**e <= high)
    return Axis(low=low, high=high, start=start, end=end, ticks=ticks, log=True)


def linear_axis(
    values: Sequence[float], start: float, end: float, floor: float | None = None
) -> Axis:
    """An axis with about five round ticks and some room around the values."""
    low, high = min(values), max(values)
    room = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
    low, high = low - room, high + room
    if floor is not None:
        low = max(low, floor)
    rough = (high - low) / 5
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(m * scale for m in (1, 2, 2.5, 5, 10) if m * scale >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = tuple(round(i * step, 12) for i in range(first, last + 1))
    return Axis(low=low, high=high, start=start, end=end, ticks=ticks)


def place_labels(wanted: Sequence[tuple[str, float, float]], taken: Iterable[Box]) -> list[_Placed]:
    """For each (text, x, y) of a point, where its label covers least; the order is kept."""
    obstacles = list(taken)
    placed: list[_Placed] = []
    for text, x, y in wanted:
        shown = text if len(text) <= 24 else text[:15] + "\u2026" + text[-8:]
        options = [
            _candidate(shown, x, y, direction, distance)
            for distance in _DISTANCES
            for direction in _DIRECTIONS
        ]
        best = min(options, key=lambda option: _cost(option, obstacles))
        placed.append(best)
        # With room at the sides: two names in a row would read as one.
        left, top, right, bottom = best.box
        obstacles.append(Box(left - 6, top, right + 6, bottom))
    return placed


def _candidate(
    text: str, x: float, y: float, direction: tuple[float, float], distance: float
) -> _Placed:
    across, down = direction
    width, height = text_width(text), _FONT_PX * 1.15
    cx = x + across * distance + (math.copysign(width / 2, across) if across else 0.0)
    cy = y + down * (distance + height / 2)
    box = Box(cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
    return _Placed(text=text, box=box, at=(x, y), led=distance > _DISTANCES[0])


def _cost(option: _Placed, obstacles: Iterable[Box]) -> float:
    box = option.box
    outside = (
        max(0.0, _LEFT + 2 - box.left)
        + max(0.0, box.right - _RIGHT - 6)
        + max(0.0, _TOP - 8 - box.top)
        + max(0.0, box.bottom - _BOTTOM + 2)
    )
    covered = sum(_overlap(box, other) for other in obstacles)
    return 40 * outside + 4 * covered + math.dist(option.at, _nearest(box, option.at))


def _overlap(a: Box, b: Box) -> float:
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    return width * height if width > 0 and height > 0 else 0.0


def _nearest(box: Box, at: tuple[float, float]) -> tuple[float, float]:
    x, y = at
    return min(max(x, box.left), box.right), min(max(y, box.top), box.bottom)


def text_width(text: str) -> float:
    """An upper estimate of a label's width in SVG units: East Asian characters are full width."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return _FONT_PX * (0.58 * (len(text) - wide) + 1.02 * wide)


def _at(point: Point, x_axis: Axis, y_axis: Axis) -> tuple[float, float]:
    return x_axis.place(point.x), y_axis.place(100 * point.y)


def _ink(point: Point, x_axis: Axis, y_axis: Axis) -> list[Box]:
    """What a point and its bars cover."""
    x, y = _at(point, x_axis, y_axis)
    top, bottom = y_axis.place(100 * point.high), y_axis.place(100 * point.low)
    boxes = [Box(x - 7, y - 7, x + 7, y + 7), Box(x - 3, top, x + 3, bottom)]
    if point.x_high is not None:
        boxes.append(Box(x, y - 2, x_axis.place(point.x_high), y + 2))
    return boxes


def _frame(x_axis: Axis, y_axis: Axis, x_title: str, x_text: Callable[[float], str]) -> str:
    steps = [b - a for a, b in zip(y_axis.ticks, y_axis.ticks[1:], strict=False)]
    step = min(steps, default=1.0)
    digits = next((d for d in range(4) if abs(round(step, d) - step) < 1e-9), 4)
    parts = ['<text class="t" x="4" y="15">accuracy, %</text>']
    for tick in y_axis.ticks:
        y = y_axis.place(tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="t e" x="{_LEFT - 7}" y="{y + 4:.1f}">{tick:.{digits}f}</text>')
    for tick in x_axis.ticks:
        x = x_axis.place(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_BOTTOM}"/>')
        text = escape(x_text(tick))
        parts.append(f'<text class="t m" x="{x:.1f}" y="{_BOTTOM + 18}">{text}</text>')
    middle = (_LEFT + _RIGHT) / 2
    parts.append(f'<text class="t m" x="{middle}" y="{HEIGHT - 8}">{escape(x_title)}</text>')
    return "".join(parts)


def _level(reference: tuple[str, float], y_axis: Axis, taken: Sequence[Box]) -> tuple[str, Box]:
    """The line of the reference model; its name at the end where less is drawn already."""
    name, accuracy = reference
    y = y_axis.place(100 * accuracy)
    text = f"{name if len(name) <= 24 else name[:23] + chr(0x2026)} {format_percent(accuracy)}"
    width = text_width(text)
    options = [
        Box(left, y + rise, left + width, y + rise + 14)
        for left in (_RIGHT - width, _LEFT + 3)
        for rise in (-17, 3)
    ]
    box = min(options, key=lambda option: sum(_overlap(option, other) for other in taken))
    at_end = box.left > _LEFT + 3
    where = f'class="t e" x="{_RIGHT}"' if at_end else f'class="t" x="{_LEFT + 4}"'
    line = (
        f'<line class="level" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text {where} y="{box.bottom - 3:.1f}">{escape(text)}</text>'
    )
    return line, box


def _leader(label: _Placed) -> str:
    (x, y), (to_x, to_y) = label.at, _nearest(label.box, label.at)
    return f'<line class="lead" x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"/>'


def _mark(point: Point, x_axis: Axis, y_axis: Axis) -> str:
    x, y = _at(point, x_axis, y_axis)
    top, bottom = y_axis.place(100 * point.high), y_axis.place(100 * point.low)
    kind = "bad" if point.failed else "best" if point.marked else "dot"
    across = ""
    if point.x_high is not None:
        end = x_axis.place(point.x_high)
        across = f'<line class="bar" x1="{x:.1f}" x2="{end:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return (
        f'<g class="{kind}"><line class="bar" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" '
        f'y2="{bottom:.1f}"/>{across}<circle cx="{x:.1f}" cy="{y:.1f}" r="5"/></g>'
    )


def _name(label: _Placed, point: Point) -> str:
    x = label.at[0]
    middle = (label.box.left + label.box.right) / 2
    # Flush with the point: the width is an upper estimate, and centring would leave a gap.
    if label.box.left >= x:
        place = f'x="{label.box.left:.1f}"'
    elif label.box.right <= x:
        place = f'x="{label.box.right:.1f}" text-anchor="end"'
    else:
        place = f'x="{middle:.1f}" text-anchor="middle"'
    kind = "name bad" if point.failed else "name best" if point.marked else "name"
    baseline = (label.box.top + label.box.bottom) / 2 + 4.5
    return f'<text class="{kind}" {place} y="{baseline:.1f}">{escape(label.text)}</text>'


def heat_map(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    """A confusion matrix as an HTML table, rows true and columns predicted, with recalls.

    Orange is on a square-root scale, so that rare confusions stay visible. Above 25 classes the
    counts are left to the cells' titles.
    """
    small = len(labels) > 25
    heads = "".join(f'<th scope="col"><span>{escape(label)}</span></th>' for label in labels)
    rows = []
    for index, (label, row) in enumerate(zip(labels, matrix, strict=True)):
        total = sum(row)
        cells = "".join(_cell(labels, index, column, row, small) for column in range(len(row)))
        recall = f"{100 * row[index] / total:.1f} %" if total else "no pictures"
        said = escape(label)
        head = f'<th scope="row" title="{said}">{said}</th>'
        rows.append(f'<tr>{head}{cells}<td class="recall">{recall}</td></tr>')
    return (
        f'<div class="wide"><table class="heat{" small" if small else ""}"><thead><tr><td></td>'
        f'{heads}<td class="recall">recall</td></tr></thead><tbody>{"".join(rows)}</tbody>'
        "</table></div>"
    )


def _cell(labels: Sequence[str], index: int, column: int, row: Sequence[int], small: bool) -> str:
    count = row[column]
    if not count:
        return "<td></td>"
    share = count / sum(row)
    strength = share if index == column else math.sqrt(share)
    kind = ("hit" if index == column else "miss") + (" on" if strength > 0.6 else "")
    said = escape(f"{labels[index]} taken for {labels[column]}: {count}")
    if index == column:
        said = escape(f"{labels[index]} recognised: {count}")
    text = "" if small else f"{count}"
    return f'<td class="{kind}" style="--a:{strength:.3f}" title="{said}">{text}</td>'
