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
from ..pages.axes import Axis, linear_axis
from ..pages.rendering import Figure
from ..pages.text import escape, format_seconds
from .figures import tick_text, time_text
from .naming import Naming

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
    parts = [_panel(p, windows, across, _TOP + i * (_PANEL + _GAP)) for i, p in enumerate(panels)]
    bottom = _TOP + len(panels) * (_PANEL + _GAP) - _GAP
    parts.append(_throttled(found.throttled_at_s, across, bottom))
    parts.append(_times(across, bottom))
    said = escape(f"Latency of {name} over {format_seconds(found.seconds)}")
    drawn = (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{said}">'
        f"{''.join(parts)}</svg>"
    )
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
    parts = [f'<text class="t" x="4" y="{top - 6:.0f}">{panel.title}</text>']
    said = tick_text(axis.ticks) if panel.high else "{:,.4g}".format
    for tick in axis.ticks[::2]:
        y, text = axis.place(tick), said(tick)
        parts.append(
            f'<line class="grid" x1="{across.start}" x2="{across.end}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="t e" x="{across.start - 6}" y="{y + 4:.1f}">{escape(text)}</text>'
        )
    if panel.high:
        upper = [f"{across.place(t):.1f},{axis.place(h):.1f}" for t, _, h in points]
        lower = [f"{across.place(t):.1f},{axis.place(v):.1f}" for t, v, _ in reversed(points)]
        parts.append(f'<polygon class="band" points="{" ".join(upper + lower)}"/>')
    line = " ".join(f"{across.place(t):.1f},{axis.place(v):.1f}" for t, v, _ in points)
    parts.append(f'<polyline class="curve" points="{line}"/>')
    return "".join(parts)


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
    where = f'x="{x + (-5 if left else 5):.1f}"' + (' text-anchor="end"' if left else "")
    return (
        f'<line class="budget" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8}" y2="{bottom}"/>'
        f'<text class="t limit" {where} y="{_TOP}">throttled</text>'
    )


def _time_ticks(seconds: float) -> tuple[float, ...]:
    """Whole seconds or minutes."""
    steps = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800)
    step = next((s for s in steps if seconds / s <= 8), 28_800)
    return tuple(float(t) for t in range(0, int(seconds) + 1, step))


def _times(across: Axis, bottom: float) -> str:
    parts = []
    for tick in across.ticks:
        x = across.place(tick)
        minutes, rest = divmod(int(tick), 60)
        text = f"{minutes}:{rest:02d}"
        parts.append(f'<text class="t m" x="{x:.1f}" y="{bottom + 18}">{text}</text>')
    middle = (across.start + across.end) / 2
    parts.append(f'<text class="t m" x="{middle}" y="{bottom + 34}">minutes</text>')
    return "".join(parts)
