"""Scatter plots as inline SVG for the HTML reports.

Points enter; an `<svg>` string leaves. Colours are CSS classes that the page defines, so that a
chart follows light and dark. A step line joins the points that no other beats.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .axes import Axis, linear_axis, value_axis
from .labels import Box, Placed, covered, place_labels, text_width
from .text import escape, format_percent, shortened

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
class Canvas:
    """The size of a chart in SVG units, which the page draws as about one pixel each."""

    width: int
    height: int
    kind: str = ""

    @property
    def plot(self) -> Box:
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


def limit_in_reach(
    points: Sequence[Point], limit: float | None, reach: float = LIMIT_REACH
) -> bool:
    """Whether a limit of x can be drawn without compressing the points."""
    if limit is None or not points:
        return False
    xs = [p.x for p in points]
    return min(xs) / reach <= limit <= max(xs) * reach


def scatter(
    points: Sequence[Point],
    *,
    x_title: str,
    x_text: Callable[[float], str],
    reference: tuple[str, float] | None = None,
    limit: float | None = None,
    reach: float = LIMIT_REACH,
    canvas: Canvas = DESKTOP,
) -> str:
    """Accuracy in per cent against `x_title` as one `<svg>`; "" without points.

    x is logarithmic if the largest value is more than 4 times the smallest. x_text writes a
    tick. reference: name and accuracy (fraction) of a model drawn as a level line. limit: the
    largest x allowed, a vertical line if it is at most `reach` times away from every point.
    """
    if not points:
        return ""
    limit = limit if limit_in_reach(points, limit, reach) else None
    axes = _axes(points, reference, limit, canvas.plot)
    best = frontier(points)
    parts = [_frame(axes, canvas, x_title, x_text), _stairs(best, axes, canvas.plot)]
    taken = [box for p in points for box in _ink(p, axes)] + _stair_boxes(best, axes)
    if limit is not None:
        line, boxes = _upright(f"budget {x_text(limit)}", axes.x.place(limit), taken, canvas.plot)
        parts.append(line)
        taken += boxes
    if reference:
        line, boxes = _level(reference, axes.y, taken, canvas.plot)
        parts.append(line)
        taken += boxes
    labels = place_labels([(p.label, *axes.at(p)) for p in points], taken, _roomy(canvas.plot))
    kinds = [_kind(p, best) for p in points]
    parts += [_leader(label) for label in labels if label.led]
    parts += [_mark(p, kind, axes) for p, kind in zip(points, kinds, strict=True)]
    parts += [_name(label, kind) for label, kind in zip(labels, kinds, strict=True)]
    said = escape(f"Accuracy against {x_title}: " + ", ".join(p.label for p in points))
    return (
        f'<svg class="chart {canvas.kind}" viewBox="0 0 {canvas.width} {canvas.height}" '
        f'role="img" aria-label="{said}">{"".join(parts)}</svg>'
    )


def _axes(
    points: Sequence[Point],
    reference: tuple[str, float] | None,
    limit: float | None,
    plot: Box,
) -> _Axes:
    across = [p.x for p in points] + [p.x_high for p in points if p.x_high is not None]
    across += [limit] if limit is not None else []
    to_scale = [p for p in points if not p.beneath] or points
    heights = [100 * value for p in to_scale for value in (p.low, p.high)]
    heights += [100 * reference[1]] if reference else []
    return _Axes(
        x=value_axis(across, plot.left, plot.right), y=linear_axis(heights, plot.bottom, plot.top)
    )


def _roomy(plot: Box) -> Box:
    return Box(plot.left + 2, plot.top - 8, plot.right + 6, plot.bottom - 2)


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


def _stairs(best: Sequence[Point], axes: _Axes, plot: Box) -> str:
    """The frontier as a line, and the area that it beats in a pale colour."""
    if len(best) < 2:
        return ""
    corners = _corners(best, axes)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    (first, _), (_, top) = corners[0], corners[-1]
    return (
        f'<polygon class="beaten" points="{first:.1f},{plot.bottom} {line} '
        f'{plot.right},{top:.1f} {plot.right},{plot.bottom}"/>'
        f'<polyline class="frontier" points="{line} {plot.right},{top:.1f}"/>'
    )


def _stair_boxes(best: Sequence[Point], axes: _Axes) -> list[Box]:
    corners = _corners(best, axes) if len(best) > 1 else []
    return [
        Box(min(a, c) - 1, min(b, d) - 1, max(a, c) + 1, max(b, d) + 1, 2.0)
        for (a, b), (c, d) in itertools.pairwise(corners)
    ]


def _frame(axes: _Axes, canvas: Canvas, x_title: str, x_text: Callable[[float], str]) -> str:
    plot, ticks = canvas.plot, axes.y.ticks
    steps = [b - a for a, b in itertools.pairwise(ticks)]
    step = min(steps, default=1.0)
    digits = next((d for d in range(4) if abs(round(step, d) - step) < 1e-9), 4)
    parts = ['<text class="t" x="4" y="15">accuracy, %</text>']
    for tick in ticks:
        y = axes.y.place(tick)
        parts.append(
            f'<line class="grid" x1="{plot.left}" x2="{plot.right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="t e" x="{plot.left - 7}" y="{y + 4:.1f}">{tick:.{digits}f}</text>'
        )
    written = -1e9
    for tick in axes.x.ticks:
        x, text = axes.x.place(tick), x_text(tick)
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{plot.top}" y2="{plot.bottom}"/>'
        )
        half = text_width(text) / 2
        # On a narrow chart the ticks of a logarithmic axis are closer than their texts are wide.
        if x - half > written + 4:
            written = x + half
            below = f'x="{x:.1f}" y="{plot.bottom + 18}"'
            parts.append(f'<text class="t m" {below}>{escape(text)}</text>')
    middle = (plot.left + plot.right) / 2
    parts.append(f'<text class="t m" x="{middle}" y="{canvas.height - 8}">{escape(x_title)}</text>')
    return "".join(parts)


def _level(
    reference: tuple[str, float], y_axis: Axis, taken: Sequence[Box], plot: Box
) -> tuple[str, list[Box]]:
    """The line of the reference model; its name where the least is drawn."""
    name, accuracy = reference
    y = y_axis.place(100 * accuracy)
    text = f"{shortened(name)} {format_percent(accuracy)}"
    width = text_width(text)
    options = [
        Box(left, y + rise, left + width, y + rise + 14, 30.0)
        for left in (plot.right - width, plot.left + 3, *range(60, int(plot.right - width), 20))
        for rise in (-17, 3)
    ]
    # The names of the points will be around them.
    around = [Box(t.left - 45, t.top - 15, t.right + 45, t.bottom + 15, 0.3) for t in taken]
    box = min(options, key=lambda option: covered(option, [*taken, *around]))
    at_end = box.right == plot.right
    where = f'class="t e" x="{plot.right}"' if at_end else f'class="t" x="{box.left + 1:.1f}"'
    line = (
        f'<line class="level" x1="{plot.left}" x2="{plot.right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text {where} y="{box.bottom - 3:.1f}">{escape(text)}</text>'
    )
    return line, [box, Box(plot.left, y - 2, plot.right, y + 2, 2.5)]


def _upright(text: str, x: float, taken: Sequence[Box], plot: Box) -> tuple[str, list[Box]]:
    """The line of a budget; its name on the side and at the end where less is drawn."""
    width = text_width(text)
    options = [
        Box(left, top, left + width, top + 14, 30.0)
        for left in (x - width - 5, x + 5)
        for top in (plot.bottom - 18, plot.top + 2)
        if plot.left <= left and left + width <= plot.right + 6
    ] or [Box(plot.left, plot.top + 2, plot.left + width, plot.top + 16, 30.0)]
    box = min(options, key=lambda option: covered(option, taken))
    end = box.right <= x
    where = (
        f'class="t limit e" x="{box.right:.1f}"' if end else f'class="t limit" x="{box.left:.1f}"'
    )
    line = (
        f'<line class="budget" x1="{x:.1f}" x2="{x:.1f}" y1="{plot.top}" y2="{plot.bottom}"/>'
        f'<text {where} y="{box.bottom - 3:.1f}">{escape(text)}</text>'
    )
    return line, [box, Box(x - 2, plot.top, x + 2, plot.bottom, 1.5)]


def _leader(label: Placed) -> str:
    (x, y), (to_x, to_y) = label.at, label.foot
    return f'<line class="lead" x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"/>'


def _mark(point: Point, kind: str, axes: _Axes) -> str:
    x, y = axes.at(point)
    if point.beneath:
        corners = f"{x - 6:.1f},{y - 5:.1f} {x + 6:.1f},{y - 5:.1f} {x:.1f},{y + 6:.1f}"
        return f'<g class="{kind}"><polygon points="{corners}"/></g>'
    top, bottom = axes.y.place(100 * point.high), axes.y.place(100 * point.low)
    across = ""
    if point.x_high is not None:
        end = axes.x.place(point.x_high)
        across = f'<line class="bar" x1="{x:.1f}" x2="{end:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
    radius = 7 if kind == "best" else 5
    return (
        f'<g class="{kind}"><line class="bar" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" '
        f'y2="{bottom:.1f}"/>{across}<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/></g>'
    )


def _name(label: Placed, kind: str) -> str:
    x = label.at[0]
    middle = (label.box.left + label.box.right) / 2
    # Flush with the point: the width is an upper estimate, and centring would leave a gap.
    if label.box.left >= x:
        place = f'x="{label.box.left:.1f}"'
    elif label.box.right <= x:
        place = f'x="{label.box.right:.1f}" text-anchor="end"'
    else:
        place = f'x="{middle:.1f}" text-anchor="middle"'
    baseline = (label.box.top + label.box.bottom) / 2 + 4.5
    return f'<text class="name {kind}" {place} y="{baseline:.1f}">{escape(label.text)}</text>'
