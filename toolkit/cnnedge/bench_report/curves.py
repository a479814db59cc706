"""Minutes without a pause: latency, clock, temperature and power over time.

Results of the sustained protocol enter; charts leave.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ..benchmark import Result
from ..benchmark.answer import Window
from ..benchmark.result import Sustained
from ..pages import svg
from ..pages.axes import Axis, linear_axis
from ..pages.rendering import Figure
from ..pages.text import format_seconds
from .wording import Naming, tick_text, time_text

_WIDTH, _LEFT, _RIGHT = 640, 62, 14
_PANEL, _GAP, _TOP = 92, 26, 22
# More points than the chart is wide show nothing more.
_MOST_POINTS = 300


@dataclass(frozen=True, kw_only=True)
class _Panel:
    """One quantity over time. key: of a window; high: the other edge of its band."""

    title: str
    key: str
    unit: str
    high: str = ""


_PANELS = (
    _Panel(title="latency, median to p90", key="median", unit="", high="p90"),
    _Panel(title="clock, MHz", key="cpu_mhz", unit=""),
    _Panel(title="temperature, °C", key="temperature_c", unit=""),
    _Panel(title="power, W", key="power_w", unit=""),
)


def curves(results: Sequence[Result], naming: Naming) -> list[Figure]:
    return [_figure(naming.name(r), r.sustained) for r in results if r.sustained and not r.emulated]


def _figure(name: str, found: Sustained) -> Figure:
    windows = found.windows
    panels = [p for p in _PANELS if sum(getattr(w, p.key) is not None for w in windows) > 1]
    height = _TOP + len(panels) * (_PANEL + _GAP) + 14
    across = Axis(
        low=0.0,
        high=found.seconds,
        start=_LEFT,
        end=_WIDTH - _RIGHT,
        ticks=_time_ticks(found.seconds),
    )
    tops = range(_TOP, height, _PANEL + _GAP)
    parts = [_panel(p, windows, across, top) for p, top in zip(panels, tops, strict=False)]
    bottom = _TOP + len(panels) * (_PANEL + _GAP) - _GAP
    parts.append(_throttled(found.throttled_at_s, across, bottom))
    parts.append(_times(across, bottom))
    said = f"Latency of {name} over {format_seconds(found.seconds)}"
    drawn = svg.chart("time", (_WIDTH, height), said, parts)
    return Figure(title=name, svg=drawn, note=_in_words(found))


def _in_words(found: Sustained) -> str:
    span = "minute" if found.minute_s == 60 else format_seconds(found.minute_s)
    first, last = (time_text(m.median) for m in (found.first_minute, found.last_minute))
    change = f"{100 * found.slowdown:+.1f} %"
    when = found.throttled_at_s
    end = "not throttled" if when is None else f"throttled after {format_seconds(when)}"
    kept = found.samples_every
    thinned = "" if kept == 1 else f" One of every {kept} samples is kept."
    return (
        f"First {span}: {first}; last: {last} ({change}); {end}. "
        f"{found.inferences:,} inferences.{thinned}"
    )


def _panel(panel: _Panel, windows: Sequence[Window], across: Axis, top: float) -> str:
    points = _points(windows, panel)
    values = [v for _, *both in points for v in both]
    axis = linear_axis(values, top + _PANEL, top)
    parts = [svg.text(panel.title, 4, top - 6)]
    said = tick_text(axis.ticks) if panel.high else "{:,.4g}".format
    for tick in axis.ticks[::2]:
        y = axis.place(tick)
        parts.append(svg.line("grid", (across.start, y), (across.end, y)))
        parts.append(svg.text(said(tick), across.start - 6, y + 4, "t e"))
    line = [(across.place(t), axis.place(v)) for t, v, _ in points]
    if panel.high:
        upper = [(across.place(t), axis.place(h)) for t, _, h in points]
        parts.append(svg.polygon("band", [*upper, *reversed(line)]))
    return "".join([*parts, svg.polyline("curve", line)])


def _points(windows: Sequence[Window], panel: _Panel) -> list[tuple[float, float, float]]:
    """(time, value, upper edge), neighbours joined by their medians where there are many."""
    known = [w for w in windows if getattr(w, panel.key) is not None]
    size = -(-len(known) // _MOST_POINTS)
    groups = [known[i : i + size] for i in range(0, len(known), size)]
    high = panel.high or panel.key
    return [
        (
            statistics.median(w.t_s for w in group),
            statistics.median(getattr(w, panel.key) for w in group),
            statistics.median(getattr(w, high) for w in group),
        )
        for group in groups
    ]


def _throttled(at: float | None, across: Axis, bottom: float) -> str:
    if at is None:
        return ""
    x = across.place(at)
    left = x > (across.start + across.end) / 2
    where, kind = (x - 5, "t limit e") if left else (x + 5, "t limit")
    line = svg.line("budget", (x, _TOP - 8), (x, bottom))
    return line + svg.text("throttled", where, _TOP, kind)


def _time_ticks(seconds: float) -> tuple[float, ...]:
    """Whole seconds or minutes."""
    steps = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800)
    step = next((s for s in steps if seconds / s <= 8), 28_800)
    return tuple(float(t) for t in range(0, int(seconds) + 1, step))


def _times(across: Axis, bottom: float) -> str:
    parts = []
    for tick in across.ticks:
        minutes, rest = divmod(int(tick), 60)
        parts.append(svg.text(f"{minutes}:{rest:02d}", across.place(tick), bottom + 18, "t m"))
    middle = (across.start + across.end) / 2
    return "".join([*parts, svg.text("minutes", middle, bottom + 34, "t m")])
