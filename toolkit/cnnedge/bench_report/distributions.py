"""How the latencies of each result are spread: a histogram, and each process beneath it.

Results enter; charts leave. Each plot has an axis of its own, which ends where few
samples are left: how many, and how far they reach, is said.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..benchmark import Result
from ..pages.axes import Axis, linear_axis
from ..pages.labels import text_width
from ..pages.rendering import Figure
from ..pages.text import escape
from .figures import tick_text, time_text
from .naming import Naming

Values = npt.NDArray[np.float64]

_WIDTH, _HEIGHT, _BINS = 360, 96, 72
_LEFT, _RIGHT, _TOP = 8, 8, 26
_ROW = 7
_MOST_ROWS = 16


def distributions(results: Sequence[Result], naming: Naming) -> list[Figure]:
    return [_figure(r, naming.name(r)) for r in results if not r.emulated]


def _figure(r: Result, name: str) -> Figure:
    processes = _processes(r)
    if not processes:
        return _without_samples(r, name)
    values = np.concatenate(processes)
    end = _end(values)
    axis = _axis(float(values.min()), end)
    height = _TOP + _HEIGHT + 8 + _ROW * min(len(processes), _MOST_ROWS) + 24
    floor = _TOP + _HEIGHT
    parts = [
        _hill(values, axis, floor),
        _mark("median", float(np.median(values)), axis, floor, level=0),
        _mark("p90", float(np.percentile(values, 90)), axis, floor, level=1),
        *(_strip(p, axis, floor + 10 + _ROW * i) for i, p in enumerate(processes[:_MOST_ROWS])),
        _ticks(axis, height, floor),
    ]
    drawn = _svg(parts, height, f"Latencies of {name}")
    return Figure(title=name, svg=drawn, note=_beyond(values, axis.high))


def _end(values: Values) -> float:
    """Where an axis ends: twice as far above the 90th percentile as that is above the 5th."""
    low, high, last = (float(v) for v in np.percentile(values, [5, 90, 99.5]))
    return min(last, max(high + 2 * (high - low), 1.02 * high))


def _beyond(values: Values, end: float) -> str:
    share = float((values > end).mean())
    if not share:
        return ""
    percent = f"{100 * share:.2g} %" if share >= 0.0001 else "Less than 0.01 %"
    return f"{percent} beyond, up to {time_text(float(values.max()))}"


def _svg(parts: Sequence[str], height: int, said: str) -> str:
    return (
        f'<svg class="chart spread" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(said)}">{"".join(parts)}</svg>'
    )


def _processes(r: Result) -> list[Values]:
    samples = np.asarray(r.samples_ms, np.float64)
    if not samples.size:
        return []
    ends = list(itertools.accumulate(part.count for part in r.repeats))
    return [part for part in np.split(samples, ends[:-1]) if part.size]


def _without_samples(r: Result, name: str) -> Figure:
    """The device's tool told figures alone: a line for each process, its median to its p90."""
    pairs = [(p.median_ms, p.p90_ms) for p in r.repeats]
    known = [(m, p) for m, p in pairs if m is not None and p is not None]
    if not known:
        said = "The device's tool reports neither samples nor percentiles."
        return Figure(title=name, svg="", note=said)
    axis = _axis(min(m for m, _ in known), max(p for _, p in known))
    floor, height = 14, 22 + _ROW * len(known) + 24
    parts = [_line(m, m, p, axis, floor + _ROW * i) for i, (m, p) in enumerate(known)]
    parts.append(_ticks(axis, height, 6))
    said = "The device's tool keeps no samples: each process, median to p90."
    return Figure(title=name, svg=_svg(parts, height, f"Latencies of {name}"), note=said)


def _axis(low: float, high: float) -> Axis:
    return linear_axis([low, high], _LEFT, _WIDTH - _RIGHT, floor=0.0)


def _hill(values: Values, axis: Axis, floor: int) -> str:
    counts, edges = np.histogram(values, _BINS, (axis.low, axis.high))
    tallest = max(1, int(counts.max()))
    points = [f"{axis.place(axis.low):.1f},{floor}"]
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        y = floor - _HEIGHT * count / tallest
        points += [f"{axis.place(left):.1f},{y:.1f}", f"{axis.place(right):.1f},{y:.1f}"]
    points.append(f"{axis.place(axis.high):.1f},{floor}")
    return f'<polygon class="hill" points="{" ".join(points)}"/>'


def _mark(name: str, value: float, axis: Axis, floor: int, *, level: int) -> str:
    """An upright line; the two names stand in two heights, so that they never meet."""
    x = axis.place(value)
    text = f"{name} {time_text(value)}"
    y = 10 + 12 * level
    start = x + 4 if x + 4 + text_width(text) < _WIDTH else x - 4
    end = "" if start > x else ' text-anchor="end"'
    return (
        f'<line class="{name}" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 8}" y2="{floor}"/>'
        f'<text class="t" x="{start:.1f}" y="{y}"{end}>{escape(text)}</text>'
    )


def _strip(values: Values, axis: Axis, y: float) -> str:
    low, middle, high = (float(v) for v in np.percentile(values, [10, 50, 90]))
    return _line(low, middle, high, axis, y)


def _line(low: float, middle: float, high: float, axis: Axis, y: float) -> str:
    end = axis.place(axis.high)
    x1, x, x2 = (min(end, axis.place(v)) for v in (low, middle, high))
    return (
        f'<line class="reach" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<circle class="middle" cx="{x:.1f}" cy="{y:.1f}" r="2.4"/>'
    )


def _ticks(axis: Axis, height: int, top: int) -> str:
    parts, written, said = [], -1e9, tick_text(axis.ticks)
    base = height - 18
    for tick in axis.ticks:
        x, text = axis.place(tick), said(tick)
        half = text_width(text) / 2
        if x - half < max(written + 6, 0) or x + half > _WIDTH:
            continue
        written = x + half
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{base}"/>'
            f'<text class="t m" x="{x:.1f}" y="{height - 4}">{escape(text)}</text>'
        )
    return "".join(parts)
