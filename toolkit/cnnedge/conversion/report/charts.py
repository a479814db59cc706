"""The report's charts: accuracy against size and latency, and the sizes before and after gzip.

The report enters; sections of HTML leave. Each scatter plot is drawn twice, for a wide page and
for a phone, of which the style sheet shows one: scaled down, its names could not be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...pages.scatter import DESKTOP, PHONE, Point, frontier, limit_in_reach, scatter
from ...pages.text import Row, escape, format_ms, format_percent, format_size, listed
from .verdict import fit, pick

# A failed variant further below the others than this, or half their range, would flatten them.
_CHART_REACH = 0.01
_NAMED = 6


@dataclass(frozen=True, kw_only=True)
class _Figure:
    """One scatter plot: what x is, how it is written, and the largest x that is allowed."""

    title: str
    x_title: str
    x_text: Callable[[float], str]
    smaller: str
    points: Sequence[Point]
    limit: float | None


def charts_section(report: Row) -> str:
    measured = [v for v in report["variants"] if v.get("accuracy") is not None and v.get("ci95")]
    left_out = [escape(v["name"]) for v in report["variants"] if v not in measured]
    known = report.get("reference") or {}
    level = None
    if known.get("accuracy") is not None:
        level = (str(known.get("name", "Keras model")), float(known["accuracy"]))
    figures = "".join(_figure(figure, level) for figure in _figures(report, measured))
    if not figures:
        return ""
    missing = f" Not drawn, see the table: {', '.join(left_out)}." if left_out else ""
    hollow = "" if all(map(fit, measured)) else " A hollow orange point did not pass its checks"
    if any(_beneath(v, _floor(measured)) for v in measured):
        hollow += ", a triangle is far below the others"
    hollow += "." if hollow else ""
    return (
        '<section><h2>What compression costs</h2><p class="note">Upright bars are 95 % intervals; '
        f"up and to the left is better.{hollow}{missing}</p>"
        f'<div class="plots">{figures}</div></section>'
    )


def _floor(measured: Sequence[Row]) -> float:
    """The least accuracy that a failed variant may have in the charts."""
    ends = [end for v in measured if fit(v) for end in v["ci95"]]
    return min(ends) - max(_CHART_REACH, (max(ends) - min(ends)) / 2) if ends else 0.0


def _beneath(variant: Row, floor: float) -> bool:
    return not fit(variant) and bool(variant["accuracy"] < floor)


def _figures(report: Row, measured: Sequence[Row]) -> list[_Figure]:
    shipped, budget = pick(report), report.get("budget") or {}
    floor = _floor(measured)
    return [
        _Figure(
            title="Accuracy and size",
            x_title="file size",
            x_text=format_size,
            smaller="smaller",
            points=[
                _point(v, v["size_bytes"], None, shipped, floor)
                for v in measured
                if v.get("size_bytes")
            ],
            limit=budget.get("size_bytes"),
        ),
        _Figure(
            title="Accuracy and latency",
            x_title="latency, median to p90" if _tails(measured) else "latency, median",
            x_text=format_ms,
            smaller="faster",
            points=[
                _point(v, v["latency_ms"]["median"], v["latency_ms"]["p90"], shipped, floor)
                for v in measured
                if v.get("latency_ms")
            ],
            limit=budget.get("latency_ms"),
        ),
    ]


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


def _figure(figure: _Figure, level: tuple[str, float] | None) -> str:
    if not figure.points:
        return ""
    drawn = "".join(
        scatter(
            figure.points,
            x_title=figure.x_title,
            x_text=figure.x_text,
            reference=level,
            limit=figure.limit,
            canvas=canvas,
        )
        for canvas in (DESKTOP, PHONE)
    )
    said = [text for text in (_frontier_in_words(figure), _limit_in_words(figure)) if text]
    note = f'<p class="note">{" ".join(said)}</p>' if said else ""
    return f"<figure><figcaption>{figure.title}</figcaption>{drawn}{note}</figure>"


def _frontier_in_words(figure: _Figure) -> str:
    best = frontier(figure.points)
    if len(best) < 2 or len(figure.points) < 3:
        return ""
    if len(best) > _NAMED:
        return f"No other is both {figure.smaller} and more accurate than those on the line."
    names = listed([escape(p.label) for p in best])
    return f"No other is both {figure.smaller} and more accurate than those on the line: {names}."


def _limit_in_words(figure: _Figure) -> str:
    """Of a budget that is too far away to be drawn."""
    limit = figure.limit
    if limit is None or limit_in_reach(figure.points, limit):
        return ""
    within = sum(p.x <= limit for p in figure.points)
    who = "all are within" if within == len(figure.points) else "none is within"
    return f"Budget, not drawn: {figure.x_text(limit)}; {who} it."


def download_section(report: Row) -> str:
    """Each variant's size before and after gzip as bars, smallest download first."""
    known = [v for v in report["variants"] if v.get("size_bytes") and v.get("gzip_bytes")]
    if len(known) < 2:
        return ""
    largest = max(max(v["size_bytes"], v["gzip_bytes"]) for v in known)
    shipped = pick(report)
    rows = "".join(
        _download_row(v, largest, picked=v["name"] == shipped)
        for v in sorted(known, key=lambda v: (v["gzip_bytes"], v["size_bytes"]))
    )
    return (
        '<section><h2>Size on the device and to download</h2><p class="note">The whole bar is the '
        "file, its dark part what is left of it after gzip; smallest download first. Zeros and "
        "shared values shrink the download; the file itself, only zeros in sparse encoding do.</p>"
        f'<div class="bars downloads">{rows}</div></section>'
    )


def _download_row(variant: Row, largest: float, *, picked: bool) -> str:
    size, zipped = variant["size_bytes"], variant["gzip_bytes"]
    name = escape(variant["name"])
    kind = " pick" if picked else "" if fit(variant) else " bad"
    return (
        f'<div class="row{kind}"><b title="{name}">{name}</b><span class="track">'
        f'<i class="whole" style="width:{100 * size / largest:.1f}%"></i>'
        f'<i class="part" style="width:{100 * zipped / largest:.1f}%"></i></span>'
        f"<span><b>{format_size(zipped)}</b> of {format_size(size)}</span>"
        f'<span class="share">{100 * zipped / size:.0f} %</span></div>'
    )
