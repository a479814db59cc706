"""Where to put the names of a chart's points, so that all can be read.

Texts, their points and what is already drawn enter; a place for each leaves. Each name takes the
place that covers least; then each moves again, given the others, until none moves.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .text import shortened

# Labels are placed for this size; the page may draw them smaller, never larger.
FONT_PX = 13.0
_DIRECTIONS = tuple(
    (round(math.cos(math.radians(a)), 3), round(math.sin(math.radians(a)), 3))
    for a in (0, 180, 315, 45, 225, 135, 270, 90, 338, 22, 202, 158, 292, 68, 248, 112)
)
_NEAR = 9
_DISTANCES = (_NEAR, 15, 22, 30, 40, 52, 66, 82, 100, 120)
_ROUNDS = 6
# The cost of covering one square unit: a name over a name cannot be read at all.
_NAME_WEIGHT, _INK_WEIGHT, _LEADER_COST = 30.0, 4.0, 60.0


class Box(NamedTuple):
    """A rectangle in SVG units; y grows downwards. weight: what covering it costs."""

    left: float
    top: float
    right: float
    bottom: float
    weight: float = _INK_WEIGHT


class Placed(NamedTuple):
    """A label: its box, the point it names, and whether a leader joins them."""

    text: str
    box: Box
    at: tuple[float, float]
    led: bool

    @property
    def foot(self) -> tuple[float, float]:
        """Where a leader reaches the box."""
        return _nearest(self.box, self.at)


@dataclass(frozen=True, kw_only=True)
class _Chart:
    """Where names may be, what is drawn there, and the points."""

    area: Box
    taken: tuple[Box, ...]
    points: tuple[tuple[float, float], ...]


def place_labels(
    wanted: Sequence[tuple[str, float, float]], taken: Iterable[Box], area: Box
) -> list[Placed]:
    """For each (text, x, y) of a point, where its label covers least; the order is kept."""
    chart = _Chart(area=area, taken=tuple(taken), points=tuple((x, y) for _, x, y in wanted))
    options = [_options(shortened(text), x, y) for text, x, y in wanted]
    # What an option costs among what never moves is the same in all rounds.
    costed = [
        sorted(((_fixed_cost(o, chart), o) for o in found), key=lambda pair: pair[0])
        for found in options
    ]
    orders = (
        lambda i: -_crowd(i, chart.points),
        lambda i: -len(wanted[i][0]),
        lambda i: wanted[i][1],
    )
    tried = [_settle(costed, sorted(range(len(wanted)), key=order)) for order in orders]
    return min(tried, key=lambda t: t[0])[1]


def _settle(
    costed: Sequence[Sequence[tuple[float, Placed]]], order: Sequence[int]
) -> tuple[float, list[Placed]]:
    """Each label in its best place, one after another, repeatedly; with the cost."""
    placed: dict[int, Placed] = {}
    for _ in range(_ROUNDS):
        before, total = dict(placed), 0.0
        for i in order:
            others = [label for j, label in placed.items() if j != i]
            least = math.inf
            for cost, option in costed[i]:
                if cost >= least:
                    break
                whole = cost + _cost_among(option, others)
                if whole < least:
                    placed[i], least = option, whole
            total += least
        if placed == before:
            break
    return total, [placed[i] for i in range(len(costed))]


def _crowd(i: int, points: Sequence[tuple[float, float]]) -> int:
    return sum(math.dist(points[i], other) < 60 for other in points)


def _options(text: str, x: float, y: float) -> list[Placed]:
    return [
        _candidate(text, x, y, direction, distance)
        for distance in _DISTANCES
        for direction in _DIRECTIONS
    ]


def _candidate(
    text: str, x: float, y: float, direction: tuple[float, float], distance: float
) -> Placed:
    across, down = direction
    width, height = text_width(text), FONT_PX * 1.15
    side = math.copysign(width / 2, across) if abs(across) > 0.2 else 0.0
    cx, cy = x + across * distance + side, y + down * (distance + height / 2)
    box = Box(cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2, _NAME_WEIGHT)
    return Placed(text=text, box=box, at=(x, y), led=distance > _NEAR)


def _fixed_cost(option: Placed, chart: _Chart) -> float:
    box, area = option.box, chart.area
    outside = (
        max(0.0, area.left - box.left)
        + max(0.0, box.right - area.right)
        + max(0.0, area.top - box.top)
        + max(0.0, box.bottom - area.bottom)
    )
    passed = sum(
        _near(point, option.at, option.foot) for point in chart.points if point != option.at
    )
    leader = _LEADER_COST * passed if option.led else 0.0
    return (
        40 * outside + covered(box, chart.taken) + leader + 2.0 * math.dist(option.at, option.foot)
    )


def _cost_among(option: Placed, others: Sequence[Placed]) -> float:
    cost = 0.0
    left, top, right, bottom, _ = option.box
    # With room at the sides: two adjacent names would read as one.
    roomy = Box(left - 6, top - 1, right + 6, bottom + 1)
    for other in others:
        cost += _overlap(roomy, other.box) * _NAME_WEIGHT
        if option.led and _crosses(option.at, option.foot, other.box):
            cost += _LEADER_COST
        if other.led and _crosses(other.at, other.foot, option.box):
            cost += _LEADER_COST
        if option.led and other.led and _meet(option, other):
            cost += _LEADER_COST
    return cost


def covered(box: Box, taken: Iterable[Box]) -> float:
    """What it costs to draw a box over others."""
    return sum(_overlap(box, other) * other.weight for other in taken)


def _overlap(a: Box, b: Box) -> float:
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    return width * height if width > 0 and height > 0 else 0.0


def _nearest(box: Box, at: tuple[float, float]) -> tuple[float, float]:
    x, y = at
    return min(max(x, box.left), box.right), min(max(y, box.top), box.bottom)


def _near(point: tuple[float, float], a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether a leader from a to b passes over a point's mark."""
    length = math.dist(a, b)
    if not length:
        return False
    along = sum((p - s) * (e - s) for p, s, e in zip(point, a, b, strict=True)) / length**2
    along = min(1.0, max(0.0, along))
    closest = (a[0] + along * (b[0] - a[0]), a[1] + along * (b[1] - a[1]))
    return math.dist(point, closest) < 6


def _crosses(a: tuple[float, float], b: tuple[float, float], box: Box) -> bool:
    """Whether the line from a to b enters the box."""
    enter, leave = 0.0, 1.0
    for start, end, low, high in (
        (a[0], b[0], box.left, box.right),
        (a[1], b[1], box.top, box.bottom),
    ):
        step = end - start
        if not step:
            if not low <= start <= high:
                return False
            continue
        first, second = sorted(((low - start) / step, (high - start) / step))
        enter, leave = max(enter, first), min(leave, second)
    return enter < leave


def _meet(one: Placed, other: Placed) -> bool:
    """Whether two leaders cross."""
    a, b, c, d = one.at, one.foot, other.at, other.foot
    return _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def text_width(text: str) -> float:
    """An upper estimate of a label's width in SVG units: East Asian characters are full width."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return FONT_PX * (0.58 * (len(text) - wide) + 1.02 * wide)
