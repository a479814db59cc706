"""Scatter plots as inline SVG for the HTML reports.

A plot enters; `<svg>` leaves, as text. Colours are CSS classes that the page defines, so that a
chart follows light and dark. A step line joins the points that no other beats.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import svg
from .axes import Axis, linear_axis, value_axis
from .labels import Box, Placed, covered, place_labels, text_width
from .text import format_percent, shortened

# A limit further than this from all points would push them into a corner.
LIMIT_REACH = 2.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """One variant: x in the axis' unit, accuracies as fractions, x_high the end of a bar in x.

    beneath: too inaccurate to draw to scale; a mark at the lower edge shows this.
    """

    label: str
    x: float
    y: float
    low: float
    high: float
    x_high: float | None = None
    marked: bool = False
    failed: bool = False
    beneath: bool = False


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Accuracy in per cent against x, whose ticks x_text writes.

    x is logarithmic if the largest value is more than 4 times the smallest. reference: name and
    accuracy (fraction) of a model drawn as a level line. limit: the largest x allowed, a vertical
    line if it is at most `reach` times away from every point.
    """

    points: Sequence[Point]
    x_title: str
    x_text: Callable[[float], str]
    reference: tuple[str, float] | None = None
    limit: float | None = None
    reach: float = LIMIT_REACH

    @property
    def limit_drawn(self) -> float | None:
        """The limit, if it can be drawn without compressing the points."""
        xs = [p.x for p in self.points]
        if self.limit is None or not xs:
            return None
        return self.limit if min(xs) / self.reach <= self.limit <= max(xs) * self.reach else None


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """The size of a chart in SVG units, which the page draws as about one pixel each."""

    width: int
    height: int
    kind: str = ""

    @property
    def area(self) -> Box:
        return Box(46, 34, self.width - 12, self.height - 48)


DESKTOP = Canvas(width=540, height=460, kind="desk")
PHONE = Canvas(width=350, height=480, kind="phone")


@dataclass(frozen=True, kw_only=True)
class _Axes:
    x: Axis
    y: Axis

    def at(self, point: Point) -> tuple[float, float]:
        # The axis' start is the lower edge.
        y = self.y.start - 9 if point.beneath else self.y.place(100 * point.y)
        return self.x.place(point.x), y


def frontier(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats in both x (smaller) and y (larger), x rising; failed never."""
    best: list[Point] = []
    for point in sorted((p for p in points if not p.failed), key=lambda p: (p.x, -p.y)):
        if not best or point.y > best[-1].y:
            best.append(point)
    return best


def scatter(plot: Plot) -> str:
    """Two `<svg>`, of which the style sheet shows one; "" without points.

    For a wide page and for a phone: scaled down, the names could not be read.
    """
    return "".join(_drawn(plot, canvas) for canvas in (DESKTOP, PHONE)) if plot.points else ""


def _drawn(plot: Plot, canvas: Canvas) -> str:
    points, area = plot.points, canvas.area
    axes, best = _axes(plot, area), frontier(points)
    parts = [*_frame(plot, axes, canvas), *_stairs(best, axes, area)]
    taken = [box for p in points for box in _ink(p, axes)] + _stair_boxes(best, axes)
    if plot.limit_drawn is not None:
        said = f"budget {plot.x_text(plot.limit_drawn)}"
        drawn, boxes = _upright(said, axes.x.place(plot.limit_drawn), taken, area)
        parts.append(drawn)
        taken += boxes
    if plot.reference:
        drawn, boxes = _level(plot.reference, axes.y, taken, area)
        parts.append(drawn)
        taken += boxes
    labels = place_labels([(p.label, *axes.at(p)) for p in points], taken, _roomy(area))
    kinds = [_kind(p, best) for p in points]
    parts += [svg.line("lead", label.at, label.foot) for label in labels if label.led]
    parts += [_mark(p, kind, axes) for p, kind in zip(points, kinds, strict=True)]
    parts += [_name(label, kind) for label, kind in zip(labels, kinds, strict=True)]
    said = f"Accuracy against {plot.x_title}: " + ", ".join(p.label for p in points)
    return svg.chart(canvas.kind, (canvas.width, canvas.height), said, parts)


def _axes(plot: Plot, area: Box) -> _Axes:
    across = [x for p in plot.points for x in (p.x, p.x_high) if x is not None]
    across += [] if plot.limit_drawn is None else [plot.limit_drawn]
    to_scale = [p for p in plot.points if not p.beneath] or plot.points
    heights = [100 * value for p in to_scale for value in (p.low, p.high)]
    heights += [100 * plot.reference[1]] if plot.reference else []
    return _Axes(
        x=value_axis(across, area.left, area.right), y=linear_axis(heights, area.bottom, area.top)
    )


def _roomy(area: Box) -> Box:
    return Box(area.left + 2, area.top - 8, area.right + 6, area.bottom - 2)


def _kind(point: Point, best: Sequence[Point]) -> str:
    if point.failed:
        return "bad"
    # The page's pick is never pale, even if it is beaten.
    if point.marked:
        return "best"
    return "edge" if point in best else "dot"


def _ink(point: Point, axes: _Axes) -> list[Box]:
    """What a point and its bars cover; thin bars may be written over where room is short."""
    x, y = axes.at(point)
    boxes = [Box(x - 7, y - 7, x + 7, y + 7, 12.0)]
    if point.beneath:
        return boxes
    top, bottom = axes.y.place(100 * point.high), axes.y.place(100 * point.low)
    boxes.append(Box(x - 2, top, x + 2, bottom, 0.6))
    if point.x_high is not None:
        boxes.append(Box(x, y - 2, axes.x.place(point.x_high), y + 2, 0.6))
    return boxes


def _corners(best: Sequence[Point], axes: _Axes) -> list[tuple[float, float]]:
    """The step line: level to the next point of the frontier, then up to it."""
    corners = [axes.at(p) for p in best]
    for i in range(len(corners) - 1, 0, -1):
        corners.insert(i, (corners[i][0], corners[i - 1][1]))
    return corners


def _stairs(best: Sequence[Point], axes: _Axes, area: Box) -> list[str]:
    """The frontier as a line, and the area that it beats in a pale colour."""
    if len(best) < 2:
        return []
    corners = _corners(best, axes)
    (first, _), (_, top) = corners[0], corners[-1]
    line = [*corners, (area.right, top)]
    beaten = [(first, area.bottom), *line, (area.right, area.bottom)]
    return [svg.polygon("beaten", beaten), svg.polyline("frontier", line)]


def _stair_boxes(best: Sequence[Point], axes: _Axes) -> list[Box]:
    corners = _corners(best, axes) if len(best) > 1 else []
    return [
        Box(min(a, c) - 1, min(b, d) - 1, max(a, c) + 1, max(b, d) + 1, 2.0)
        for (a, b), (c, d) in itertools.pairwise(corners)
    ]


def _frame(plot: Plot, axes: _Axes, canvas: Canvas) -> list[str]:
    area, ticks = canvas.area, axes.y.ticks
    step = min((b - a for a, b in itertools.pairwise(ticks)), default=1.0)
    digits = next((d for d in range(4) if abs(round(step, d) - step) < 1e-9), 4)
    parts = [svg.text("accuracy, %", 4, 15)]
    for tick in ticks:
        y = axes.y.place(tick)
        parts.append(svg.line("grid", (area.left, y), (area.right, y)))
        parts.append(svg.text(f"{tick:.{digits}f}", area.left - 7, y + 4, "t e"))
    written = -1e9
    for tick in axes.x.ticks:
        x, text = axes.x.place(tick), plot.x_text(tick)
        parts.append(svg.line("grid", (x, area.top), (x, area.bottom)))
        half = text_width(text) / 2
        # On a narrow chart the ticks of a logarithmic axis are closer than their texts are wide.
        if x - half > written + 4:
            written = x + half
            parts.append(svg.text(text, x, area.bottom + 18, "t m"))
    middle = (area.left + area.right) / 2
    return [*parts, svg.text(plot.x_title, middle, canvas.height - 8, "t m")]


def _level(
    reference: tuple[str, float], y_axis: Axis, taken: Sequence[Box], area: Box
) -> tuple[str, list[Box]]:
    """The line of the reference model; its name where the least is drawn."""
    name, accuracy = reference
    y = y_axis.place(100 * accuracy)
    text = f"{shortened(name)} {format_percent(accuracy)}"
    width = text_width(text)
    options = [
        Box(left, y + rise, left + width, y + rise + 14, 30.0)
        for left in (area.right - width, area.left + 3, *range(60, int(area.right - width), 20))
        for rise in (-17, 3)
    ]
    # The names of the points will be around them.
    around = [Box(t.left - 45, t.top - 15, t.right + 45, t.bottom + 15, 0.3) for t in taken]
    box = min(options, key=lambda option: covered(option, [*taken, *around]))
    at_end = box.right == area.right
    x, kind = (area.right, "t e") if at_end else (box.left + 1, "t")
    line = svg.line("level", (area.left, y), (area.right, y)) + svg.text(
        text, x, box.bottom - 3, kind
    )
    return line, [box, Box(area.left, y - 2, area.right, y + 2, 2.5)]


def _upright(text: str, x: float, taken: Sequence[Box], area: Box) -> tuple[str, list[Box]]:
    """The line of a budget; its name on the side and at the end where less is drawn."""
    width = text_width(text)
    options = [
        Box(left, top, left + width, top + 14, 30.0)
        for left in (x - width - 5, x + 5)
        for top in (area.bottom - 18, area.top + 2)
        if area.left <= left and left + width <= area.right + 6
    ] or [Box(area.left, area.top + 2, area.left + width, area.top + 16, 30.0)]
    box = min(options, key=lambda option: covered(option, taken))
    at, kind = (box.right, "t limit e") if box.right <= x else (box.left, "t limit")
    line = svg.line("budget", (x, area.top), (x, area.bottom))
    line += svg.text(text, at, box.bottom - 3, kind)
    return line, [box, Box(x - 2, area.top, x + 2, area.bottom, 1.5)]


def _mark(point: Point, kind: str, axes: _Axes) -> str:
    x, y = axes.at(point)
    if point.beneath:
        corners = [(x - 6, y - 5), (x + 6, y - 5), (x, y + 6)]
        return f'<g class="{kind}">{svg.polygon("mark", corners)}</g>'
    ends = (axes.y.place(100 * point.high), axes.y.place(100 * point.low))
    bars = svg.line("bar", (x, ends[0]), (x, ends[1]))
    if point.x_high is not None:
        bars += svg.line("bar", (x, y), (axes.x.place(point.x_high), y))
    return f'<g class="{kind}">{bars}{svg.circle("mark", x, y, 7 if kind == "best" else 5)}</g>'


def _name(label: Placed, kind: str) -> str:
    box = label.box
    # Flush with the point: the width is an upper estimate, and centring would leave a gap.
    x, anchor = (box.left + box.right) / 2, " m"
    if box.left >= label.at[0]:
        x, anchor = box.left, ""
    elif box.right <= label.at[0]:
        x, anchor = box.right, " e"
    return svg.text(label.text, x, (box.top + box.bottom) / 2 + 4.5, f"name {kind}{anchor}")
