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
from ..pages import svg
from ..pages.axes import Axis, linear_axis
from ..pages.labels import text_width
from ..pages.rendering import Figure
from .wording import Naming, tick_text, time_text

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
    drawn = svg.chart("spread", (_WIDTH, height), f"Latencies of {name}", parts)
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
    drawn = svg.chart("spread", (_WIDTH, height), f"Latencies of {name}", parts)
    return Figure(title=name, svg=drawn, note=said)


def _axis(low: float, high: float) -> Axis:
    return linear_axis([low, high], _LEFT, _WIDTH - _RIGHT, floor=0.0)


def _hill(values: Values, axis: Axis, floor: int) -> str:
    counts, edges = np.histogram(values, _BINS, (axis.low, axis.high))
    tallest = max(1, int(counts.max()))
    corners = [(axis.place(axis.low), float(floor))]
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        y = floor - _HEIGHT * count / tallest
        corners += [(axis.place(left), y), (axis.place(right), y)]
    return svg.polygon("hill", [*corners, (axis.place(axis.high), floor)])


def _mark(name: str, value: float, axis: Axis, floor: int, *, level: int) -> str:
    """An upright line; the two names stand in two heights, so that they never meet."""
    x = axis.place(value)
    text = f"{name} {time_text(value)}"
    y = 10 + 12 * level
    fits = x + 4 + text_width(text) < _WIDTH
    where, kind = (x + 4, "t") if fits else (x - 4, "t e")
    return svg.line(name, (x, y - 8), (x, floor)) + svg.text(text, where, y, kind)


def _strip(values: Values, axis: Axis, y: float) -> str:
    low, middle, high = (float(v) for v in np.percentile(values, [10, 50, 90]))
    return _line(low, middle, high, axis, y)


def _line(low: float, middle: float, high: float, axis: Axis, y: float) -> str:
    end = axis.place(axis.high)
    x1, x, x2 = (min(end, axis.place(v)) for v in (low, middle, high))
    return svg.line("reach", (x1, y), (x2, y)) + svg.circle("middle", x, y, 2.4)


def _ticks(axis: Axis, height: int, top: int) -> str:
    parts, written, said = [], -1e9, tick_text(axis.ticks)
    base = height - 18
    for tick in axis.ticks:
        x, text = axis.place(tick), said(tick)
        half = text_width(text) / 2
        if x - half < max(written + 6, 0) or x + half > _WIDTH:
            continue
        written = x + half
        parts.append(svg.line("grid", (x, top), (x, base)) + svg.text(text, x, height - 4, "t m"))
    return "".join(parts)
