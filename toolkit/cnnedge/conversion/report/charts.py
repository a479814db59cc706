"""The report's charts: accuracy against size and latency, and the sizes before and after gzip.

The report enters; figures and bars leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...pages.rendering import Figure
from ...pages.scatter import Plot, Point, frontier, scatter
from ...pages.text import Row, format_ms, format_percent, format_size, listed
from .verdict import fit, pick

# A failed variant further below the others than this, or half their range, would flatten them.
_CHART_REACH = 0.01
_NAMED = 6


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The scatter plots; what their marks mean, and which variants are not drawn, or ""."""

    figures: Sequence[Figure]
    marks: str
    left_out: str


@dataclass(frozen=True, kw_only=True)
class Download:
    """A bar. kind: its CSS class. size, zipped: bytes, before and after gzip."""

    name: str
    kind: str
    size: float
    zipped: float


def costs(report: Row) -> Costs | None:
    """None where no variant has an accuracy, and a size or a latency."""
    measured = [v for v in report["variants"] if v.get("accuracy") is not None and v.get("ci95")]
    known = report.get("reference") or {}
    level = None
    if known.get("accuracy") is not None:
        level = (str(known.get("name", "Keras model")), float(known["accuracy"]))
    figures = list(_figures(report, measured, level))
    if not figures:
        return None
    missing = [str(v["name"]) for v in report["variants"] if v not in measured]
    left_out = f" Not drawn, see the table: {', '.join(missing)}." if missing else ""
    return Costs(figures=figures, marks=_marks(measured), left_out=left_out)


def _marks(measured: Sequence[Row]) -> str:
    said = "" if all(map(fit, measured)) else " A hollow orange point did not pass its checks"
    if any(_beneath(v, _floor(measured)) for v in measured):
        said += ", a triangle is far below the others"
    return said + "." if said else ""


def _floor(measured: Sequence[Row]) -> float:
    """The least accuracy that a failed variant may have in the charts."""
    ends = [end for v in measured if fit(v) for end in v["ci95"]]
    return min(ends) - max(_CHART_REACH, (max(ends) - min(ends)) / 2) if ends else 0.0


def _beneath(variant: Row, floor: float) -> bool:
    return not fit(variant) and bool(variant["accuracy"] < floor)


def _figures(
    report: Row, measured: Sequence[Row], level: tuple[str, float] | None
) -> Iterator[Figure]:
    shipped, budget, floor = pick(report), report.get("budget") or {}, _floor(measured)
    sized = Plot(
        points=[
            _point(v, v["size_bytes"], None, shipped, floor)
            for v in measured
            if v.get("size_bytes")
        ],
        x_title="file size",
        x_text=format_size,
        reference=level,
        limit=budget.get("size_bytes"),
    )
    timed = Plot(
        points=[
            _point(v, v["latency_ms"]["median"], v["latency_ms"]["p90"], shipped, floor)
            for v in measured
            if v.get("latency_ms")
        ],
        x_title="latency, median to p90" if _tails(measured) else "latency, median",
        x_text=format_ms,
        reference=level,
        limit=budget.get("latency_ms"),
    )
    if sized.points:
        yield _figure("Accuracy and size", sized, "smaller")
    if timed.points:
        yield _figure("Accuracy and latency", timed, "faster")


def _tails(measured: Sequence[Row]) -> bool:
    return any((v.get("latency_ms") or {}).get("p90") is not None for v in measured)


def _point(
    variant: Row, x: float, x_high: float | None, shipped: str | None, floor: float
) -> Point:
    low, high = variant["ci95"]
    name, beneath = str(variant["name"]), _beneath(variant, floor)
    return Point(
        label=f"{name}: {format_percent(variant['accuracy'])}" if beneath else name,
        x=x,
        y=variant["accuracy"],
        low=low,
        high=high,
        x_high=x_high,
        marked=name == shipped,
        failed=not fit(variant),
        beneath=beneath,
    )


def _figure(title: str, plot: Plot, smaller: str) -> Figure:
    said = [_frontier_in_words(plot, smaller), _limit_in_words(plot)]
    return Figure(title=title, svg=scatter(plot), note=" ".join(text for text in said if text))


def _frontier_in_words(plot: Plot, smaller: str) -> str:
    best = frontier(plot.points)
    if len(best) < 2 or len(plot.points) < 3:
        return ""
    names = f": {listed([p.label for p in best])}" if len(best) <= _NAMED else ""
    return f"No other is both {smaller} and more accurate than those on the line{names}."


def _limit_in_words(plot: Plot) -> str:
    """Of a budget that is too far away to be drawn."""
    if plot.limit is None or plot.limit_drawn is not None:
        return ""
    within = sum(p.x <= plot.limit for p in plot.points)
    who = "all are within" if within == len(plot.points) else "none is within"
    return f"Budget, not drawn: {plot.x_text(plot.limit)}; {who} it."


def downloads(report: Row) -> list[Download]:
    """Each variant's size before and after gzip, smallest download first; at least two, or none."""
    known = [v for v in report["variants"] if v.get("size_bytes") and v.get("gzip_bytes")]
    if len(known) < 2:
        return []
    shipped = pick(report)
    return [
        Download(
            name=v["name"],
            kind="pick" if v["name"] == shipped else "" if fit(v) else "bad",
            size=v["size_bytes"],
            zipped=v["gzip_bytes"],
        )
        for v in sorted(known, key=lambda v: (v["gzip_bytes"], v["size_bytes"]))
    ]
